// A layer: shapes, parameters, and which operations of the seam make its forward and backward pass. It holds no
// memory; its values, gradients and state are handed to it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "nn/parameters.h"

namespace margincore {

// ---- descriptions, as a user gives them -----------------------------------------------------------------------------

struct Conv2dSpec {
  int64_t out_channels;
  int64_t kernel_height, kernel_width;
  int64_t stride = 1;
  std::optional<int64_t> padding = 0;  // empty: 'same'
  bool bias = true;
};
struct ReluSpec {};
struct MaxPool2dSpec {
  int64_t kernel, stride, padding = 0;
  bool relu = false;  // fused by Network, not asked for by users
};
struct LinearSpec {
  int64_t out_features;
  bool bias = true;
};
struct DropoutSpec {
  float rate;
};

struct LayerSpec {
  std::string name;  // empty: made from the type and a number
  std::variant<Conv2dSpec, ReluSpec, MaxPool2dSpec, LinearSpec, DropoutSpec> of;
};

// ---- the layer at work ----------------------------------------------------------------------------------------------

/// Operands of one pass over one batch.
struct LayerCall {
  Backend& backend;
  const Parameters& parameters;
  const StepBlock* step;
  bool training;
  Tensor x, y, state;
  Tensor dx, dy;  // backward only; dx has no data for the first layer, whose input needs no gradient
};

class Layer {
 public:
  virtual ~Layer() = default;

  const std::string& name() const { return name_; }
  /// Shape of one sample's output: (H, W, C) or (D).
  const Shape& output() const { return output_; }
  int64_t flops() const { return flops_; }
  int64_t parameter_count() const { return parameter_count_; }

  virtual const char* type() const = 0;
  virtual void forward(const LayerCall& call) const = 0;
  virtual void backward(const LayerCall& call) const = 0;

  /// What `backward` reads of the forward pass.
  virtual bool backward_needs_input() const { return false; }
  virtual bool backward_needs_output() const { return false; }
  /// y may overwrite x, and dx dy.
  virtual bool in_place() const { return false; }
  /// Bytes per sample that forward leaves for backward.
  virtual int64_t state_bytes() const { return 0; }

 protected:
  Layer(std::string name, Shape output) : name_(std::move(name)), output_(output) {}

  std::string name_;
  Shape output_;
  int64_t flops_ = 0;
  int64_t parameter_count_ = 0;
};

/// Builds a layer for samples of shape `input`, whose activations are stored as `activations`; throws ShapeMismatch or
/// InvalidOption with the layer's name.
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const std::string& name, const Shape& input, uint32_t index,
                                  DType activations, ParameterTable& table);

/// Start of the name of an unnamed layer of this type: "conv", "fc", …
const char* name_prefix(const LayerSpec& spec);

}  // namespace margincore
