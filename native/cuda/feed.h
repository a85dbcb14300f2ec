// Uploads on a stream of their own, so that a batch travels while the one before is computed. Slots take turns; two
// events per slot order both streams.
#pragma once

#include "backend/backend.h"
#include "cuda/owned.h"

namespace margincore {

class CudaFeed {
 public:
  explicit CudaFeed(cudaStream_t compute) : compute_(compute) {}
  ~CudaFeed() { cudaStreamSynchronize(copies_); }

  /// When it is done, the slot's host memory may be written again.
  cudaEvent_t uploaded(int32_t slot) { return at(slot).uploaded; }

  void upload(int32_t slot, void* device, const void* host, size_t bytes) {
    MARGINCORE_CHECK(cudaStreamWaitEvent(copies_, at(slot).read, 0));
    MARGINCORE_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, copies_));
    MARGINCORE_CHECK(cudaEventRecord(at(slot).uploaded, copies_));
  }

  void begin(int32_t slot) { MARGINCORE_CHECK(cudaStreamWaitEvent(compute_, at(slot).uploaded, 0)); }
  void end(int32_t slot) { MARGINCORE_CHECK(cudaEventRecord(at(slot).read, compute_)); }

 private:
  struct Slot {
    CudaEvent uploaded, read;
  };

  Slot& at(int32_t slot) {
    if (slot < 0 || slot >= kFeedSlots) throw Error(ErrorCode::Internal, "feed: there is no such slot");
    return slots_[slot];
  }

  cudaStream_t compute_;
  CudaStream copies_;
  Slot slots_[kFeedSlots];
};

}  // namespace margincore
