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

/// Numbers of a tensor of this shape; refused where there are more than a machine could hold, before a product of sizes
/// overflows anywhere.
int64_t checked_count(const std::string& name, const char* what, const Shape& shape, int64_t most);
inline constexpr int64_t kMostOutputs = int64_t{1} << 34;  // of one sample
inline constexpr int64_t kMostWeights = int64_t{1} << 44;
/// The largest number there is, where that is too small.
int64_t saturated_product(std::initializer_list<int64_t> factors);

/// Output size of a window that slides over one axis.
int64_t windows(const std::string& name, const char* axis, int64_t size, int64_t kernel, int64_t stride,
                int64_t padding);

inline Tensor optional_value(const LayerCall& call, std::optional<ParameterTable::Key> key) {
  return key ? call.parameters.value(*key) : Tensor();
}

inline Tensor optional_gradient(const LayerCall& call, std::optional<ParameterTable::Key> key) {
  return key ? call.parameters.gradient(*key) : Tensor();
}

/// The bias that a layer adds itself: none where another does, or it would be taken away again.
inline Tensor own_bias(const LayerCall& call, std::optional<ParameterTable::Key> key, BiasBy by) {
  const bool adds = by == BiasBy::Layer || (by == BiasBy::BatchNorm && !call.training);
  return adds ? optional_value(call, key) : Tensor();
}

/// Where a layer adds no bias in training it gives that no gradient.
inline Tensor own_bias_gradient(const LayerCall& call, std::optional<ParameterTable::Key> key, BiasBy by) {
  return by == BiasBy::Layer ? optional_gradient(call, key) : Tensor();
}

/// What a layer is made with.
struct LayerSite {
  std::string name;
  std::span<const Shape> inputs;
  uint32_t index;
  DType activations;
  float rate;
  ParameterTable& table;

  const Shape& input() const { return inputs[0]; }
  ParameterTable::Key add(ParameterSpec spec) const {
    spec.name = name + "." + spec.name;
    spec.rate = rate;
    return table.add(std::move(spec));
  }
  bool trains() const { return rate > 0; }
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
