#include "nn/layers/common.h"

namespace margincore {

namespace {

/// Trained with the statistics of the batch, used with the running ones. The second input, where there is one, is a
/// residual.
class BatchNormLayer final : public Layer {
 public:
  BatchNormLayer(const BatchNormSpec& spec, const LayerSite& site)
      : Layer(site.name, site.input()), channels_(output_[output_.rank - 1]), has_residual_(site.inputs.size() == 2) {
    if (has_residual_ && !(site.inputs[0] == site.inputs[1]))
      refuse(ErrorCode::ShapeMismatch, name_, "adds " + to_string(site.inputs[1]) + " to " + to_string(site.inputs[0]));
    norm_ = {spec.epsilon, spec.relu};
    const Shape shape{channels_};
    Initializer one;
    one.value = 1;
    gamma_ = site.table.add({name_ + ".weight", shape, ParameterGroup::BackboneNoDecay, one});
    beta_ = site.table.add({name_ + ".bias", shape, ParameterGroup::BackboneNoDecay});
    running_ = {site.table.add({name_ + ".runningMean", shape, ParameterGroup::State}),
                site.table.add({name_ + ".runningVariance", shape, ParameterGroup::State, one}), channels_,
                spec.momentum};
    parameter_count_ = 2 * channels_;
  }

  bool backward_needs_input() const override { return true; }
  bool backward_needs_output() const override { return norm_.relu != 0 && has_residual_; }
  bool backward_in_place() const override { return true; }
  bool can_recompute() const override { return true; }
  int64_t state_bytes(int64_t) const override { return channels_ * static_cast<int64_t>(sizeof(float)); }
  std::optional<RunningStatistics> running_statistics() const override { return running_; }

  void forward(const LayerCall& call) const override {
    if (call.training) {
      check(call.backend.batch_norm_stats(call.batch_mean, variance_of(call), call.batch_variance, call.x()));
      apply(call, call.batch_mean, variance_of(call));
    } else {
      apply(call, call.parameters.value(running_.mean), call.parameters.value(running_.variance));
    }
  }

  void recompute(const LayerCall& call) const override { apply(call, call.batch_mean, variance_of(call)); }

  void backward(const LayerCall& call) const override {
    // Gamma and beta need their gradients even where x needs none: dy takes its place.
    const Tensor dx = call.dx() ? call.dx() : call.dy;
    const Tensor dresidual = has_residual_ ? call.dinputs[1] : Tensor(), y = has_residual_ ? call.y : Tensor();
    check(call.backend.batch_norm_backward(dx, call.parameters.gradient(gamma_), call.parameters.gradient(beta_),
                                           dresidual, call.dy, call.x(), y, call.batch_mean, variance_of(call),
                                           call.parameters.value(gamma_), call.parameters.value(beta_), norm_));
  }

 private:
  void apply(const LayerCall& call, Tensor mean, Tensor variance) const {
    const Tensor residual = has_residual_ ? call.inputs[1] : Tensor();
    check(call.backend.batch_norm_apply(call.y, call.x(), mean, variance, call.parameters.value(gamma_),
                                        call.parameters.value(beta_), residual, norm_));
  }

  /// The biased one, which normalises; the running one takes call.batch_variance.
  Tensor variance_of(const LayerCall& call) const { return {static_cast<float*>(call.state), {channels_}}; }

  int64_t channels_;
  bool has_residual_;
  BatchNorm norm_;
  ParameterTable::Key gamma_, beta_;
  RunningStatistics running_;
};

}  // namespace

MadeLayer make(const BatchNormSpec& spec, const LayerSite& site) {
  return std::make_unique<BatchNormLayer>(spec, site);
}

}  // namespace margincore
