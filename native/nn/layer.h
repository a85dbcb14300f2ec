// A layer: shapes, parameters, and which operations of the seam make its forward and backward pass. It holds no
// memory; its values, gradients and state are handed to it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nn/parameters.h"
#include "nn/row_exchange.h"
#include "spec/layer.h"

namespace margincore {

/// Operands of one pass over one batch.
struct LayerCall {
  Backend& backend;
  const Parameters& parameters;
  const StepBlock* step;
  int64_t first_row;  // of the batch, where this is a part of it
  bool training;
  std::span<const Tensor> inputs;
  Tensor y;
  void* state = nullptr;                        // what forward leaves for backward
  Tensor batch_mean = {}, batch_variance = {};  // of a layer with running statistics, training only: out of forward
  Tensor dy = {};                               // backward only
  std::span<const Tensor> dinputs = {};  // out, backward only; without data where no gradient is needed: the image's
  const SharedBatch* shared = nullptr;   // training only, or none: where statistics are those of all ranks' rows
  bool adds_to_dx = false;               // backward only: dx is a gradient already, to which this one is added

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
  /// Whether it has parameters that are not frozen. Of others `backward` gives the inputs' gradients alone.
  bool is_trained() const { return is_trained_; }

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
  /// Bytes that forward leaves for backward; `has_masks`: in training with BackendInfo::relu_masks.
  virtual int64_t state_bytes(int64_t /*batch*/, bool /*has_masks*/) const { return 0; }
  virtual std::optional<RunningStatistics> running_statistics() const { return {}; }

 protected:
  Layer(std::string name, Shape output, bool is_trained = false)
      : name_(std::move(name)), output_(output), is_trained_(is_trained) {}

  std::string name_;
  Shape output_;
  int64_t flops_ = 0;
  int64_t parameter_count_ = 0;
  bool is_trained_;
};

/// Builds a layer for samples of these shapes, whose activations are stored as `activations`; throws ShapeMismatch or
/// InvalidOption with the layer's name. `index` tells the layers of a network apart; `rate` multiplies the learning rate
/// of its parameters, and freezes them where it is 0.
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, std::span<const Shape> inputs, uint32_t index,
                                  DType activations, float rate, ParameterTable& table);

}  // namespace margincore
