// Layers as they are described: plain values. What each is called and which values it may have is in layer_kinds.h and
// fields.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spec/init.h"

namespace margincore {

/// Who adds a layer's bias; chosen by Network, not asked for by users. BatchNorm: over a batch it takes the bias away again
/// with the mean, so that nobody adds it and its gradient is 0; at prediction the layer does.
enum class BiasBy { Layer, MaxPool, BatchNorm };

struct Conv2dSpec {
  int64_t out_channels = 0;
  int64_t kernel_height = 0, kernel_width = 0;
  int64_t stride = 1;
  std::optional<int64_t> padding = 0;  // empty: 'same'
  bool bias = true;
  int64_t groups = 1;
  std::optional<InitSpec> init = {};  // empty: the network's
  BiasBy bias_by = BiasBy::Layer;
};
struct ReluSpec {};
struct MaxPool2dSpec {
  int64_t kernel = 0, stride = 0, padding = 0;
  bool relu = false;      // fused by Network, not asked for by users, and so is
  std::string bias = {};  // the name of the parameter that it adds for the layer before, or empty
};
struct LinearSpec {
  int64_t out_features = 0;
  bool bias = true;
  std::optional<InitSpec> init = {};  // empty: the network's
  BiasBy bias_by = BiasBy::Layer;
};
struct DropoutSpec {
  float rate = 0;
};
struct PReluSpec {
  bool shared = false;  // one slope for all channels
  float init = 0.25f;
};
/// Per channel, over the batch and all places. A second input is a residual: added before the ReLU.
struct BatchNormSpec {
  float epsilon = 1e-5f;
  float momentum = 0.1f;  // running = (1 - momentum) * running + momentum * batch
  bool relu = false;      // fused by Network, not asked for by users, and so is
  std::string bias = {};  // the name of the parameter that the layer before does not add, or empty
};
struct AveragePool2dSpec {
  int64_t kernel = 0, stride = 0, padding = 0;
};
struct GlobalAveragePoolSpec {};
struct AddSpec {};     // of two inputs
struct ConcatSpec {};  // channels of its inputs, one after another

struct LayerSpec {
  using Of = std::variant<Conv2dSpec, ReluSpec, PReluSpec, BatchNormSpec, MaxPool2dSpec, AveragePool2dSpec,
                          GlobalAveragePoolSpec, LinearSpec, DropoutSpec, AddSpec, ConcatSpec>;

  std::string name;  // empty: made from the type and a number
  Of of;
  /// Layers that it reads, by index, all before it; kImage: the network's input. Empty: the layer before.
  std::vector<int> inputs = {};
};

inline constexpr int kImage = -1;
inline constexpr size_t kMaxInputs = 16;  // of a layer

}  // namespace margincore
