// A network and its head as functions of one point: the images and all parameters, by name.
#pragma once

#include "reference/head.h"
#include "reference/network.h"

namespace margincore::test::reference {

inline constexpr uint32_t kHeadDropoutStream = 1u << 16;

/// A dropout layer's stream is its number in the network as it is executed.
inline std::map<std::string, uint32_t> dropout_streams(const NetworkSpec& spec) {
  ParameterTable table;
  const Network network(spec, table);
  std::map<std::string, uint32_t> streams;
  for (size_t i = 0; i < network.nodes().size(); ++i)
    streams[network.nodes()[i].layer->name()] = static_cast<uint32_t>(i);
  return streams;
}

class ModelProblem {
 public:
  ModelProblem(const NetworkSpec& network, const HeadSpec& head, const Ints& labels, const StepBlock& step,
               const std::set<std::string>& frozen = {})
      : head_(head),
        labels_(labels),
        network_{network, static_cast<int64_t>(labels.size()), dropout_streams(network), step, frozen} {}

  double loss(const NamedDoubles& point) const {
    const NetworkRun run(network_, point);
    return head_loss(head_problem(run, point));
  }

  NamedDoubles gradients(const NamedDoubles& point) const {
    NetworkRun run(network_, point);
    const HeadGradients of_head = head_gradients(head_problem(run, point));
    NamedDoubles gradients = run.gradients(of_head.dx);
    if (!head_.fixed_weights) gradients["head.weight"] = of_head.dweights;
    if (head_.bias) gradients["head.bias"] = of_head.dbias;
    if (head_.learn_scale) gradients["head.scale"] = {of_head.dscale};
    return gradients;
  }

  double distance_to_kink(const NamedDoubles& point) const { return NetworkRun(network_, point).distance_to_kink(); }

 private:
  HeadProblem head_problem(const NetworkRun& run, const NamedDoubles& point) const {
    HeadProblem p{head_, network_.batch, run.embedding_size(), run.embedding(), point.at("head.weight")};
    if (head_.bias) p.bias = point.at("head.bias");
    if (head_.center_weight > 0 && !head_.fixed_weights) p.centers = point.at("head.centers");
    if (head_.learn_scale) p.scale = point.at("head.scale")[0];
    p.labels = labels_;
    p.step = network_.step;
    p.dropout = {head_.feature_dropout, kHeadDropoutStream};
    return p;
  }

  HeadSpec head_;
  Ints labels_;
  NetworkProblem network_;
};

}  // namespace margincore::test::reference
