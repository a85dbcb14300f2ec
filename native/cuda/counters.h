// Counters of blocks, for kernels whose last block joins what all have summed (kernels/last_block.h). Not in the
// workspace, which others overwrite: each kernel, and so each replay of a recorded one, finds and leaves them at 0.
#pragma once

#include "cuda/kernels/kernels.h"
#include "cuda/owned.h"

namespace margincore {

class CudaCounters {
 public:
  explicit CudaCounters(cudaStream_t stream) {
    constexpr size_t kBytes = cuda::kCounters * sizeof(unsigned);
    MARGINCORE_CHECK(cudaMalloc(memory_.to_create(), kBytes));
    MARGINCORE_CHECK(cudaMemsetAsync(memory_, 0, kBytes, stream));
  }

  operator unsigned*() const { return static_cast<unsigned*>(static_cast<void*>(memory_)); }

 private:
  DeviceMemory memory_;
};

}  // namespace margincore
