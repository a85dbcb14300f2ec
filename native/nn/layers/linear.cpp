#include "nn/layers/common.h"

namespace margincore {

namespace {

class LinearLayer final : public Layer {
 public:
  LinearLayer(const LinearSpec& spec, const LayerSite& site) : Layer(site.name, {spec.out_features}, site.trains()) {
    const int64_t in_features = site.input().count();  // an image is flattened in NHWC order
    const Shape weights{spec.out_features, in_features};
    checked_count(site.name, "weights", weights, kMostWeights);
    const InitSpec init = spec.init.value_or(kDefaultInit);
    const Fans fans{in_features, spec.out_features};
    weight_ =
        site.add({"weight", weights, ParameterGroup::BackboneDecay, weight_initializer(init, fans), site.activations});
    if (spec.bias)
      bias_ = site.add({"bias", {spec.out_features}, ParameterGroup::BackboneNoDecay, bias_initializer(init, fans)});
    bias_by_ = spec.bias_by;
    parameter_count_ = spec.out_features * (in_features + (spec.bias ? 1 : 0));
    flops_ = 2 * in_features * spec.out_features;
  }

  bool backward_needs_input() const override { return is_trained_; }

  void forward(const LayerCall& call) const override {
    check(call.backend.linear_forward(call.y, call.x(), call.parameters.operand(weight_),
                                      own_bias(call, bias_, bias_by_)));
  }

  void backward(const LayerCall& call) const override {
    if (is_trained_)
      check(call.backend.linear_backward_weight(call.parameters.gradient(weight_),
                                                own_bias_gradient(call, bias_, bias_by_), call.dy, call.x()));
    if (call.dx()) check(call.backend.linear_backward_data(call.dx(), call.dy, call.parameters.operand(weight_)));
  }

 private:
  ParameterTable::Key weight_;
  std::optional<ParameterTable::Key> bias_;
  BiasBy bias_by_;
};

}  // namespace

MadeLayer make(const LinearSpec& spec, const LayerSite& site) { return std::make_unique<LinearLayer>(spec, site); }

}  // namespace margincore
