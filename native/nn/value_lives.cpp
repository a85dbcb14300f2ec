#include "nn/value_lives.h"

#include <algorithm>

namespace margincore {

namespace {

void add_need(ValueLife& life, int moment) {
  life.needed_from = life.is_needed_again() ? std::min(life.needed_from, moment) : moment;
  life.needed_until = std::max(life.needed_until, moment);
}

/// Only of values that stay until then, so that nothing stays longer for it and nothing is made again for it.
bool can_recompute(const Network::Node& node, const ValueLife& made, const std::vector<ValueLife>& lives) {
  if (!node.layer->can_recompute() || !made.is_needed_again()) return false;
  if (made.needed_from <= made.end + 1) return false;  // there is no moment between at which it could be gone
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](int input) { return lives[input].is_there_at(made.needed_from); });
}

}  // namespace

std::vector<ValueLife> value_lives(const Network& network, Keeping keeping) {
  const auto& nodes = network.nodes();
  const Moments moments{static_cast<int>(nodes.size())};
  std::vector<ValueLife> lives(nodes.size() + 1);
  lives[0] = {0, 0};
  for (int i = 0; i < moments.nodes; ++i) {
    for (int input : nodes[i].inputs) lives[input].end = moments.forward(i);
    lives[i + 1] = {moments.forward(i), moments.forward(i)};
  }
  lives.back().end = moments.head();
  if (keeping == Keeping::Nothing) return lives;

  for (int i = 0; i < moments.nodes; ++i) {
    if (nodes[i].layer->backward_needs_output()) add_need(lives[i + 1], moments.backward(i));
    if (nodes[i].layer->backward_needs_input()) add_need(lives[nodes[i].inputs[0]], moments.backward(i));
  }
  if (keeping == Keeping::All) return lives;

  for (int i = 0; i < moments.nodes; ++i) lives[i + 1].recomputed = can_recompute(nodes[i], lives[i + 1], lives);
  return lives;
}

}  // namespace margincore
