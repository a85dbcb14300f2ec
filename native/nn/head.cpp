#include "nn/head.h"

#include <cmath>

#include "heads/heads.h"

namespace margincore {

namespace {

constexpr uint32_t kDropoutStream = 1u << 16;  // beyond any layer's number

Tensor optional(const Parameters& parameters, const std::optional<ParameterTable::Key>& key, bool gradient) {
  if (!key) return {};
  return gradient ? parameters.gradient(*key) : parameters.value(*key);
}

void expect(bool holds, const char* what) {
  if (!holds) throw Error(ErrorCode::InvalidOption, std::string("head: expected ") + what);
}

}  // namespace

void validate(const HeadSpec& spec) {
  expect(spec.num_classes >= 1, "at least one class");
  expect(!(spec.bias && spec.normalize_weights), "no bias beside normalised class weights");
  expect(!(spec.learn_scale && !spec.normalize_features), "normalised features where the scale is learned");
  expect(std::isfinite(spec.scale) && spec.scale > 0, "a finite scale above 0");
  expect(std::isfinite(spec.margin.m1) && spec.margin.m1 > 0, "a finite m1 above 0");
  expect(std::isfinite(spec.margin.m2) && std::isfinite(spec.margin.m3), "finite margins");
  expect(spec.feature_dropout >= 0 && spec.feature_dropout < 1, "featureDropout in [0, 1)");
  expect(spec.label_smoothing >= 0 && spec.label_smoothing < 1, "labelSmoothing in [0, 1)");
  const auto weights = static_cast<int64_t>(spec.class_weights.size());
  expect(weights == 0 || weights == spec.num_classes, "as many classWeights as classes");
  for (float weight : spec.class_weights) expect(std::isfinite(weight) && weight >= 0, "classWeights of at least 0");
}

Head::Head(const HeadSpec& spec, int64_t embedding_size, ParameterTable& table)
    : spec_(spec), embedding_size_(embedding_size) {
  validate(spec);
  weight_ = table.add({"head.weight",
                       {spec.num_classes, embedding_size},
                       ParameterGroup::HeadDecay,
                       {Initializer::Kind::XavierUniform, 0, embedding_size, spec.num_classes}});
  if (spec.bias) bias_ = table.add({"head.bias", {spec.num_classes}, ParameterGroup::HeadNoDecay, {}});
  if (spec.learn_scale) {
    scale_ = table.add({"head.scale", {1}, ParameterGroup::HeadNoDecay, {Initializer::Kind::Constant, spec.scale}});
  }
}

HeadPass::HeadPass(const Head& head, int64_t max_batch, bool training, ActivationPlan& plan, int moment)
    : head_(head), training_(training) {
  const HeadSpec& spec = head.spec_;
  margin_ = has_margin(spec.margin);
  transformed_ = spec.normalize_features || (training && spec.feature_dropout > 0);
  const auto add = [&](int64_t rows, int64_t columns) {
    return Planned{plan.add(rows * columns * static_cast<int64_t>(sizeof(float)), moment, moment), columns};
  };
  logits_ = add(max_batch, spec.num_classes);
  if (transformed_) features_ = add(max_batch, head.embedding_size_);
  input_norms_ = add(max_batch, 1);
  feature_norms_ = add(max_batch, 1);
  feature_radial_ = add(max_batch, 1);
  class_norms_ = add(1, spec.num_classes);
  class_radial_ = add(1, spec.num_classes);
}

void HeadPass::bind(Backend& backend, const ActivationPlan& plan, void* arena) {
  plan_ = &plan;
  arena_ = static_cast<char*>(arena);
  std::vector<float> constants = {head_.spec_.scale};
  constants.insert(constants.end(), head_.spec_.class_weights.begin(), head_.spec_.class_weights.end());
  constants_ = Buffer(backend, constants.size() * sizeof(float));
  check(backend.upload(constants_.data(), constants.data(), constants_.bytes()));
}

Tensor HeadPass::rows(const Planned& buffer, int64_t batch) const {
  float* memory = reinterpret_cast<float*>(arena_ + plan_->offset(buffer.id));
  return buffer.columns == 1 ? Tensor(memory, {batch}) : Tensor(memory, {batch, buffer.columns});
}

const float* HeadPass::scale(const Parameters& parameters) const {
  return head_.scale_ ? parameters.value(*head_.scale_).f32() : constants_.f32();
}

/// Rows over which a norm is taken: samples, or the whole batch as one row.
Tensor HeadPass::transform_rows(Tensor x) const {
  return head_.spec_.batch_norm_scope ? Tensor(x.data, x.dtype, {1, x.count()}) : x;
}

/// f of embeddings x; in training with dropout.
Tensor HeadPass::transform(Backend& backend, const Parameters& parameters, Tensor x) const {
  const HeadSpec& spec = head_.spec_;
  const bool normalize = spec.normalize_features && (training_ || !spec.batch_norm_scope);
  if (!normalize) return x;
  const Tensor features = rows(features_, x.shape[0]);
  const Tensor source = transform_rows(x), norms = rows(input_norms_, source.shape[0]);
  check(backend.row_norms(norms, source));
  check(backend.l2_scale_forward(transform_rows(features), source, norms, scale(parameters)));
  return features;
}

void HeadPass::train(Backend& backend, const Parameters& parameters, Tensor dx, Tensor x, const HeadStep& step) const {
  const HeadSpec& spec = head_.spec_;
  const int64_t batch = x.shape[0];
  const Tensor weights = parameters.value(head_.weight_), dweights = parameters.gradient(head_.weight_);
  const Tensor logits = rows(logits_, batch);
  const Tensor class_norms(rows(class_norms_, 1).data, DType::F32, {spec.num_classes});
  const Tensor class_radial(rows(class_radial_, 1).data, DType::F32, {spec.num_classes});
  const Dropout dropout{spec.feature_dropout, kDropoutStream};

  Tensor features = transform(backend, parameters, x);
  if (spec.feature_dropout > 0) {
    const Tensor dropped = rows(features_, batch);
    check(backend.dropout_forward(dropped, features, dropout, step.step));
    features = dropped;
  }
  check(backend.linear_forward(logits, features, weights, {}));
  if (margin_ || spec.normalize_weights) check(backend.row_norms(class_norms, weights));
  if (margin_) check(backend.row_norms(rows(feature_norms_, batch), features));

  // Each row's normalisation with a fixed scale removes the gradient along f, unless dropout stands between them.
  const bool rows_on_sphere = spec.normalize_features && !spec.batch_norm_scope;
  const bool radial_features = margin_ && (!rows_on_sphere || spec.feature_dropout > 0 || spec.learn_scale);
  const bool radial_weights = margin_ && !spec.normalize_weights;
  MarginSoftmaxOperands operands;
  operands.logits = logits;
  if (radial_features) operands.feature_radial = rows(feature_radial_, batch);
  if (radial_weights) operands.class_radial = class_radial;
  operands.margin_logits = step.margin_logits;
  operands.report = step.report;
  operands.halted = step.halted;
  operands.labels = step.labels;
  operands.features = features;
  operands.class_weights = weights;
  if (margin_) operands.feature_norms = rows(feature_norms_, batch);
  if (margin_ || spec.normalize_weights) operands.class_norms = class_norms;
  operands.class_shift = optional(parameters, head_.bias_, false);
  if (!spec.class_weights.empty()) operands.loss_weights = Tensor(constants_.f32() + 1, {spec.num_classes});
  operands.step = step.step;
  check(backend.margin_softmax(operands, {spec.margin, spec.label_smoothing, spec.normalize_weights}));

  const Tensor dlogits = logits;
  check(backend.linear_backward_weight(dweights, optional(parameters, head_.bias_, true), dlogits, features));
  if (spec.normalize_weights) check(backend.remove_radial(dweights, weights, class_norms));
  if (radial_weights) check(backend.add_scaled_rows(dweights, weights, class_radial));

  check(backend.linear_backward_data(dx, dlogits, weights));
  if (radial_features) check(backend.add_scaled_rows(dx, features, operands.feature_radial));
  if (spec.feature_dropout > 0) check(backend.dropout_backward(dx, dx, dropout, step.step));
  if (spec.normalize_features) {
    const Tensor source = transform_rows(x), gradient = transform_rows(dx);
    check(backend.l2_scale_backward(gradient, optional(parameters, head_.scale_, true), gradient, source,
                                    rows(input_norms_, source.shape[0]), scale(parameters)));
  }
}

Tensor HeadPass::score(Backend& backend, const Parameters& parameters, Tensor x) const {
  const HeadSpec& spec = head_.spec_;
  const Tensor weights = parameters.value(head_.weight_);
  const Tensor logits = rows(logits_, x.shape[0]);
  check(backend.linear_forward(logits, transform(backend, parameters, x), weights, {}));
  const Tensor class_norms(rows(class_norms_, 1).data, DType::F32, {spec.num_classes});
  if (spec.normalize_weights) check(backend.row_norms(class_norms, weights));
  if (spec.normalize_weights || head_.bias_)
    check(backend.scale_logits(logits, {}, spec.normalize_weights ? class_norms : Tensor(),
                               optional(parameters, head_.bias_, false)));
  return logits;
}

Tensor HeadPass::cosines(Backend& backend, const Parameters& parameters, Tensor x) const {
  const Tensor weights = parameters.value(head_.weight_);
  const Tensor logits = rows(logits_, x.shape[0]);
  const Tensor class_norms(rows(class_norms_, 1).data, DType::F32, {head_.num_classes()});
  check(backend.linear_forward(logits, x, weights, {}));
  check(backend.row_norms(class_norms, weights));
  check(backend.row_norms(rows(input_norms_, x.shape[0]), x));
  check(backend.scale_logits(logits, rows(input_norms_, x.shape[0]), class_norms, {}));
  return logits;
}

}  // namespace margincore
