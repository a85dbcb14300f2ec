#include "nn/layers/common.h"

namespace margincore {

namespace {

/// Trained with the statistics of the batch, used with the running ones, and so it is where it is frozen. The second
/// input, where there is one, is a residual.
class BatchNormLayer final : public Layer {
 public:
  BatchNormLayer(const BatchNormSpec& spec, const LayerSite& site)
      : Layer(site.name, site.input(), site.trains()),
        channels_(output_[output_.rank - 1]),
        has_residual_(site.inputs.size() == 2) {
    if (has_residual_ && !(site.inputs[0] == site.inputs[1]))
      refuse(ErrorCode::ShapeMismatch, name_, "adds " + to_string(site.inputs[1]) + " to " + to_string(site.inputs[0]));
    norm_ = {spec.epsilon, spec.relu};
    const Shape shape{channels_};
    Initializer one;
    one.value = 1;
    gamma_ = site.add({"weight", shape, ParameterGroup::BackboneNoDecay, one});
    beta_ = site.add({"bias", shape, ParameterGroup::BackboneNoDecay});
    running_ = {site.add({"runningMean", shape, ParameterGroup::State}),
                site.add({"runningVariance", shape, ParameterGroup::State, one}), channels_, spec.momentum};
    parameter_count_ = 2 * channels_;
    if (!spec.bias.empty()) bias_ = site.table.key(spec.bias);
  }

  bool backward_needs_input() const override { return is_trained_; }
  bool backward_needs_output() const override { return norm_.relu != 0 && (has_residual_ || !is_trained_); }
  bool backward_in_place() const override { return true; }
  bool can_recompute() const override { return true; }
  int64_t state_bytes(int64_t batch, bool has_masks) const override {
    return statistics_bytes() + (has_masks && leaves_mask() ? mask_bytes(batch) : 0);
  }
  std::optional<RunningStatistics> running_statistics() const override {
    return is_trained_ ? std::optional(running_) : std::nullopt;
  }

  void forward(const LayerCall& call) const override {
    if (call.training && is_trained_) {
      if (call.shared != nullptr) measure_shared(call);
      else check(call.backend.batch_norm_stats(mean_of(call), state_of(call), call.batch_variance, call.x()));
      if (bias_) check(call.backend.add(call.batch_mean, mean_of(call), call.parameters.value(*bias_)));
    }
    if (has_rows(call)) normalize(call, call.training ? mask_of(call) : Tensor());
  }

  void recompute(const LayerCall& call) const override { normalize(call, {}); }

  void backward(const LayerCall& call) const override {
    if (is_trained_) backward_through_statistics(call);
    else backward_frozen(call);
  }

 private:
  static bool has_rows(const LayerCall& call) { return call.x().shape[0] > 0; }

  /// Of the rows of all ranks, also where the own ones are none.
  void measure_shared(const LayerCall& call) const {
    const RowExchange& ranks = call.shared->ranks;
    const Tensor parts = ranks.moments(channels_);
    float* const own = parts.f32() + 2 * ranks.rank() * channels_;
    if (has_rows(call))
      check(call.backend.batch_norm_stats({own, {channels_}}, {own + channels_, {channels_}}, {}, call.x()));
    else check(call.backend.zero(own, 2 * channels_ * sizeof(float)));
    ranks.gather_parts(parts);
    check(call.backend.batch_norm_merge(mean_of(call), state_of(call), call.batch_variance, parts, call.shared->rows,
                                        pixels()));
  }
  int64_t pixels() const { return output_.count() / channels_; }

  void normalize(const LayerCall& call, const Tensor& mask) const {
    const bool by_batch = call.training && is_trained_;
    const Tensor mean = by_batch ? mean_of(call) : call.parameters.value(running_.mean);
    const Tensor variance = by_batch ? state_of(call) : call.parameters.value(running_.variance);
    const Tensor residual = has_residual_ ? call.inputs[1] : Tensor();
    check(call.backend.batch_norm_apply(call.y, mask, call.x(), mean, variance, call.parameters.value(gamma_),
                                        call.parameters.value(beta_), residual, norm_));
  }

  void backward_through_statistics(const LayerCall& call) const {
    // Gamma and beta need their gradients even where x needs none: dy takes its place.
    const Tensor dx = call.dx() ? call.dx() : call.dy;
    const Tensor dresidual = has_residual_ ? call.dinputs[1] : Tensor(), mask = mask_of(call);
    const Tensor y = mask ? mask : has_residual_ ? call.y : Tensor();
    const auto run = [&](Tensor to, Tensor dgamma, Tensor dbeta, const BatchNorm& norm) {
      check(call.backend.batch_norm_backward(to, dgamma, dbeta, dresidual, call.dy, call.x(), y, mean_of(call),
                                             state_of(call), call.parameters.value(gamma_),
                                             call.parameters.value(beta_), norm));
    };
    const Tensor dgamma = call.parameters.gradient(gamma_), dbeta = call.parameters.gradient(beta_);
    if (call.shared == nullptr) return run(dx, dgamma, dbeta, norm_);

    // The parameters' gradients stay those of the own rows, as all others until they are added up.
    float* const sums = call.shared->ranks.moments(channels_).f32();
    const Tensor all_dgamma(sums, {channels_}), all_dbeta(sums + channels_, {channels_});
    if (has_rows(call)) {
      run({}, dgamma, dbeta, norm_);
      check(call.backend.copy(all_dgamma.data, dgamma.data, dgamma.bytes()));
      check(call.backend.copy(all_dbeta.data, dbeta.data, dbeta.bytes()));
    } else {
      check(call.backend.zero(sums, 2 * channels_ * sizeof(float)));
    }
    call.shared->ranks.add_up({sums, {2 * channels_}});
    BatchNorm norm = norm_;
    norm.all_rows = call.shared->rows * pixels();
    if (has_rows(call)) run(dx, all_dgamma, all_dbeta, norm);
  }

  /// dx = gamma * dy / sqrt(variance + epsilon), dy as the ReLU leaves it: the normalisation itself, with mean and beta 0.
  void backward_frozen(const LayerCall& call) const {
    const Tensor dresidual = has_residual_ ? call.dinputs[1] : Tensor();
    const Tensor masked = dresidual ? dresidual : call.dy;
    if (norm_.relu != 0) check(call.backend.relu_backward(masked, call.dy, call.y));
    else if (dresidual) check(call.backend.copy(dresidual.data, call.dy.data, dresidual.bytes()));
    if (!call.dx()) return;
    const Tensor zeros = state_of(call);
    check(call.backend.zero(zeros.data, zeros.bytes()));
    check(call.backend.batch_norm_apply(call.dx(), {}, masked, zeros, call.parameters.value(running_.variance),
                                        call.parameters.value(gamma_), zeros, {}, {norm_.epsilon, 0}));
  }

  /// The batch's variance, and its mean where that is not what the running one takes; of a frozen one zeros, for its
  /// backward pass.
  int64_t statistics_bytes() const {
    return (bias_ ? 2 : 1) * ParameterTable::aligned(channels_) * static_cast<int64_t>(sizeof(float));
  }

  /// Only then y would be read for the sake of the ReLU alone.
  bool leaves_mask() const {
    return is_trained_ && norm_.relu != 0 && has_residual_ && channels_ % kMaskedChannels == 0;
  }
  int64_t mask_bytes(int64_t batch) const { return batch * output_.count() / kMaskedChannels; }
  Tensor mask_of(const LayerCall& call) const {
    if (!leaves_mask() || call.backend.info().relu_masks == 0) return {};
    return {static_cast<char*>(call.state) + statistics_bytes(), DType::U8, {mask_bytes(call.y.shape[0])}};
  }

  /// Of a trained one the biased variance, which normalises; the running one takes call.batch_variance.
  Tensor state_of(const LayerCall& call) const { return {static_cast<float*>(call.state), {channels_}}; }
  /// Of x as it is: without the bias, which is in the running mean for the sake of prediction.
  Tensor mean_of(const LayerCall& call) const {
    if (!bias_) return call.batch_mean;
    return {static_cast<float*>(call.state) + ParameterTable::aligned(channels_), {channels_}};
  }

  int64_t channels_;
  bool has_residual_;
  BatchNorm norm_;
  ParameterTable::Key gamma_, beta_;
  std::optional<ParameterTable::Key> bias_;  // of the layer before, not added in training
  RunningStatistics running_;
};

}  // namespace

MadeLayer make(const BatchNormSpec& spec, const LayerSite& site) {
  return std::make_unique<BatchNormLayer>(spec, site);
}

}  // namespace margincore
