#include "graphs.h"

#include <algorithm>

namespace margincore::cuda_sim {
namespace {

/// Puts nodes behind one another; none before those that it waits for.
class Order {
 public:
  explicit Order(const Graph& graph) : graph_(graph), is_done_(graph.size(), false) {}

  void append(size_t node) {
    if (is_done_[node]) return;
    for (const size_t before : graph_[node].after) append(before);
    is_done_[node] = true;
    tasks_.push_back(graph_[node].task);
  }

  std::vector<size_t> ready() const {
    std::vector<size_t> nodes;
    for (size_t node = 0; node < graph_.size(); ++node)
      if (!is_done_[node] && std::ranges::all_of(graph_[node].after, [&](size_t before) { return is_done_[before]; }))
        nodes.push_back(node);
    return nodes;
  }

  std::vector<SharedTask> take() { return std::move(tasks_); }

 private:
  const Graph& graph_;
  std::vector<bool> is_done_;
  std::vector<SharedTask> tasks_;
};

}  // namespace

std::vector<SharedTask> in_order(const Graph& graph, bool at_random) {
  Order order(graph);
  if (at_random) {
    for (std::vector<size_t> ready = order.ready(); !ready.empty(); ready = order.ready())
      order.append(ready[random_below(ready.size())]);
  } else {
    for (size_t node = 0; node < graph.size(); ++node)
      if (graph[node].of_origin) order.append(node);
    for (size_t node = 0; node < graph.size(); ++node) order.append(node);
  }
  return order.take();
}

bool is_joined(const Graph& graph, const std::vector<size_t>& last) {
  std::vector<bool> is_waited_for(graph.size(), false);
  for (const GraphNode& node : graph)
    for (const size_t before : node.after) is_waited_for[before] = true;
  for (const size_t node : last) is_waited_for[node] = true;
  return std::ranges::all_of(is_waited_for, [](bool waited_for) { return waited_for; });
}

}  // namespace margincore::cuda_sim
