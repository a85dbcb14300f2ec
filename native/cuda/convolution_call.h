// One pass of a convolution, with its operands.
#pragma once

#include "backend/backend.h"

namespace margincore {

enum class ConvolutionPass { Forward, BackwardData, BackwardFilter };

inline const char* name_of(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::Forward: return "forward";
    case ConvolutionPass::BackwardData: return "backward_data";
    case ConvolutionPass::BackwardFilter: return "backward_filter";
  }
  return "";
}

/// x, w and y are images, weights and outputs, or the gradients of them: a pass writes one and reads the other two.
struct ConvolutionCall {
  ConvolutionPass pass;
  Tensor x, w, y;
  Conv2d conv;
  bool adds = false;  // to what the result holds

  Tensor& result() {
    switch (pass) {
      case ConvolutionPass::Forward: return y;
      case ConvolutionPass::BackwardData: return x;
      case ConvolutionPass::BackwardFilter: break;
    }
    return w;
  }
  const Tensor& result() const { return const_cast<ConvolutionCall*>(this)->result(); }
  /// Of what is read.
  DType operand_type() const { return pass == ConvolutionPass::Forward ? x.dtype : y.dtype; }
};

/// All that a plan depends on, on one line.
inline std::string to_string(const ConvolutionCall& call) {
  const auto tensor = [](const char* name, const Tensor& t) {
    return std::string(" ") + name + " " + to_string(t.shape) + (t.dtype == DType::BF16 ? " bf16" : " fp32");
  };
  return name_of(call.pass) + tensor("x", call.x) + tensor("w", call.w) + tensor("y", call.y) + " stride " +
         std::to_string(call.conv.stride) + " padding " + std::to_string(call.conv.padding) + " groups " +
         std::to_string(call.conv.groups) + (call.adds ? " adds" : "");
}

}  // namespace margincore
