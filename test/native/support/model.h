// A network with its head on one backend, run step by step: what a Trainer does, without data set and optimizer.
#pragma once

#include <memory>

#include "nn/head.h"
#include "nn/network_pass.h"
#include "support/arrays.h"

namespace margincore::test {

class Model {
 public:
  Model(Backend& backend, const NetworkSpec& network, const HeadSpec& head, int64_t batch, uint64_t seed,
        RecomputePolicy policy = RecomputePolicy::Never, std::span<const float> rates = {});

  /// Forward, loss, backward. Images (batch, H, W, C); gradients are then in `parameters`.
  double loss(const Floats& images, const Ints& labels, const StepBlock& step);

  /// Forward alone: the embeddings (batch, D).
  Floats embed(const Floats& images, const StepBlock& step);

  const ParameterTable& table() const { return table_; }
  int64_t activation_bytes() const { return plan_.bytes(); }
  Parameters& parameters() { return *parameters_; }

 private:
  void upload_images(const Floats& images);

  Backend& backend_;
  ParameterTable table_;
  Network network_;
  Head head_;
  ActivationPlan plan_;
  NetworkPass network_pass_;
  HeadPass head_pass_;
  std::unique_ptr<Parameters> parameters_;
  Buffer arena_, labels_, step_, report_, halted_;
  int64_t batch_;
};

/// The project's first network: two convolutions and a linear layer, for images (28, 28, 1).
NetworkSpec seed_cnn(int64_t embedding_size);

/// ResNet-18 (He et al. 2016) with the stem for small images: 3×3 without pooling.
NetworkSpec resnet18(Shape input);

/// The L-Softmax paper's network for CIFAR-10 (Liu et al. 2016, table 1), whose images are (32, 32, 3).
NetworkSpec l_softmax_net(Shape input);

/// The same layer, reading these.
LayerSpec with_inputs(LayerSpec layer, std::vector<int> inputs);

/// ArcFace with scale s and margin m.
HeadSpec arcface(int64_t classes, float s, float m);
/// With a learned scale, feature dropout, label smoothing and class weights.
HeadSpec arcface_with_everything(int64_t classes);
/// Statistics over the batch, and centres beside it.
HeadSpec arcface_with_scaled_bn_and_centers(int64_t classes);
HeadSpec softmax(int64_t classes);
HeadSpec l_softmax(int64_t classes);
/// Fixed weights, and the distance to them.
HeadSpec pedcc(int64_t classes);

}  // namespace margincore::test
