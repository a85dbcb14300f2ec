// Workspace of the CUDA backend: one block of device memory that every operation uses in turn, grown by eager steps.
#pragma once

#include <vector>

#include "cuda/check.h"

namespace margincore {

class CudaWorkspace {
 public:
  explicit CudaWorkspace(cudaStream_t stream) : stream_(stream) {}
  CudaWorkspace(const CudaWorkspace&) = delete;
  CudaWorkspace& operator=(const CudaWorkspace&) = delete;
  ~CudaWorkspace() {
    cudaFree(memory_);
    for (void* block : retired_) cudaFree(block);
  }

  /// At least `bytes`, aligned to 256; contents undefined. Valid until the next call.
  void* take(size_t bytes) {
    if (bytes > capacity_) grow(bytes);
    return memory_;
  }

 private:
  void grow(size_t bytes) {
    cudaStreamCaptureStatus capturing;
    MARGINCORE_CHECK(cudaStreamIsCapturing(stream_, &capturing));
    if (capturing != cudaStreamCaptureStatusNone)
      throw Error(ErrorCode::Internal, "cuda: recording needs workspace that no eager step has asked for");
    // Recorded programs may go on using the old block.
    if (memory_ != nullptr) retired_.push_back(memory_);
    memory_ = nullptr;
    capacity_ = 0;
    MARGINCORE_CHECK(cudaMalloc(&memory_, bytes));
    capacity_ = bytes;
  }

  cudaStream_t stream_;
  void* memory_ = nullptr;
  size_t capacity_ = 0;
  std::vector<void*> retired_;
};

}  // namespace margincore
