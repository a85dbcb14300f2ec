// Reads networks whose layers lie in one another, as users write them (lib/networks/layers.ts).
#pragma once

#include "spec/network.h"
#include "spec/value.h"

namespace margincore {

/// From an object with `input` and `layers`. A residual's `body` and `shortcut` and the `branches` of a concat become
/// layers before it, in one list in which each names those that it reads. Throws InvalidOption with the layer's name.
NetworkSpec read_network(const Value& network);

}  // namespace margincore
