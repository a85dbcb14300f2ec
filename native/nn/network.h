// A network: a chain of layers from an image to the embedding. The head is not part of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/activation_plan.h"
#include "nn/layer.h"

namespace margincore {

struct NetworkSpec {
  Shape input;  // (H, W, C)
  std::vector<LayerSpec> layers;
  DType activations = DType::F32;  // or BF16; the embedding is fp32 for the head
};

struct LayerSummary {
  std::string name, type;
  Shape output;
  int64_t parameters, flops;
};

class Network {
 public:
  /// Infers all shapes and declares the parameters in `table`. Throws ShapeMismatch or InvalidOption with the layer.
  Network(const NetworkSpec& spec, ParameterTable& table);

  const Shape& input() const { return input_; }
  int64_t embedding_size() const { return embedding_size_; }
  /// In the order of the description.
  const std::vector<LayerSummary>& summary() const { return summary_; }

 private:
  friend class NetworkPass;
  Shape input_;
  std::vector<std::unique_ptr<Layer>> layers_;  // in the order of execution
  std::vector<LayerSummary> summary_;
  DType activations_;
  int64_t embedding_size_ = 0;
};

/// The values of a network for batches up to a given size: forward and, for training, backward.
class NetworkPass {
 public:
  /// Enters its buffers into `plan`; the head's work falls on moment `head_moment()`.
  NetworkPass(const Network& network, int64_t max_batch, bool training, ActivationPlan& plan);

  int head_moment() const { return static_cast<int>(network_.layers_.size()); }
  /// After the backward pass of the first layer.
  int last_moment() const { return training_ ? 2 * head_moment() + 1 : head_moment(); }
  /// Says where the planned buffers are; called once, after the arena was allocated.
  void bind(const ActivationPlan& plan, void* arena);

  Tensor input(int64_t batch) const;
  Tensor embedding(int64_t batch) const;
  Tensor embedding_gradient(int64_t batch) const;

  void forward(Backend& backend, const Parameters& parameters, int64_t batch, const StepBlock* step) const;
  void backward(Backend& backend, const Parameters& parameters, int64_t batch, const StepBlock* step) const;

 private:
  LayerCall call(Backend& backend, const Parameters& parameters, int64_t batch, const StepBlock* step,
                 size_t layer) const;
  Shape value_shape(int64_t batch, size_t value) const;
  Tensor value(int64_t batch, size_t index) const;
  Tensor gradient(int64_t batch, size_t index) const;

  const Network& network_;
  bool training_;
  char* arena_ = nullptr;
  // Value i is the input of layer i; the last is the embedding.
  std::vector<ActivationPlan::Id> values_, gradients_, states_;
  std::vector<int64_t> value_offsets_, gradient_offsets_, state_offsets_;
  // The embedding and its gradient in fp32, where activations are bf16.
  ActivationPlan::Id embedding_, embedding_gradient_;
  int64_t embedding_offset_ = -1, embedding_gradient_offset_ = -1;
};

}  // namespace margincore
