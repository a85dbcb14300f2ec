// Convolutions by cuDNN's older interface: one configuration per algorithm, timed by cuDNN itself.
#pragma once

#include <array>
#include <map>
#include <memory>

#include "cuda/convolution_call.h"
#include "cuda/convolution_context.h"

namespace margincore {

class LegacyConvolutions {
 public:
  explicit LegacyConvolutions(ConvolutionContext& context);
  ~LegacyConvolutions();

  void run(const ConvolutionCall& call);

 private:
  struct Plan;
  using Key = std::array<int64_t, 14>;  // the complete shape, and the type

  Plan& plan(const Tensor& y, const Tensor& x, const Tensor& w, const Conv2d& conv);
  void forward(Tensor y, Tensor x, Tensor w, Conv2d conv);
  void backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, bool adds);
  void backward_filter(Tensor dw, Tensor dy, Tensor x, Conv2d conv);

  ConvolutionContext& context_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace margincore
