// What runs as one operation: a layer that works on its neighbour's output element by element becomes part of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nn/layer.h"

namespace margincore {

/// The layers that are executed in place of those described: same values, same gradients, fewer passes over memory.
///  - A ReLU beside a max pool, on either side: the maximum of ReLUs is the ReLU of the maximum.
///  - A sum with the output of a batch norm, and a ReLU behind a batch norm or such a sum.
///  - The bias of a convolution before a max pool: the maximum of sums is the sum with the maximum, of a window at a time.
///  - The bias before a batch norm, which takes it away again: in training it is not added at all.
/// `inputs` and a name are given for every layer, and the last one is the network's output. `is_trained` by name: batch
/// norms that are frozen take nothing away.
std::vector<LayerSpec> fuse(std::vector<LayerSpec> layers, const std::function<bool(const std::string&)>& is_trained);

}  // namespace margincore
