#include "nn/head.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "heads/heads.h"
#include "nn/centroids.h"

namespace margincore {

namespace {

constexpr uint32_t kDropoutStream = 1u << 16;  // beyond any layer's number

/// Where not all classes are compared: what is not a sum over those that are has no meaning.
void expect_drawable(const HeadSpec& spec) {
  const char* const hindrance = spec.scaled_bn
                                    ? "scaled batch norm of the logits, whose statistics are those of all steps"
                                : spec.label_smoothing > 0 ? "label smoothing, which is over all classes"
                                : spec.fixed_weights       ? "fixed class weights, of which there is nothing to train"
                                                           : nullptr;
  if (hindrance != nullptr)
    throw Error(ErrorCode::InvalidOption,
                std::string("sampleClasses: expected all classes to be compared beside ") + hindrance);
}

Tensor optional(const Parameters& parameters, const std::optional<ParameterTable::Key>& key, bool gradient) {
  if (!key) return {};
  return gradient ? parameters.gradient(*key) : parameters.value(*key);
}

}  // namespace

int64_t class_block(int64_t classes) {
  constexpr int64_t kBlocks = 8;
  const int64_t size = (classes + kBlocks - 1) / kBlocks;
  return std::min(kMaxClassBlock, (size + 3) / 4 * 4);  // random bits come for four
}

ClassDraw draw_of(RowRange own, int64_t classes, double share) {
  const auto share_of = [&](int64_t size) {
    return std::min(size, static_cast<int64_t>(std::ceil(share * static_cast<double>(size))));
  };
  ClassDraw draw{.first = own.first, .count = own.count, .block = class_block(classes), .drawn = 0, .drawn_of_last = 0};
  draw.drawn = share_of(draw.block);
  draw.drawn_of_last = share_of(draw.size_of(draw.blocks() - 1));
  return draw;
}

Head::Head(const HeadSpec& spec, int64_t embedding_size, ParameterTable& table, std::optional<RowRange> own_classes,
           double class_share)
    : spec_(spec),
      embedding_size_(embedding_size),
      is_sharded_(own_classes.has_value()),
      own_(own_classes.value_or(RowRange{0, spec.num_classes})),
      class_share_(class_share) {
  validate(spec);
  const int64_t classes = spec.num_classes;
  if (spec.fixed_weights && embedding_size < classes - 1 && classes > kMaxSearchedCentroids)
    throw Error(
        ErrorCode::InvalidOption,
        format("head: expected at most %lld classes, or an embedding of at least %lld, for fixed centroids, but "
               "received %lld classes and an embedding of %lld",
               static_cast<long long>(kMaxSearchedCentroids), static_cast<long long>(classes - 1),
               static_cast<long long>(classes), static_cast<long long>(embedding_size)));
  if (class_share < 1) {
    expect_drawable(spec);
    draw_ = draw_of(own_, classes, class_share);
  }
  // What belongs to classes: the own ones' rows.
  const auto add = [&](const char* name, Shape shape, ParameterGroup group, const Initializer& initializer) {
    shape.dims[0] = own_.count;
    return table.add({.name = name,
                      .shape = shape,
                      .group = group,
                      .initializer = initializer,
                      .first_row = own_.first,
                      .all_rows = is_sharded_ ? classes : 0,
                      .by_rows = draw_.has_value()});
  };
  const auto add_state = [&](const char* name, const Shape& shape, double value) {
    return add(name, shape, ParameterGroup::State, {Initializer::Kind::Constant, value});
  };
  own_keys_.weight = add("head.weight", {classes, embedding_size},
                         spec.fixed_weights ? ParameterGroup::State : ParameterGroup::HeadDecay,
                         spec.fixed_weights ? Initializer{Initializer::Kind::Centroids}
                                            : weight_initializer(InitRule::XavierUniform, {embedding_size, classes}));
  if (spec.bias) own_keys_.bias = add("head.bias", {classes}, ParameterGroup::HeadNoDecay, {});
  if (spec.learn_scale)
    scale_ = table.add({"head.scale", {1}, ParameterGroup::HeadShared, {Initializer::Kind::Constant, spec.scale}});
  if (spec.center_weight > 0 && !spec.fixed_weights)
    own_keys_.centers = add_state("head.centers", {classes, embedding_size}, 0);
  if (spec.scaled_bn) {
    running_mean_ = add_state("head.runningMean", {classes}, 0);
    running_variance_ = add_state("head.runningVariance", {classes}, 1);
  }
  compared_keys_ = draw_ ? declare_drawn(table) : own_keys_;
}

/// The rows of what belongs to the classes that a step has drawn.
Head::ClassKeys Head::declare_drawn(ParameterTable& table) const {
  const auto add = [&](Key whole) {
    ParameterSpec spec = table.entry(whole).spec;
    spec.name += ".drawn";
    spec.shape.dims[0] = draw_->slots();
    spec.initializer = {};
    spec.first_row = 0;
    spec.by_rows = false;
    spec.rows_of = whole;
    return table.add(spec);
  };
  ClassKeys keys{.weight = add(own_keys_.weight), .bias = {}, .centers = {}};
  if (own_keys_.bias) keys.bias = add(*own_keys_.bias);
  if (own_keys_.centers) keys.centers = add(*own_keys_.centers);
  return keys;
}

std::optional<ClassDraw> Head::draw_of_all() const {
  if (!draw_) return std::nullopt;
  return draw_of({0, spec_.num_classes}, spec_.num_classes, class_share_);
}

HeadPass::HeadPass(const Head& head, int64_t max_batch, bool training, ActivationPlan& plan, int moment, int last)
    : head_(head), classes_(training ? head.compared_classes() : head.own_.count) {
  const HeadSpec& spec = head.spec_;
  const int64_t classes = classes_, size = head.embedding_size_;
  margin_ = has_margin(spec.margin);
  const auto until = [&](int end, int64_t rows, int64_t columns) {
    const int64_t numbers = rows * std::max<int64_t>(columns, 1);
    return Planned{plan.add(numbers * static_cast<int64_t>(sizeof(float)), moment, end), columns};
  };
  const auto add = [&](int64_t rows, int64_t columns) { return until(moment, rows, columns); };
  logits_ = add(max_batch, classes);
  input_norms_ = add(max_batch, 0);
  class_norms_ = add(1, classes);
  if (spec.scaled_bn) {
    class_scale_ = add(1, classes);
    class_shift_ = add(1, classes);
  }
  if (!training) return;

  if (spec.normalize_features || spec.feature_dropout > 0) features_ = add(max_batch, size);
  feature_norms_ = add(max_batch, 0);
  feature_radial_ = add(max_batch, 0);
  class_radial_ = add(1, classes);
  if (head.draw_ && !spec.class_weights.empty()) loss_weights_ = add(1, classes);
  if (head.is_sharded_) {
    largest_ = add(2, max_batch);
    row_sums_ = add(kRowSums, max_batch);
  }
  if (spec.scaled_bn) {
    products_ = add(max_batch, classes);
    target_terms_ = add(max_batch, 2);
    mean_ = until(last, 1, classes);
    variance_ = until(last, 1, classes);
  }
  if (spec.center_weight > 0) {
    compared_ = until(last, max_batch, size);
    center_gradient_ = add(max_batch, size);
  }
}

void HeadPass::bind(Backend& backend, const ActivationPlan& plan, void* arena) {
  plan_ = &plan;
  arena_ = static_cast<char*>(arena);
  std::vector<float> constants = {head_.spec_.scale, 1, 0, 0};  // class weights begin at 16 bytes
  const std::vector<float>& weights = head_.spec_.class_weights;
  if (!weights.empty()) {
    const auto own = weights.begin() + head_.own_.first;
    constants.insert(constants.end(), own, own + head_.own_.count);
  }
  weight_of_classes_ = weights.empty() ? static_cast<float>(head_.spec_.num_classes)
                                       : static_cast<float>(std::accumulate(weights.begin(), weights.end(), 0.0));
  constants_ = Buffer(backend, constants.size() * sizeof(float));
  check(backend.upload(constants_.data(), constants.data(), constants_.bytes()));
}

Tensor HeadPass::rows(const Planned& buffer, int64_t batch) const {
  float* memory = reinterpret_cast<float*>(arena_ + plan_->offset(buffer.id));
  return buffer.columns == 0 ? Tensor(memory, {batch}) : Tensor(memory, {batch, buffer.columns});
}

Tensor HeadPass::columns(const Planned& buffer) const { return {rows(buffer, 1).data, DType::F32, {classes_}}; }

Dropout HeadPass::dropout() const { return {head_.spec_.feature_dropout, kDropoutStream}; }

const float* HeadPass::scale(const Parameters& parameters) const {
  return head_.scale_ ? parameters.value(*head_.scale_).f32() : constants_.f32();
}

/// Rows over which a norm is taken: samples, or the whole batch as one row.
Tensor HeadPass::transform_rows(Tensor x) const {
  return head_.spec_.l2_scope == L2Scope::Batch ? Tensor(x.data, x.dtype, {1, x.count()}) : x;
}

Tensor HeadPass::transform(Backend& backend, const Parameters& parameters, Tensor x, const HeadStep& step) const {
  const HeadSpec& spec = head_.spec_;
  Tensor features = x;
  Tensor norms = margin_ ? rows(feature_norms_, x.shape[0]) : Tensor();  // still to be taken
  if (spec.normalize_features) {
    features = rows(features_, x.shape[0]);
    const Tensor source = transform_rows(x);
    const bool by_row = spec.l2_scope == L2Scope::Sample && spec.feature_dropout == 0;
    check(backend.l2_scale_forward(transform_rows(features), rows(input_norms_, source.shape[0]),
                                   by_row ? norms : Tensor(), source, scale(parameters)));
    if (by_row) norms = {};
  }
  if (spec.feature_dropout > 0) {
    const Tensor dropped = rows(features_, x.shape[0]);
    check(backend.dropout_forward(dropped, features, dropout(), step.step));
    features = dropped;
  }
  if (norms) check(backend.row_norms(norms, features));
  return features;
}

/// Of the classes that are compared, or none where all weigh 1.
Tensor HeadPass::loss_weights(Backend& backend, Tensor drawn) const {
  if (head_.spec_.class_weights.empty()) return {};
  const Tensor own(constants_.f32() + 4, {head_.own_.count});
  if (!head_.draw_) return own;
  const Tensor compared = columns(loss_weights_);
  check(backend.gather_rows(compared, own, drawn));
  return compared;
}

void HeadPass::train(Backend& backend, const Parameters& parameters, Tensor dx, Tensor x, const HeadStep& step) const {
  const HeadSpec& spec = head_.spec_;
  const int64_t batch = x.shape[0];
  const Tensor weights = parameters.value(head_.compared_keys_.weight);
  const Tensor logits = rows(logits_, batch);
  const Tensor class_norms = columns(class_norms_), class_radial = columns(class_radial_);

  const Tensor features = transform(backend, parameters, x, step);
  check(backend.linear_forward(logits, features, weights, {}));
  if (margin_ || spec.normalize_weights) check(backend.row_norms(class_norms, weights));

  // Each row's normalisation with a fixed scale removes the gradient along f, unless dropout stands between them.
  const bool rows_on_sphere = spec.normalize_features && spec.l2_scope == L2Scope::Sample;
  const bool radial_features = margin_ && (!rows_on_sphere || spec.feature_dropout > 0 || spec.learn_scale);
  const bool radial_weights = margin_ && !spec.normalize_weights;
  MarginSoftmaxOperands operands;
  const Tensor unit_weights = spec.normalize_weights ? class_norms : Tensor();  // what products are divided by
  if (spec.scaled_bn) {
    check(backend.copy(rows(products_, batch).data, logits.data, logits.bytes()));
    check(backend.column_stats(columns(mean_), columns(variance_), logits, unit_weights));
    operands.class_scale = columns(class_scale_);
    operands.class_shift = columns(class_shift_);
    check(backend.scaled_bn_fold(operands.class_scale, operands.class_shift, columns(mean_), columns(variance_),
                                 *spec.scaled_bn));
    operands.target_terms = rows(target_terms_, batch);
  }
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
  if (head_.compared_keys_.bias) operands.class_shift = parameters.value(*head_.compared_keys_.bias);
  operands.loss_weights = loss_weights(backend, step.drawn);
  operands.mixed_labels = step.mixed_labels;
  operands.mixed_share = step.mixed_share;
  operands.step = step.step;
  run_softmax(backend, operands, step);

  const Tensor dlogits = logits;
  if (spec.scaled_bn)
    check(backend.scaled_bn_backward(dlogits, rows(products_, batch), step.labels, operands.target_terms,
                                     columns(mean_), columns(variance_), unit_weights, *spec.scaled_bn));
  if (!spec.fixed_weights) {
    const Tensor dweights = parameters.gradient(head_.compared_keys_.weight);
    check(backend.linear_backward_weight(dweights, optional(parameters, head_.compared_keys_.bias, true), dlogits,
                                         features));
    if (spec.normalize_weights) check(backend.remove_radial(dweights, weights, class_norms));
    if (radial_weights) check(backend.add_scaled_rows(dweights, weights, class_radial));
  }

  const bool needs_dx = step.needs_dx || head_.scale_;  // a learned scale's gradient comes with it
  if (needs_dx) {
    check(backend.linear_backward_data(dx, dlogits, weights));
    if (radial_features) check(backend.add_scaled_rows(dx, features, operands.feature_radial));
    if (spec.feature_dropout > 0) check(backend.dropout_backward(dx, dx, dropout(), step.step));
    if (spec.normalize_features) {
      const Tensor source = transform_rows(x), gradient = transform_rows(dx);
      check(backend.l2_scale_backward(gradient, optional(parameters, head_.scale_, true), gradient, source,
                                      rows(input_norms_, source.shape[0]), scale(parameters)));
    }
  }
  if (spec.center_weight > 0) add_center_loss(backend, parameters, dx, x, step);
}

void HeadPass::run_softmax(Backend& backend, const MarginSoftmaxOperands& operands, const HeadStep& step) const {
  const HeadSpec& spec = head_.spec_;
  const MarginSoftmax head{spec.margin, spec.label_smoothing, spec.normalize_weights};
  if (!head_.is_sharded_) return check(backend.margin_softmax(operands, head));
  const int64_t batch = operands.labels.count();
  float* const largest = rows(largest_, 2).f32();
  const RowParts parts{
      {largest, {batch}}, {largest + batch, {batch}}, {rows(row_sums_, kRowSums).data, DType::F32, {kRowSums, batch}}};
  check(backend.margin_softmax_sums(parts, operands, head));
  step.exchange->take_largest(parts.largest);
  check(backend.margin_softmax_rebase(parts));
  step.exchange->add_up(parts.sums);
  check(backend.margin_softmax_gradients(step.totals, parts, operands, head, {spec.num_classes, weight_of_classes_}));
}

void HeadPass::add_center_loss(Backend& backend, const Parameters& parameters, Tensor dx, Tensor x,
                               const HeadStep& step) const {
  const HeadSpec& spec = head_.spec_;
  const int64_t batch = x.shape[0];
  const Tensor compared = rows(compared_, batch), gradient = rows(center_gradient_, batch);
  const Tensor norms = rows(input_norms_, batch);
  const float* one = constants_.f32() + 1;
  const bool by_direction = spec.normalize_features && spec.l2_scope == L2Scope::Sample;
  if (by_direction) check(backend.scale_rows(compared, x, norms, one));
  else check(backend.copy(compared.data, x.data, x.bytes()));
  const Head::ClassKeys& keys = head_.compared_keys_;
  const Tensor centers = parameters.value(keys.centers ? *keys.centers : keys.weight);
  check(backend.center_loss(gradient, step.totals, step.report, step.halted, compared, centers, step.labels,
                            spec.center_weight, step.step));
  if (!step.needs_dx) return;
  if (by_direction) check(backend.l2_scale_backward(gradient, {}, gradient, x, norms, one));
  check(backend.add(dx, dx, gradient));
}

void HeadPass::update_state(Backend& backend, const Parameters& parameters, Tensor labels, const int32_t* halted,
                            const StateRates& rates) const {
  const auto batch = static_cast<float>(labels.shape[0]);
  if (head_.spec_.scaled_bn) {
    const float correction = rates.unbiased && batch > 1 ? batch / (batch - 1) : 1;
    check(backend.running_average(parameters.value(*head_.running_mean_), columns(mean_), rates.momentum, 1, halted));
    check(backend.running_average(parameters.value(*head_.running_variance_), columns(variance_), rates.momentum,
                                  correction, halted));
  }
  if (head_.compared_keys_.centers)
    check(backend.center_update(parameters.value(*head_.compared_keys_.centers), rows(compared_, labels.shape[0]),
                                labels, rates.center_rate, halted));
}

Tensor HeadPass::score(Backend& backend, const Parameters& parameters, Tensor x, Tensor cosines) const {
  const HeadSpec& spec = head_.spec_;
  if (cosines && !spec.normalize_weights)
    measure_cosines(backend, cosines, parameters.value(*head_.own_keys_.centers), x);
  const Tensor weights = parameters.value(head_.own_keys_.weight);
  const Tensor logits = rows(logits_, x.shape[0]), norms = rows(input_norms_, x.shape[0]);
  const Tensor unit_weights = spec.normalize_weights ? columns(class_norms_) : Tensor();
  const bool by_direction = spec.normalize_features && spec.l2_scope == L2Scope::Sample;
  check(backend.linear_forward(logits, x, weights, {}));
  if (unit_weights) check(backend.row_norms(unit_weights, weights));
  if (by_direction || (cosines && unit_weights)) check(backend.row_norms(norms, x));
  if (cosines && unit_weights) {
    check(backend.copy(cosines.data, logits.data, logits.bytes()));
    check(backend.scale_logits(cosines, norms, unit_weights, {}, {}));
  }
  // w·f of f = scale * x/|x|, without making f: cosines come from the same products.
  if (by_direction) check(backend.scale_rows(logits, logits, norms, scale(parameters)));
  if (spec.scaled_bn) {
    const Tensor scale = columns(class_scale_), shift = columns(class_shift_);
    check(backend.scaled_bn_fold(scale, shift, parameters.value(*head_.running_mean_),
                                 parameters.value(*head_.running_variance_), *spec.scaled_bn));
    check(backend.scale_logits(logits, {}, unit_weights, scale, shift));
  } else if (unit_weights || head_.own_keys_.bias) {
    check(backend.scale_logits(logits, {}, unit_weights, {}, optional(parameters, head_.own_keys_.bias, false)));
  }
  return logits;
}

Tensor HeadPass::cosines(Backend& backend, const Parameters& parameters, Tensor x) const {
  const Tensor logits = rows(logits_, x.shape[0]);
  measure_cosines(backend, logits, parameters.value(head_.own_keys_.weight), x);
  return logits;
}

void HeadPass::measure_cosines(Backend& backend, Tensor cosines, Tensor centres, Tensor x) const {
  const Tensor norms = rows(input_norms_, x.shape[0]);
  check(backend.linear_forward(cosines, x, centres, {}));
  check(backend.row_norms(class_norms(), centres));
  check(backend.row_norms(norms, x));
  check(backend.scale_logits(cosines, norms, class_norms(), {}, {}));
}

}  // namespace margincore
