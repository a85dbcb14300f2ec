// A stream, for as long as what is queued on it lives.
#pragma once

#include "cuda/check.h"

namespace margincore {

class CudaStream {
 public:
  CudaStream() { MARGINCORE_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  ~CudaStream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace margincore
