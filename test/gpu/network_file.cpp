#include "network_file.h"

#include <fstream>

#include "job.h"

namespace margincore::jobs {

namespace {

std::vector<int64_t> integers(const Job& layer, const std::string& key) {
  const std::vector<float> numbers = layer.numbers(key);
  return {numbers.begin(), numbers.end()};
}

Conv2dSpec to_conv2d(const Job& layer) {
  Conv2dSpec spec{};
  spec.out_channels = layer.integer("outChannels");
  spec.kernel_height = spec.kernel_width = layer.integer("kernelSize");
  spec.stride = layer.integer("stride", spec.stride);
  spec.padding = layer.integer("padding", 0);
  spec.bias = layer.integer("bias", 1) != 0;
  spec.groups = layer.integer("groups", spec.groups);
  return spec;
}

template <class Pool>
Pool to_pool(const Job& layer) {
  const int64_t kernel = layer.integer("kernelSize");
  return {kernel, layer.integer("stride", kernel), layer.integer("padding", 0)};
}

decltype(LayerSpec::of) to_layer(const Job& layer) {
  const std::string& type = layer.kind();
  if (type == "conv2d") return to_conv2d(layer);
  if (type == "relu") return ReluSpec{};
  if (type == "prelu") return PReluSpec{layer.integer("shared", 0) != 0};
  if (type == "batchNorm") return BatchNormSpec{};
  if (type == "maxPool2d") return to_pool<MaxPool2dSpec>(layer);
  if (type == "averagePool2d") return to_pool<AveragePool2dSpec>(layer);
  if (type == "globalAveragePool") return GlobalAveragePoolSpec{};
  if (type == "linear") return LinearSpec{layer.integer("outFeatures"), layer.integer("bias", 1) != 0};
  if (type == "add") return AddSpec{};
  if (type == "concat") return ConcatSpec{};
  throw Error(ErrorCode::InvalidOption, "layer type '" + type + "' is unknown here");
}

}  // namespace

NetworkSpec read_network(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw Error(ErrorCode::InvalidData, "cannot read " + path);
  const std::vector<int64_t> size = integers(Job(line), "size");
  if (size.size() != 3) throw Error(ErrorCode::InvalidData, path + ": its first line must have size=H,W,C");
  NetworkSpec spec{{size[0], size[1], size[2]}, {}};
  while (std::getline(file, line)) {
    const Job layer(line);
    LayerSpec one{layer.text("name", ""), to_layer(layer), {}};
    for (const int64_t input : integers(layer, "inputs")) one.inputs.push_back(static_cast<int>(input));
    layer.expect_all_read();
    spec.layers.push_back(std::move(one));
  }
  return spec;
}

}  // namespace margincore::jobs
