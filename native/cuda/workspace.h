// Workspace of a stream: one block of device memory that every operation on it uses in turn, grown by eager steps.
#pragma once

#include <memory>
#include <vector>

#include "cuda/owned.h"

namespace margincore {

class CudaWorkspace {
 public:
  explicit CudaWorkspace(cudaStream_t stream) : stream_(stream) {}

  /// At least `bytes`, aligned to 256; contents undefined. Valid until the next call.
  void* take(size_t bytes) {
    if (bytes > capacity_) grow(bytes);
    return memory_ == nullptr ? nullptr : static_cast<void*>(*memory_);
  }

  /// A recorded program holds the block's address from now on: it is kept when a larger one takes its place.
  void keep() { is_recorded_ = true; }

 private:
  void grow(size_t bytes) {
    cudaStreamCaptureStatus capturing;
    MARGINCORE_CHECK(cudaStreamIsCapturing(stream_, &capturing));
    if (capturing != cudaStreamCaptureStatusNone)
      throw Error(ErrorCode::Internal, "cuda: recording needs workspace that no eager step has asked for");
    if (is_recorded_) recorded_.push_back(std::move(memory_));
    MARGINCORE_CHECK(cudaStreamSynchronize(stream_));  // what is queued may still use the old block
    memory_.reset();
    capacity_ = 0;
    is_recorded_ = false;
    auto larger = std::make_unique<DeviceMemory>();
    MARGINCORE_CHECK(cudaMalloc(larger->to_create(), bytes));
    memory_ = std::move(larger);
    capacity_ = bytes;
  }

  cudaStream_t stream_;
  std::unique_ptr<DeviceMemory> memory_;
  size_t capacity_ = 0;
  bool is_recorded_ = false;
  std::vector<std::unique_ptr<DeviceMemory>> recorded_;
};

}  // namespace margincore
