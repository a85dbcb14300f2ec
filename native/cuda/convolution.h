// Convolutions by cuDNN, NHWC: the three passes, by its graph interface or, where that has no plan, by its older one.
#pragma once

#include <optional>

#include "cuda/convolution_graph.h"
#include "cuda/convolution_legacy.h"

namespace margincore {

class CudaConvolutions {
 public:
  CudaConvolutions(cudaStream_t stream, CudaWorkspace& workspace, const BackendOptions& options,
                   const BackendInfo& card);

  void forward(Tensor y, Tensor x, Tensor w, Conv2d conv);
  void backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, bool adds);
  void backward_filter(Tensor dw, Tensor dy, Tensor x, Conv2d conv);

 private:
  void run(const ConvolutionCall& call);

  ConvolutionContext context_;
  std::optional<GraphConvolutions> graphs_;  // as MARGINCORE_CUDNN_API allows
  std::optional<LegacyConvolutions> legacy_;
};

}  // namespace margincore
