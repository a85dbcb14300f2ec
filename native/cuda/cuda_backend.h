// The CUDA backend: cuDNN for convolutions, cuBLAS for matmul, our own kernels for everything else. All work is
// queued on one stream, in the order of the calls; but gradients of convolutions' weights are made beside those of their
// inputs.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "cuda/convolution.h"
#include "cuda/counters.h"
#include "cuda/feed.h"
#include "cuda/matmul.h"
#include "cuda/side_stream.h"
#include "cuda/uploads.h"
#include "cuda/waits.h"
#include "cuda/workspace.h"

namespace margincore {

/// What `device` is, or throws DeviceUnavailable with the reason.
BackendInfo describe_device(int32_t index);

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const BackendOptions& options);
  ~CudaBackend();

  const BackendInfo& info() const override { return info_; }
  void destroy() override { delete this; }

#define MARGINCORE_OP override
#include "backend/operations.h"

 private:
  void settle();
  float* floats(int64_t count) { return static_cast<float*>(workspace_.take(count * sizeof(float))); }
  cuda::Parts parts(int64_t count) { return {floats(count), counters_}; }
  /// position: of a max pool, or none; see cuda::column_sums.
  void column_sums_of(Tensor sums, Tensor matrix, Tensor position = {});

  int32_t device_;
  BackendInfo info_;
  CudaStream stream_;
  CudaWaits waits_;
  CudaWorkspace workspace_;
  CudaCounters counters_;
  SmallUploads uploads_;
  CudaFeed feed_;
  CudaConvolutions convolutions_;
  CudaMatmul matmul_;
  CudaSideStream side_;
  CudaWorkspace side_workspace_;
  CudaSideStream exchanges_;           // of ranks, beside what is computed
  CudaConvolutions filter_gradients_;  // on the side stream: with a workspace, a handle and plans of their own
};

}  // namespace margincore
