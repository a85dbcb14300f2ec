// Small uploads through page-locked memory: the caller's copy is free at once, and nothing waits for the device.
#pragma once

#include <cstring>

#include "cuda/owned.h"

namespace margincore {

class SmallUploads {
 public:
  static constexpr size_t kMaxBytes = 4096;

  explicit SmallUploads(cudaStream_t stream) : stream_(stream) {
    MARGINCORE_CHECK(cudaMallocHost(memory_.to_create(), kSlots * kMaxBytes));
  }

  void upload(void* device, const void* host, size_t bytes) {
    const int slot = next_++ % kSlots;
    // Waits only where the device is kSlots uploads behind.
    if (next_ > kSlots) MARGINCORE_CHECK(cudaEventSynchronize(done_[slot]));
    char* staged = static_cast<char*>(static_cast<void*>(memory_)) + slot * kMaxBytes;
    std::memcpy(staged, host, bytes);
    MARGINCORE_CHECK(cudaMemcpyAsync(device, staged, bytes, cudaMemcpyHostToDevice, stream_));
    MARGINCORE_CHECK(cudaEventRecord(done_[slot], stream_));
  }

 private:
  static constexpr int kSlots = 64;

  cudaStream_t stream_;
  PinnedMemory memory_;
  CudaEvent done_[kSlots];
  int64_t next_ = 0;
};

}  // namespace margincore
