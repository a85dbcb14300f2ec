// What the kinds of layers share: refusing what does not fit, and the functions that make them.
#pragma once

#include "nn/layer.h"

namespace margincore {

[[noreturn]] inline void refuse(ErrorCode code, const std::string& name, const std::string& what) {
  throw Error(code, "layer " + name + ": " + what);
}

inline void expect_image(const std::string& name, const Shape& input) {
  if (input.rank != 3)
    refuse(ErrorCode::ShapeMismatch, name, "needs an image (H, W, C) but its input has shape " + to_string(input));
}

/// Output size of a window that slides over one axis.
int64_t windows(const std::string& name, const char* axis, int64_t size, int64_t kernel, int64_t stride,
                int64_t padding);

inline Tensor optional_value(const LayerCall& call, std::optional<ParameterTable::Key> key) {
  return key ? call.parameters.value(*key) : Tensor();
}

inline Tensor optional_gradient(const LayerCall& call, std::optional<ParameterTable::Key> key) {
  return key ? call.parameters.gradient(*key) : Tensor();
}

/// What a layer is made with.
struct LayerSite {
  std::string name;
  std::span<const Shape> inputs;
  uint32_t index;
  DType activations;
  ParameterTable& table;

  const Shape& input() const { return inputs[0]; }
};

using MadeLayer = std::unique_ptr<Layer>;

MadeLayer make(const Conv2dSpec& spec, const LayerSite& site);
MadeLayer make(const LinearSpec& spec, const LayerSite& site);
MadeLayer make(const ReluSpec& spec, const LayerSite& site);
MadeLayer make(const PReluSpec& spec, const LayerSite& site);
MadeLayer make(const DropoutSpec& spec, const LayerSite& site);
MadeLayer make(const MaxPool2dSpec& spec, const LayerSite& site);
MadeLayer make(const AveragePool2dSpec& spec, const LayerSite& site);
MadeLayer make(const GlobalAveragePoolSpec& spec, const LayerSite& site);
MadeLayer make(const BatchNormSpec& spec, const LayerSite& site);
MadeLayer make(const AddSpec& spec, const LayerSite& site);
MadeLayer make(const ConcatSpec& spec, const LayerSite& site);

}  // namespace margincore
