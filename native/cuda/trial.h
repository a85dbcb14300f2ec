// Device memory for trying algorithms, freed afterwards.
#pragma once

#include "cuda/convolution_context.h"

namespace margincore {

/// Whether there was so much device memory.
inline bool try_allocate(DeviceMemory& memory, size_t bytes) {
  if (cudaMalloc(memory.to_create(), bytes) == cudaSuccess) return true;
  *memory.to_create() = nullptr;
  cudaGetLastError();  // not to be met again by a later call
  return false;
}

/// A workspace, as much as there is of what an algorithm may take.
class Trial {
 public:
  explicit Trial(size_t most = kMaxConvolutionWorkspace) : most_(most), bytes_(most) {
    while (bytes_ > 0 && !try_allocate(memory_, bytes_)) bytes_ /= 4;
  }

  void* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }
  /// Whether every algorithm that may be taken could be tried.
  bool is_whole() const { return bytes_ == most_; }

 private:
  DeviceMemory memory_;
  size_t most_, bytes_;
};

}  // namespace margincore
