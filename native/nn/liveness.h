// When the values of a network are there: made forward, read forward, and needed again by the backward pass.
#pragma once

#include <vector>

#include "nn/network.h"

namespace margincore {

/// The order of a training step. Node i runs forward at moment i, then comes the head, then the nodes go back.
struct Moments {
  int nodes;

  int forward(int node) const { return node; }
  int head() const { return nodes; }
  int backward(int node) const { return 2 * nodes - node; }
  /// Which goes back at this moment.
  int node_at(int backward_moment) const { return 2 * nodes - backward_moment; }
  /// After the backward pass of the first node.
  int last() const { return 2 * nodes + 1; }
};

/// What happens to the values between the forward and the backward pass.
enum class RecomputePolicy {
  ForwardOnly,  // there is no backward pass
  Never,        // each value stays until the backward pass has read it
  CheapLayers,  // what a layer makes again from values that stay anyway is made again instead
};

/// Of one value.
struct Liveness {
  int begin, end;                           // made, and last read forward
  int needed_from = -1, needed_until = -1;  // by the backward pass, which may not need it
  bool recomputed = false;                  // gone after `end`, made again at `needed_from`

  bool is_needed_again() const { return needed_from >= 0; }
  /// Whether what was made forward is still there.
  bool is_there_at(int moment) const { return moment <= (is_needed_again() && !recomputed ? needed_until : end); }
};

/// By value: 0 is the image, i + 1 the output of node i.
std::vector<Liveness> analyze_liveness(const Network& network, RecomputePolicy policy);

}  // namespace margincore
