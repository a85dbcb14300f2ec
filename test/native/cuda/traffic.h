// Bytes of device memory that our kernels read and write on the simulated device.
#pragma once

#include <cstdint>

namespace margincore::test {

/// Since the process began. The kernels of this program are compiled with -fsanitize=thread, which puts a call before
/// every access to memory; traffic.cpp has these calls, in place of that sanitizer.
int64_t kernel_traffic();

}  // namespace margincore::test
