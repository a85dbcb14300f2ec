// The names of layers that were given none: conv1, conv2, …
#pragma once

#include <map>
#include <string>

#include "spec/layer_kinds.h"

namespace margincore {

class LayerNames {
 public:
  /// For layers in the order of the description; named ones count too.
  std::string next(const LayerSpec& layer) {
    const std::string prefix = kind_of(layer).name_prefix;
    const int number = ++counts_[prefix];
    return layer.name.empty() ? prefix + std::to_string(number) : layer.name;
  }

 private:
  std::map<std::string, int> counts_;
};

}  // namespace margincore
