#include "nn/liveness.h"

#include <algorithm>

namespace margincore {

namespace {

void add_need(Liveness& value, int moment) {
  value.needed_from = value.is_needed_again() ? std::min(value.needed_from, moment) : moment;
  value.needed_until = std::max(value.needed_until, moment);
}

/// Only of values that stay until then, so that nothing stays longer for it and nothing is made again for it.
bool can_recompute(const Network::Node& node, const Liveness& made, const std::vector<Liveness>& values) {
  if (!node.layer->can_recompute() || !made.is_needed_again()) return false;
  if (made.needed_from <= made.end + 1) return false;  // there is no moment between at which it could be gone
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](int input) { return values[input].is_there_at(made.needed_from); });
}

}  // namespace

std::vector<Liveness> analyze_liveness(const Network& network, RecomputePolicy policy) {
  const auto& nodes = network.nodes();
  const Moments moments{static_cast<int>(nodes.size())};
  std::vector<Liveness> values(nodes.size() + 1);
  values[0] = {0, 0};
  for (int i = 0; i < moments.nodes; ++i) {
    for (int input : nodes[i].inputs) values[input].end = moments.forward(i);
    values[i + 1] = {moments.forward(i), moments.forward(i)};
  }
  values.back().end = moments.head();
  if (policy == RecomputePolicy::ForwardOnly) return values;

  for (int i = 0; i < moments.nodes; ++i) {
    if (!network.needs_gradient(i + 1)) continue;
    if (nodes[i].layer->backward_needs_output()) add_need(values[i + 1], moments.backward(i));
    if (nodes[i].layer->backward_needs_input()) add_need(values[nodes[i].inputs[0]], moments.backward(i));
  }
  if (policy == RecomputePolicy::Never) return values;

  for (int i = 0; i < moments.nodes; ++i) values[i + 1].recomputed = can_recompute(nodes[i], values[i + 1], values);
  return values;
}

}  // namespace margincore
