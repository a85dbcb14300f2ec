#include "support/margin_softmax.h"

#include <cmath>

#include "support/random.h"

namespace margincore::test {

namespace {

Margin margin(float m1, float m2, float m3, Wrap wrap = Wrap::Continue, int easy = 0, int exact = 1) {
  return {m1, m2, m3, wrap, easy, exact};
}

bool has_angles(const reference::MarginSoftmaxProblem& p) {
  return p.head.margin.m1 != 1 || p.head.margin.m2 != 0 || p.head.margin.m3 != 0;
}

}  // namespace

const std::vector<MarginKind> kMarginKinds = {
    {"softmax", margin(1, 0, 0), false, 3, 0, 1},
    {"normface", margin(1, 0, 0), true, 16, 0, 1},
    {"l-softmax", margin(4, 0, 0), false, 3, 0, 1},
    {"l-softmax, lambda 5", margin(3, 0, 0), false, 3, 5, 1},
    {"a-softmax, lambda 0.5", margin(4, 0, 0), true, 8, 0.5, 1},
    {"am-softmax", margin(1, 0, 0.35f), true, 30, 0, 1},
    {"arcface", margin(1, 0.5f, 0), true, 30, 0, 1},
    {"arcface, free weights", margin(1, 0.5f, 0), false, 3, 0, 1},
    {"arcface, linear", margin(1, 0.5f, 0, Wrap::Linear), true, 16, 0, 1},
    {"arcface, no wrap", margin(1, 0.5f, 0, Wrap::None), true, 16, 0, 1},
    {"arcface, easy", margin(1, 0.5f, 0, Wrap::Continue, 1), true, 16, 0, 1},
    {"arcface, detached", margin(1, 0.5f, 0, Wrap::Continue, 0, 0), true, 30, 0, 1},
    {"arcface, half ramp", margin(1, 0.5f, 0), true, 30, 0, 0.5},
    {"combined", margin(1.25f, 0.25f, 0.125f), true, 16, 0, 1},
    {"combined, free, lambda 1", margin(1.5f, 0.25f, 0.125f), false, 3, 1, 1},
};

const MarginKind& margin_kind(const std::string& name) {
  for (const MarginKind& kind : kMarginKinds)
    if (kind.name == name) return kind;
  throw Error(ErrorCode::Internal, "no kind is named " + name);
}

reference::MarginSoftmaxProblem make_problem(const MarginSizes& sizes, const MarginKind& kind, uint64_t seed) {
  Random random(seed);
  reference::MarginSoftmaxProblem p{sizes.rows, sizes.classes, sizes.size};
  const double spread = 1 / std::sqrt(static_cast<double>(sizes.size));
  p.features = to_doubles(random.normals(sizes.rows * sizes.size, kind.feature_norm * spread));
  p.class_weights = to_doubles(random.normals(sizes.classes * sizes.size, spread));
  p.labels = random.integers(sizes.rows, 0, sizes.classes - 1);
  p.head = {kind.margin, 0, kind.normalize_weights};
  p.lambda = kind.lambda;
  p.ramp = kind.ramp;
  return p;
}

MarginSoftmaxCall::MarginSoftmaxCall(Backend& backend, const reference::MarginSoftmaxProblem& p)
    : MarginSoftmaxCall(backend, p, to_floats(reference::products(p))) {}

MarginSoftmaxOperands softmax_operands(Device& device, const reference::MarginSoftmaxProblem& p,
                                       const Floats& products) {
  MarginSoftmaxOperands operands;
  const int64_t classes = p.classes;
  const bool has_norms = has_angles(p);
  const auto optional = [&](const Doubles& values) {
    return values.empty() ? Tensor() : device.input(to_floats(values), {classes});
  };
  StepBlock block{};
  block.lambda = static_cast<float>(p.lambda);
  block.margin_ramp = static_cast<float>(p.ramp);
  block.report_index = 1;
  operands.logits = device.inout(products, {p.rows, classes});
  operands.margin_logits = device.output({p.rows, classes});
  if (p.mixed_labels.empty()) operands.target_terms = device.output({p.rows, 2});
  if (has_norms) operands.feature_radial = device.output({p.rows});
  if (has_norms && !p.head.normalize_weights) operands.class_radial = device.output({classes});
  operands.report = device.variable(std::vector<StepReport>(3, {-1, -1, -1, -1, -1}));
  operands.halted = device.variable(Ints{0});
  operands.labels = device.input(p.labels, {p.rows});
  operands.features = device.input(to_floats(p.features), {p.rows, p.size});
  operands.class_weights = device.input(to_floats(p.class_weights), {classes, p.size});
  if (has_norms)
    operands.feature_norms = device.input(to_floats(reference::row_norms(p.features, p.rows, p.size)), {p.rows});
  if (has_norms || p.head.normalize_weights)
    operands.class_norms = device.input(to_floats(reference::row_norms(p.class_weights, classes, p.size)), {classes});
  operands.class_scale = optional(p.class_scale);
  operands.class_shift = optional(p.class_shift);
  operands.loss_weights = optional(p.loss_weights);
  if (!p.mixed_labels.empty()) {
    operands.mixed_labels = device.input(p.mixed_labels, {p.rows});
    operands.mixed_share = device.input(to_floats(p.mixed_share), {p.rows});
  }
  operands.step = device.constant(block);
  return operands;
}

MarginSoftmaxCall::MarginSoftmaxCall(Backend& backend, const reference::MarginSoftmaxProblem& p, const Floats& products)
    : device(backend), operands(softmax_operands(device, p, products)), problem_(p) {
  device.call(backend.margin_softmax(operands, p.head));
}

Doubles MarginSoftmaxCall::feature_gradient() const {
  const auto& p = problem_;
  const Doubles from_logits =
      reference::linear_backward_data(to_doubles(dlogits()), p.class_weights, p.rows, p.size, p.classes);
  if (!operands.feature_radial) return from_logits;
  return reference::add_scaled_rows(from_logits, p.features, to_doubles(device.read(operands.feature_radial)), p.size);
}

Doubles MarginSoftmaxCall::weight_gradient() const {
  const auto& p = problem_;
  const Doubles from_logits =
      reference::linear_backward_weight(to_doubles(dlogits()), p.features, p.rows, p.size, p.classes);
  if (p.head.normalize_weights) return reference::remove_radial(from_logits, p.class_weights, p.classes, p.size);
  if (!operands.class_radial) return from_logits;
  return reference::add_scaled_rows(from_logits, p.class_weights, to_doubles(device.read(operands.class_radial)),
                                    p.size);
}

}  // namespace margincore::test
