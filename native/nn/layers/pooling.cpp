#include "nn/layers/common.h"

namespace margincore {

namespace {

/// Checks a window and gives the output of sliding it over an image.
Shape slide(const std::string& name, const char* what, const Shape& input, int64_t kernel, int64_t stride,
            int64_t padding) {
  expect_image(name, input);
  if (padding > kernel / 2)
    refuse(ErrorCode::InvalidOption, name, std::string("padding of ") + what + " is at most half its kernelSize");
  return {windows(name, "height", input[0], kernel, stride, padding),
          windows(name, "width", input[1], kernel, stride, padding), input[2]};
}

Pool2d pool_of(int64_t kernel, int64_t stride, int64_t padding) {
  return {static_cast<int32_t>(kernel), static_cast<int32_t>(stride), static_cast<int32_t>(padding)};
}

class MaxPool2dLayer final : public Layer {
 public:
  MaxPool2dLayer(const MaxPool2dSpec& spec, const LayerSite& site)
      : Layer(site.name, slide(site.name, "a max pool", site.input(), spec.kernel, spec.stride, spec.padding)),
        pool_(pool_of(spec.kernel, spec.stride, spec.padding)) {
    pool_.relu = spec.relu;
    if (spec.bias.empty()) return;
    bias_ = site.table.key(spec.bias);
    is_trained_ = site.table.entry(*bias_).spec.is_trained();
  }

  int64_t state_bytes(int64_t batch, bool) const override { return batch * output_.count(); }

  void forward(const LayerCall& call) const override {
    check(call.backend.max_pool_forward(call.y, position(call), call.x(), optional_value(call, bias_), pool_));
  }
  void backward(const LayerCall& call) const override {
    // A bias that is trained is that of a convolution that is: its output has a gradient, too.
    const Tensor dbias = is_trained_ ? optional_gradient(call, bias_) : Tensor();
    if (call.dx()) check(call.backend.max_pool_backward(call.dx(), dbias, call.dy, position(call), pool_));
  }

 private:
  static Tensor position(const LayerCall& call) { return {call.state, DType::U8, call.y.shape}; }

  Pool2d pool_;
  std::optional<ParameterTable::Key> bias_;  // of the convolution before it
};

class AveragePool2dLayer final : public Layer {
 public:
  AveragePool2dLayer(const AveragePool2dSpec& spec, const LayerSite& site)
      : Layer(site.name, slide(site.name, "an average pool", site.input(), spec.kernel, spec.stride, spec.padding)),
        pool_(pool_of(spec.kernel, spec.stride, spec.padding)) {}

  void forward(const LayerCall& call) const override {
    check(call.backend.average_pool_forward(call.y, call.x(), pool_));
  }
  void backward(const LayerCall& call) const override {
    if (call.dx()) check(call.backend.average_pool_backward(call.dx(), call.dy, pool_));
  }

 private:
  Pool2d pool_;
};

class GlobalAveragePoolLayer final : public Layer {
 public:
  explicit GlobalAveragePoolLayer(const LayerSite& site) : Layer(site.name, {}) {
    expect_image(site.name, site.input());
    output_ = {site.input()[2]};
  }

  void forward(const LayerCall& call) const override {
    check(call.backend.global_average_pool_forward(call.y, call.x()));
  }
  void backward(const LayerCall& call) const override {
    if (call.dx()) check(call.backend.global_average_pool_backward(call.dx(), call.dy));
  }
};

}  // namespace

MadeLayer make(const MaxPool2dSpec& spec, const LayerSite& site) {
  return std::make_unique<MaxPool2dLayer>(spec, site);
}
MadeLayer make(const AveragePool2dSpec& spec, const LayerSite& site) {
  return std::make_unique<AveragePool2dLayer>(spec, site);
}
MadeLayer make(const GlobalAveragePoolSpec&, const LayerSite& site) {
  return std::make_unique<GlobalAveragePoolLayer>(site);
}

}  // namespace margincore
