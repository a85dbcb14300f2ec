// Convolutions by cuDNN, NHWC: the three passes, and nothing else of that library.
#pragma once

#include <array>
#include <map>
#include <memory>

#include "backend/backend.h"
#include "cuda/workspace.h"

namespace margincore {

/// No algorithm may take more: what fits in less is nearly as fast.
inline constexpr size_t kMaxConvolutionWorkspace = size_t{256} << 20;

class CudaConvolutions {
 public:
  CudaConvolutions(cudaStream_t stream, CudaWorkspace& workspace, const BackendOptions& options);
  ~CudaConvolutions();

  void forward(Tensor y, Tensor x, Tensor w, Conv2d conv);
  void backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, bool adds);
  void backward_filter(Tensor dw, Tensor dy, Tensor x, Conv2d conv);

 private:
  struct Plan;
  using Key = std::array<int64_t, 14>;  // the complete shape, and the type

  Plan& plan(const Tensor& y, const Tensor& x, const Tensor& w, const Conv2d& conv);
  void expect_eager(const char* pass) const;

  cudaStream_t stream_;
  CudaWorkspace& workspace_;
  Owned<cudnnHandle_t, cudnnDestroy> handle_;  // outlives the plans
  bool deterministic_;
  cudnnMathType_t fp32_math_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace margincore
