// What the machine, or the container, offers this process.
#pragma once

#include <cstddef>

namespace margincore {

/// Physical cores, or fewer where fewer processors are allowed.
int default_threads();

/// Bytes that could be allocated now without pushing others out, within the limits of the control group.
size_t available_memory_of_this_process();

}  // namespace margincore
