// A layer: shapes, parameters, and which operations of the seam make its forward and backward pass. It holds no
// memory; its values, gradients and state are handed to it.
#pragma once

#include <memory>
#include <optional>
#include <span>
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
  int64_t groups = 1;
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
struct PReluSpec {
  bool shared = false;  // one slope for all channels
  float init = 0.25f;
};
/// Per channel, over the batch and all places. A second input is a residual: added before the ReLU.
struct BatchNormSpec {
  float epsilon = 1e-5f;
  float momentum = 0.1f;  // running = (1 - momentum) * running + momentum * batch
  bool relu = false;      // fused by Network, not asked for by users
};
struct AveragePool2dSpec {
  int64_t kernel, stride, padding = 0;
};
struct GlobalAveragePoolSpec {};
struct AddSpec {};     // of two inputs
struct ConcatSpec {};  // channels of its inputs, one after another

struct LayerSpec {
  std::string name;  // empty: made from the type and a number
  std::variant<Conv2dSpec, ReluSpec, MaxPool2dSpec, LinearSpec, DropoutSpec, PReluSpec, BatchNormSpec,
               AveragePool2dSpec, GlobalAveragePoolSpec, AddSpec, ConcatSpec>
      of;
  /// Layers that it reads, by index, all before it; kImage: the network's input. Empty: the layer before.
  std::vector<int> inputs = {};
};

inline constexpr int kImage = -1;
inline constexpr size_t kMaxInputs = 16;  // of a layer

// ---- the layer at work ----------------------------------------------------------------------------------------------

/// Operands of one pass over one batch.
struct LayerCall {
  Backend& backend;
  const Parameters& parameters;
  const StepBlock* step;
  bool training;
  std::span<const Tensor> inputs;
  Tensor y;
  void* state;                        // what forward leaves for backward
  Tensor batch_mean, batch_variance;  // of a layer with running statistics, training only: out of forward
  Tensor dy;                          // backward only
  std::span<const Tensor> dinputs;    // out, backward only; without data where no gradient is needed: the image's
  bool adds_to_dx = false;            // backward only: dx is a gradient already, to which this one is added

  const Tensor& x() const { return inputs[0]; }
  const Tensor& dx() const { return dinputs[0]; }
};

/// Statistics that follow those of the batches, and take their place at prediction.
struct RunningStatistics {
  ParameterTable::Key mean, variance;
  int64_t channels;
  float momentum;
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

  /// Whether y costs no more than a pass over memory, from the inputs and what `backward` reads beside them.
  virtual bool can_recompute() const { return false; }
  /// After `forward`: y once more, the same bits.
  virtual void recompute(const LayerCall& call) const { forward(call); }

  /// What `backward` reads of the forward pass; of several inputs the first.
  virtual bool backward_needs_input() const { return false; }
  virtual bool backward_needs_output() const { return false; }
  /// y may overwrite the first input, which the layer's own backward then does not need.
  virtual bool forward_in_place() const { return false; }
  /// The first input's gradient may overwrite dy.
  virtual bool backward_in_place() const { return false; }
  /// The first input's gradient can be added to another.
  virtual bool backward_adds() const { return false; }
  /// Bytes that forward leaves for backward.
  virtual int64_t state_bytes(int64_t /*batch*/) const { return 0; }
  virtual std::optional<RunningStatistics> running_statistics() const { return {}; }

 protected:
  Layer(std::string name, Shape output) : name_(std::move(name)), output_(output) {}

  std::string name_;
  Shape output_;
  int64_t flops_ = 0;
  int64_t parameter_count_ = 0;
};

/// Builds a layer for samples of these shapes, whose activations are stored as `activations`; throws ShapeMismatch or
/// InvalidOption with the layer's name. `index` tells the layers of a network apart.
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, std::span<const Shape> inputs, uint32_t index,
                                  DType activations, ParameterTable& table);

/// Start of the name of an unnamed layer of this type: "conv", "fc", …
const char* name_prefix(const LayerSpec& spec);

}  // namespace margincore
