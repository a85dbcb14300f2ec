// Small uploads through page-locked memory: the caller's copy is free at once, and nothing waits for the device.
#pragma once

#include <algorithm>
#include <cstring>

#include "cuda/owned.h"

namespace margincore {

class SmallUploads {
 public:
  static constexpr size_t kMaxBytes = 4096;

  explicit SmallUploads(cudaStream_t stream) : stream_(stream) {
    MARGINCORE_CHECK(cudaMallocHost(memory_.to_create(), kSlots * kMaxBytes));
  }

  /// wait(event): only where the device is kSlots uploads behind.
  template <class Wait>
  void upload(void* device, const void* host, size_t bytes, const Wait& wait) {
    const int slot = next_ % kSlots;
    if (next_ >= kSlots) wait(done_[slot]);
    ++next_;
    char* staged = static_cast<char*>(static_cast<void*>(memory_)) + slot * kMaxBytes;
    std::memcpy(staged, host, bytes);
    MARGINCORE_CHECK(cudaMemcpyAsync(device, staged, bytes, cudaMemcpyHostToDevice, stream_));
    MARGINCORE_CHECK(cudaEventRecord(done_[slot], stream_));
  }

  /// So far, and all that was queued before the last of them.
  int64_t done() {
    first_ = std::max(first_, next_ - kSlots);
    while (first_ < next_ && is_done(done_[first_ % kSlots])) ++first_;
    return first_;
  }

 private:
  static constexpr int kSlots = 64;

  cudaStream_t stream_;
  PinnedMemory memory_;
  CudaEvent done_[kSlots];
  int64_t next_ = 0, first_ = 0;  // of all; that may be not done yet
};

}  // namespace margincore
