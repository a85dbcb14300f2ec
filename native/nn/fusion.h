// What runs as one operation: a layer that works on its neighbour's output element by element becomes part of it.
#pragma once

#include <vector>

#include "nn/layer.h"

namespace margincore {

/// The layers that are executed in place of those described: same values, same gradients, fewer passes over memory.
///  - A ReLU beside a max pool, on either side: the maximum of ReLUs is the ReLU of the maximum.
///  - A sum with the output of a batch norm, and a ReLU behind a batch norm or such a sum.
/// `inputs` is given for every layer, and the last one is the network's output.
std::vector<LayerSpec> fuse(std::vector<LayerSpec> layers);

}  // namespace margincore
