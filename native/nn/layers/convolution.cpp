#include "nn/layers/common.h"

namespace margincore {

namespace {

class Conv2dLayer final : public Layer {
 public:
  Conv2dLayer(const Conv2dSpec& spec, const LayerSite& site) : Layer(site.name, {}, site.trains()) {
    const std::string& name = site.name;
    const Shape& input = site.input();
    expect_image(name, input);
    const int64_t channels = input[2], padding = padding_of(spec, name);
    if (channels % spec.groups != 0 || spec.out_channels % spec.groups != 0)
      refuse(ErrorCode::ShapeMismatch, name,
             format("%lld groups divide neither or only one of its %lld input and %lld output channels",
                    static_cast<long long>(spec.groups), static_cast<long long>(channels),
                    static_cast<long long>(spec.out_channels)));
    const int64_t height = windows(name, "height", input[0], spec.kernel_height, spec.stride, padding);
    const int64_t width = windows(name, "width", input[1], spec.kernel_width, spec.stride, padding);
    conv_ = {static_cast<int32_t>(spec.stride), static_cast<int32_t>(padding), static_cast<int32_t>(spec.groups)};
    output_ = {height, width, spec.out_channels};
    const int64_t group_channels = channels / spec.groups;
    const Shape weights{spec.out_channels, spec.kernel_height, spec.kernel_width, group_channels};
    const int64_t fan_in = checked_count(name, "weights", weights, kMostWeights) / spec.out_channels;
    const InitSpec init = spec.init.value_or(kDefaultInit);
    const Fans fans{fan_in, saturated_product({spec.out_channels, spec.kernel_height, spec.kernel_width})};
    weight_ =
        site.add({"weight", weights, ParameterGroup::BackboneDecay, weight_initializer(init, fans), site.activations});
    if (spec.bias)
      bias_ = site.add({"bias", {spec.out_channels}, ParameterGroup::BackboneNoDecay, bias_initializer(init, fans)});
    bias_by_ = spec.bias_by;
    parameter_count_ = spec.out_channels * (fan_in + (spec.bias ? 1 : 0));
    flops_ = saturated_product({2, height, width, spec.out_channels, fan_in});
  }

  bool backward_needs_input() const override { return is_trained_; }
  bool backward_adds() const override { return true; }

  void forward(const LayerCall& call) const override {
    check(call.backend.conv2d_forward(call.y, call.x(), call.parameters.operand(weight_),
                                      own_bias(call, bias_, bias_by_), conv_));
  }

  void backward(const LayerCall& call) const override {
    const Tensor dw = is_trained_ ? call.parameters.gradient(weight_) : Tensor();
    const Tensor dbias = is_trained_ ? own_bias_gradient(call, bias_, bias_by_) : Tensor();
    if (!dw && !call.dx()) return;
    check(call.backend.conv2d_backward(call.dx(), dw, dbias, call.dy, is_trained_ ? call.x() : Tensor(),
                                       call.parameters.operand(weight_), conv_, call.adds_to_dx ? 1 : 0));
  }

 private:
  static int64_t padding_of(const Conv2dSpec& spec, const std::string& name) {
    if (spec.padding) return *spec.padding;
    if (spec.stride != 1 || spec.kernel_height != spec.kernel_width || spec.kernel_height % 2 == 0)
      refuse(ErrorCode::InvalidOption, name, "padding 'same' needs stride 1 and a square kernel of odd size");
    return spec.kernel_height / 2;
  }

  Conv2d conv_;
  ParameterTable::Key weight_;
  std::optional<ParameterTable::Key> bias_;
  BiasBy bias_by_;
};

}  // namespace

MadeLayer make(const Conv2dSpec& spec, const LayerSite& site) { return std::make_unique<Conv2dLayer>(spec, site); }

}  // namespace margincore
