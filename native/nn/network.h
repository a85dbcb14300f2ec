// A network: layers from an image to the embedding, each reading layers before it. The head is not part of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/layer.h"
#include "spec/network.h"

namespace margincore {

/// What the network's input is called among the inputs of its layers.
inline constexpr const char* kImageName = "image";

struct LayerSummary {
  std::string name, type;
  std::vector<std::string> inputs;  // names of the layers that it reads, or kImageName
  Shape output;
  int64_t parameters, flops;
  std::optional<InitSpec> init;  // of a layer with weights
};

class Network {
 public:
  /// A layer at work, and the values that it reads: 0 is the image, i + 1 the output of node i.
  struct Node {
    std::unique_ptr<Layer> layer;
    std::vector<int> inputs;
    ParameterTable::Key first_parameter = 0, parameters_end = 0;  // that it declared
  };

  /// Infers all shapes and declares the parameters in `table`. Throws ShapeMismatch or InvalidOption with the layer.
  /// `rates`: factor of the learning rate for each layer of the description, 0 where it is frozen; none: all 1.
  Network(const NetworkSpec& spec, ParameterTable& table, std::span<const float> rates = {});

  const Shape& input() const { return input_; }
  DType activations() const { return activations_; }
  int64_t embedding_size() const { return embedding_size_; }
  /// In the order of the description.
  const std::vector<LayerSummary>& summary() const { return summary_; }
  /// In the order of execution, which is not that of the description where layers are fused.
  const std::vector<Node>& nodes() const { return nodes_; }
  /// Of one sample's value.
  const Shape& shape(int value) const { return value == 0 ? input_ : nodes_[value - 1].layer->output(); }
  /// Whether there are trained parameters in what makes this value: others are made as at prediction, but for dropout.
  bool needs_gradient(int value) const { return needs_gradient_[value]; }

 private:
  Shape input_;
  DType activations_;
  std::vector<Node> nodes_;
  std::vector<bool> needs_gradient_;  // by value
  std::vector<LayerSummary> summary_;
  int64_t embedding_size_ = 0;
};

}  // namespace margincore
