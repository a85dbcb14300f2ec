// The shared memory of the block that runs.
#pragma once

#include <cstddef>

namespace margincore::cuda_sim {

/// A new block: nothing is in shared memory.
void clear_shared_memory();

/// The array of this key, poisoned when it is first asked for in a block; null where it does not fit any more.
void* find_shared_memory(const void* key, size_t bytes, size_t alignment);

}  // namespace margincore::cuda_sim
