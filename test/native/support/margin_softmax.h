// Problems for margin_softmax, and one call of it with its operands on a device: for its own tests, and for those of
// scaled batch norm around it.
#pragma once

#include <string>
#include <vector>

#include "reference/margin_softmax.h"
#include "support/device.h"

namespace margincore::test {

struct MarginKind {
  std::string name;
  Margin margin;
  bool normalize_weights;
  double feature_norm;  // about; the scale of cosine heads
  double lambda, ramp;
};

/// Every margin; softmax comes first.
extern const std::vector<MarginKind> kMarginKinds;

/// Throws if there is none of that name.
const MarginKind& margin_kind(const std::string& name);

struct MarginSizes {
  int64_t rows, classes, size;
};

reference::MarginSoftmaxProblem make_problem(const MarginSizes& sizes, const MarginKind& kind, uint64_t seed);

/// The operands of a call, on the device, with products as they were rounded. All outputs are asked for that the problem has;
/// reports are three, of which the call's is the second.
MarginSoftmaxOperands softmax_operands(Device& device, const reference::MarginSoftmaxProblem& p,
                                       const Floats& products);

/// One call.
class MarginSoftmaxCall {
 public:
  MarginSoftmaxCall(Backend& backend, const reference::MarginSoftmaxProblem& p);
  /// With products as they were rounded, or broken.
  MarginSoftmaxCall(Backend& backend, const reference::MarginSoftmaxProblem& p, const Floats& products);

  StepReport report() const { return device.read<StepReport>(operands.report, 3)[1]; }
  bool halted() const { return device.read<int32_t>(operands.halted, 1)[0] != 0; }
  Floats dlogits() const { return device.read(operands.logits); }

  /// d loss / d features: what the seam says the parts add up to.
  Doubles feature_gradient() const;
  Doubles weight_gradient() const;

  Device device;
  MarginSoftmaxOperands operands;

 private:
  reference::MarginSoftmaxProblem problem_;
};

}  // namespace margincore::test
