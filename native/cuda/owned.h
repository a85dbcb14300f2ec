// A handle of a CUDA library, destroyed with its owner: also where the owner's construction fails half-way.
#pragma once

#include "cuda/check.h"

namespace margincore {

template <class Handle, auto destroy>
class Owned {
 public:
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    if (handle_ != nullptr) destroy(handle_);
  }

  operator Handle() const { return handle_; }
  /// Where a Create function writes.
  Handle* to_create() { return &handle_; }

 private:
  Handle handle_ = nullptr;
};

using DeviceMemory = Owned<void*, cudaFree>;
using PinnedMemory = Owned<void*, cudaFreeHost>;

/// For order between streams; it measures no time.
struct CudaEvent : Owned<cudaEvent_t, cudaEventDestroy> {
  CudaEvent() { MARGINCORE_CHECK(cudaEventCreateWithFlags(to_create(), cudaEventDisableTiming)); }
};

/// Whether what was queued before it is done.
inline bool is_done(cudaEvent_t event) {
  const cudaError_t error = cudaEventQuery(event);
  if (error == cudaErrorNotReady) cudaGetLastError();  // not to be met again by a later call
  else MARGINCORE_CHECK(error);
  return error == cudaSuccess;
}

/// Without an order to the legacy stream.
struct CudaStream : Owned<cudaStream_t, cudaStreamDestroy> {
  CudaStream() { MARGINCORE_CHECK(cudaStreamCreateWithFlags(to_create(), cudaStreamNonBlocking)); }
};

}  // namespace margincore
