// Runs a kernel: blocks one after another, the threads of a block as fibers.
#pragma once

#include "sim/device.h"

namespace margincore::cuda_sim {

inline constexpr int64_t kWarp = 32;
inline constexpr int64_t kMaxThreads = 1024;  // of a block
inline constexpr int64_t kMaxBlocks = (int64_t{1} << 31) - 1;
inline constexpr size_t kSharedBytes = 48 * 1024;  // of a block

/// A kernel that misuses barriers, shuffles or shared memory breaks the device.
void run(const Launch& launch);

}  // namespace margincore::cuda_sim
