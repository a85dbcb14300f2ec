// What the tests of memory, streams and graphs share.
#pragma once

#include "cuda/device.h"
#include "support.h"

namespace margincore::cuda_sim {

inline MARGINCORE_KERNEL add_to(int* to, const int* from, int64_t count) {
  for (int64_t i = device::global_thread(); i < count; i += device::global_threads()) to[i] += from[i];
}

/// A second stream, and an event to order the two.
struct TwoStreams : Device {
  TwoStreams() {
    cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  }
  ~TwoStreams() {
    cudaEventDestroy(event);
    cudaStreamDestroy(other);
  }
  cudaStream_t other = nullptr;
  cudaEvent_t event = nullptr;
};

/// Pinned host memory.
struct Pinned {
  explicit Pinned(size_t count) {
    REQUIRE(cudaMallocHost(reinterpret_cast<void**>(&data), count * sizeof(int)) == cudaSuccess);
  }
  ~Pinned() { cudaFreeHost(data); }
  int* data = nullptr;
};

}  // namespace margincore::cuda_sim
