// A network as it is described: layers from an image to the embedding, each reading layers before it.
#pragma once

#include <vector>

#include "base/tensor.h"
#include "spec/layer.h"

namespace margincore {

struct NetworkSpec {
  Shape input;                        // (H, W, C)
  std::vector<LayerSpec> layers;      // the last one's output is the embedding
  DType activations = DType::F32;     // or BF16; the embedding is fp32 for the head
  std::optional<InitSpec> init = {};  // of layers that have none of their own; empty: kDefaultInit
};

}  // namespace margincore
