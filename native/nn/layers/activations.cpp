// Layers that work element by element: ReLU, PReLU, dropout.
#include "nn/layers/common.h"

namespace margincore {

namespace {

class ReluLayer final : public Layer {
 public:
  explicit ReluLayer(const LayerSite& site) : Layer(site.name, site.input()) {}

  bool backward_needs_output() const override { return true; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place() const override { return true; }

  void forward(const LayerCall& call) const override { check(call.backend.relu_forward(call.y, call.x())); }
  void backward(const LayerCall& call) const override {
    if (call.dx()) check(call.backend.relu_backward(call.dx(), call.dy, call.y));
  }
};

class PReluLayer final : public Layer {
 public:
  PReluLayer(const PReluSpec& spec, const LayerSite& site)
      : Layer(site.name, site.input(), site.trains()), slopes_(spec.shared ? 1 : output_[output_.rank - 1]) {
    Initializer init;
    init.value = spec.init;
    slope_ = site.add({"weight", {slopes_}, ParameterGroup::BackboneNoDecay, init});
    parameter_count_ = slopes_;
  }

  bool backward_needs_input() const override { return true; }
  bool backward_in_place() const override { return true; }
  bool can_recompute() const override { return true; }
  /// Of frozen slopes the gradient, which nobody reads.
  int64_t state_bytes(int64_t, bool) const override {
    return is_trained_ ? 0 : slopes_ * static_cast<int64_t>(sizeof(float));
  }

  void forward(const LayerCall& call) const override {
    check(call.backend.prelu_forward(call.y, call.x(), call.parameters.value(slope_)));
  }
  void backward(const LayerCall& call) const override {
    // Without a wanted dx the slope's gradient still is: dy takes its place.
    const Tensor dx = call.dx() ? call.dx() : call.dy;
    const Tensor dslope =
        is_trained_ ? call.parameters.gradient(slope_) : Tensor(static_cast<float*>(call.state), {slopes_});
    check(call.backend.prelu_backward(dx, dslope, call.dy, call.x(), call.parameters.value(slope_)));
  }

 private:
  int64_t slopes_;
  ParameterTable::Key slope_;
};

class DropoutLayer final : public Layer {
 public:
  DropoutLayer(const DropoutSpec& spec, const LayerSite& site)
      : Layer(site.name, site.input()), dropout_{spec.rate, site.index} {}

  bool forward_in_place() const override { return true; }
  bool backward_in_place() const override { return true; }

  void forward(const LayerCall& call) const override {
    if (call.training) {
      check(call.backend.dropout_forward(call.y, call.x(), dropout_in(call), call.step));
    } else if (call.y.data != call.x().data) {
      check(call.backend.copy(call.y.data, call.x().data, call.x().bytes()));
    }
  }
  void backward(const LayerCall& call) const override {
    if (call.dx()) check(call.backend.dropout_backward(call.dx(), call.dy, dropout_in(call), call.step));
  }

 private:
  Dropout dropout_in(const LayerCall& call) const {
    return {dropout_.rate, dropout_.stream, call.first_row * output_.count()};
  }

  Dropout dropout_;
};

}  // namespace

MadeLayer make(const ReluSpec&, const LayerSite& site) { return std::make_unique<ReluLayer>(site); }
MadeLayer make(const PReluSpec& spec, const LayerSite& site) { return std::make_unique<PReluLayer>(spec, site); }
MadeLayer make(const DropoutSpec& spec, const LayerSite& site) { return std::make_unique<DropoutLayer>(spec, site); }

}  // namespace margincore
