#include "nn/layer.h"

namespace margincore {

namespace {

using LongLong = long long;

[[noreturn]] void refuse(ErrorCode code, const std::string& name, const std::string& what) {
  throw Error(code, "layer " + name + ": " + what);
}

void expect_at_least(const std::string& name, const char* what, int64_t value, int64_t least) {
  if (value < least)
    refuse(ErrorCode::InvalidOption, name, format("expected %s of at least %lld but received %lld", what,
                                                  static_cast<LongLong>(least), static_cast<LongLong>(value)));
}

void expect_image(const std::string& name, const Shape& input) {
  if (input.rank != 3)
    refuse(ErrorCode::ShapeMismatch, name, "needs an image (H, W, C) but its input has shape " + to_string(input));
}

/// Output size of a window that slides over one axis.
int64_t windows(const std::string& name, const char* axis, int64_t size, int64_t kernel, int64_t stride,
                int64_t padding) {
  if (size + 2 * padding < kernel)
    refuse(ErrorCode::ShapeMismatch, name,
           format("a window of %lld does not fit an input %s of %lld with padding %lld",
                  static_cast<LongLong>(kernel), axis, static_cast<LongLong>(size), static_cast<LongLong>(padding)));
  return (size + 2 * padding - kernel) / stride + 1;
}

Tensor optional_value(const LayerCall& call, std::optional<ParameterTable::Key> key) {
  return key ? call.parameters.value(*key) : Tensor();
}

Tensor optional_gradient(const LayerCall& call, std::optional<ParameterTable::Key> key) {
  return key ? call.parameters.gradient(*key) : Tensor();
}

class Conv2dLayer final : public Layer {
 public:
  Conv2dLayer(const Conv2dSpec& spec, const std::string& name, const Shape& input, DType activations,
              ParameterTable& table)
      : Layer(name, {}) {
    expect_image(name, input);
    expect_at_least(name, "outChannels", spec.out_channels, 1);
    expect_at_least(name, "kernelSize", std::min(spec.kernel_height, spec.kernel_width), 1);
    expect_at_least(name, "stride", spec.stride, 1);
    int64_t padding = 0;
    if (spec.padding) {
      expect_at_least(name, "padding", *spec.padding, 0);
      padding = *spec.padding;
    } else {
      if (spec.stride != 1 || spec.kernel_height != spec.kernel_width || spec.kernel_height % 2 == 0)
        refuse(ErrorCode::InvalidOption, name, "padding 'same' needs stride 1 and a square kernel of odd size");
      padding = spec.kernel_height / 2;
    }
    const int64_t channels = input[2];
    const int64_t height = windows(name, "height", input[0], spec.kernel_height, spec.stride, padding);
    const int64_t width = windows(name, "width", input[1], spec.kernel_width, spec.stride, padding);
    conv_ = {static_cast<int32_t>(spec.stride), static_cast<int32_t>(padding), 1};
    output_ = {height, width, spec.out_channels};
    const int64_t fan_in = spec.kernel_height * spec.kernel_width * channels;
    weight_ = table.add({name + ".weight",
                         {spec.out_channels, spec.kernel_height, spec.kernel_width, channels},
                         ParameterGroup::BackboneDecay,
                         {Initializer::Kind::FanInUniform, 0, fan_in, 0},
                         activations});
    if (spec.bias) bias_ = table.add({name + ".bias", {spec.out_channels}, ParameterGroup::BackboneNoDecay, {}});
    parameter_count_ = spec.out_channels * (fan_in + (spec.bias ? 1 : 0));
    flops_ = 2 * height * width * spec.out_channels * fan_in;
  }

  const char* type() const override { return "conv2d"; }
  bool backward_needs_input() const override { return true; }

  void forward(const LayerCall& call) const override {
    check(call.backend.conv2d_forward(call.y, call.x, call.parameters.operand(weight_), optional_value(call, bias_),
                                      conv_));
  }

  void backward(const LayerCall& call) const override {
    check(call.backend.conv2d_backward_filter(call.parameters.gradient(weight_), optional_gradient(call, bias_),
                                              call.dy, call.x, conv_));
    if (call.dx) check(call.backend.conv2d_backward_data(call.dx, call.dy, call.parameters.operand(weight_), conv_));
  }

 private:
  Conv2d conv_;
  ParameterTable::Key weight_;
  std::optional<ParameterTable::Key> bias_;
};

class ReluLayer final : public Layer {
 public:
  ReluLayer(const std::string& name, const Shape& input) : Layer(name, input) {}

  const char* type() const override { return "relu"; }
  bool backward_needs_output() const override { return true; }
  bool in_place() const override { return true; }

  void forward(const LayerCall& call) const override { check(call.backend.relu_forward(call.y, call.x)); }
  void backward(const LayerCall& call) const override {
    if (call.dx) check(call.backend.relu_backward(call.dx, call.dy, call.y));
  }
};

class MaxPool2dLayer final : public Layer {
 public:
  MaxPool2dLayer(const MaxPool2dSpec& spec, const std::string& name, const Shape& input) : Layer(name, {}) {
    expect_image(name, input);
    expect_at_least(name, "kernelSize", spec.kernel, 1);
    expect_at_least(name, "stride", spec.stride, 1);
    expect_at_least(name, "padding", spec.padding, 0);
    if (spec.kernel > 15) refuse(ErrorCode::InvalidOption, name, "kernelSize of a max pool is at most 15");
    if (spec.padding > spec.kernel / 2)
      refuse(ErrorCode::InvalidOption, name, "padding of a max pool is at most half its kernelSize");
    pool_ = {static_cast<int32_t>(spec.kernel), static_cast<int32_t>(spec.stride), static_cast<int32_t>(spec.padding),
             spec.relu};
    output_ = {windows(name, "height", input[0], spec.kernel, spec.stride, spec.padding),
               windows(name, "width", input[1], spec.kernel, spec.stride, spec.padding), input[2]};
  }

  const char* type() const override { return "maxPool2d"; }
  int64_t state_bytes() const override { return output_.count(); }

  void forward(const LayerCall& call) const override {
    check(call.backend.max_pool_forward(call.y, call.state, call.x, pool_));
  }
  void backward(const LayerCall& call) const override {
    if (call.dx) check(call.backend.max_pool_backward(call.dx, call.dy, call.state, pool_));
  }

 private:
  Pool2d pool_;
};

class LinearLayer final : public Layer {
 public:
  LinearLayer(const LinearSpec& spec, const std::string& name, const Shape& input, DType activations,
              ParameterTable& table)
      : Layer(name, {spec.out_features}) {
    expect_at_least(name, "outFeatures", spec.out_features, 1);
    const int64_t in_features = input.count();  // an image is flattened in NHWC order
    weight_ = table.add({name + ".weight",
                         {spec.out_features, in_features},
                         ParameterGroup::BackboneDecay,
                         {Initializer::Kind::FanInUniform, 0, in_features, 0},
                         activations});
    if (spec.bias) bias_ = table.add({name + ".bias", {spec.out_features}, ParameterGroup::BackboneNoDecay, {}});
    parameter_count_ = spec.out_features * (in_features + (spec.bias ? 1 : 0));
    flops_ = 2 * in_features * spec.out_features;
  }

  const char* type() const override { return "linear"; }
  bool backward_needs_input() const override { return true; }

  void forward(const LayerCall& call) const override {
    check(call.backend.linear_forward(call.y, call.x, call.parameters.operand(weight_), optional_value(call, bias_)));
  }

  void backward(const LayerCall& call) const override {
    check(call.backend.linear_backward_weight(call.parameters.gradient(weight_), optional_gradient(call, bias_),
                                              call.dy, call.x));
    if (call.dx) check(call.backend.linear_backward_data(call.dx, call.dy, call.parameters.operand(weight_)));
  }

 private:
  ParameterTable::Key weight_;
  std::optional<ParameterTable::Key> bias_;
};

class DropoutLayer final : public Layer {
 public:
  DropoutLayer(const DropoutSpec& spec, const std::string& name, const Shape& input, uint32_t index)
      : Layer(name, input), dropout_{spec.rate, index} {
    if (!(spec.rate >= 0 && spec.rate < 1))
      refuse(ErrorCode::InvalidOption, name, format("expected rate in [0, 1) but received %g", spec.rate));
  }

  const char* type() const override { return "dropout"; }
  bool in_place() const override { return true; }

  void forward(const LayerCall& call) const override {
    if (call.training) {
      check(call.backend.dropout_forward(call.y, call.x, dropout_, call.step));
    } else if (call.y.data != call.x.data) {
      check(call.backend.copy(call.y.data, call.x.data, call.x.bytes()));
    }
  }
  void backward(const LayerCall& call) const override {
    if (call.dx) check(call.backend.dropout_backward(call.dx, call.dy, dropout_, call.step));
  }

 private:
  Dropout dropout_;
};

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const std::string& name, const Shape& input, uint32_t index,
                                  DType activations, ParameterTable& table) {
  using Made = std::unique_ptr<Layer>;
  return std::visit(
      Overloaded{
          [&](const Conv2dSpec& of) -> Made {
            return std::make_unique<Conv2dLayer>(of, name, input, activations, table);
          },
          [&](const ReluSpec&) -> Made { return std::make_unique<ReluLayer>(name, input); },
          [&](const MaxPool2dSpec& of) -> Made { return std::make_unique<MaxPool2dLayer>(of, name, input); },
          [&](const LinearSpec& of) -> Made {
            return std::make_unique<LinearLayer>(of, name, input, activations, table);
          },
          [&](const DropoutSpec& of) -> Made { return std::make_unique<DropoutLayer>(of, name, input, index); },
      },
      spec.of);
}

const char* name_prefix(const LayerSpec& spec) {
  return std::visit(Overloaded{[](const Conv2dSpec&) { return "conv"; }, [](const ReluSpec&) { return "relu"; },
                               [](const MaxPool2dSpec&) { return "maxPool"; }, [](const LinearSpec&) { return "fc"; },
                               [](const DropoutSpec&) { return "dropout"; }},
                    spec.of);
}

}  // namespace margincore
