#include "nn/network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "nn/fusion.h"
#include "spec/fields.h"
#include "spec/layer_names.h"

namespace margincore {

namespace {

void name_layers(std::vector<LayerSpec>& layers) {
  LayerNames names;
  std::set<std::string> taken;
  for (LayerSpec& layer : layers) {
    layer.name = names.next(layer);
    if (layer.name == "head" || layer.name == kImageName)
      throw Error(ErrorCode::InvalidOption, "layer " + layer.name + ": the name stands for the network's " +
                                                (layer.name == "head" ? "head" : "input"));
    if (!taken.insert(layer.name).second)
      throw Error(ErrorCode::InvalidOption, "layer " + layer.name + ": the name is already taken");
  }
}

/// Writes down for every layer what it reads, and sees to it that all is read.
void connect(std::vector<LayerSpec>& layers) {
  std::vector<bool> is_read(layers.size(), false);
  for (int i = 0; i < static_cast<int>(layers.size()); ++i) {
    std::vector<int>& inputs = layers[i].inputs;
    if (inputs.empty()) inputs = {i - 1};  // of the first layer the image
    for (int input : inputs) {
      if (input < kImage || input >= i)
        throw Error(ErrorCode::InvalidOption, "layer " + layers[i].name + ": reads a layer that is not before it");
      if (input != kImage) is_read[input] = true;
    }
  }
  for (size_t i = 0; i + 1 < layers.size(); ++i)
    if (!is_read[i]) throw Error(ErrorCode::InvalidOption, "layer " + layers[i].name + ": nothing reads its output");
}

/// Writes down for every layer with weights how they start.
void choose_inits(std::vector<LayerSpec>& layers, const InitSpec& network_init) {
  const auto choose = [&](auto& of) {
    if constexpr (HasInit<std::remove_cvref_t<decltype(of)>>)
      if (!of.init) of.init = network_init;
  };
  for (LayerSpec& layer : layers) std::visit(choose, layer.of);
}

std::optional<InitSpec> init_of(const LayerSpec& layer) {
  const auto init = [](const auto& of) -> std::optional<InitSpec> {
    if constexpr (HasInit<std::remove_cvref_t<decltype(of)>>) return of.init;
    else return {};
  };
  return std::visit(init, layer.of);
}

using Rates = std::map<std::string, float>;

/// By name: where layers are fused, those with parameters keep theirs.
Rates rates_by_name(const std::vector<LayerSpec>& layers, std::span<const float> rates) {
  if (!rates.empty() && rates.size() != layers.size())
    throw Error(ErrorCode::InvalidOption,
                format("a network of %zu layers cannot have the learning rates of %zu", layers.size(), rates.size()));
  Rates named;
  for (size_t i = 0; i < layers.size(); ++i) {
    const float rate = rates.empty() ? 1 : rates[i];
    if (!std::isfinite(rate) || rate < 0)
      throw Error(ErrorCode::InvalidOption, "layer " + layers[i].name +
                                                ": expected a factor of the learning rate from " + "0 but received " +
                                                std::to_string(rate));
    named[layers[i].name] = rate;
  }
  return named;
}

std::vector<Network::Node> make_nodes(const std::vector<LayerSpec>& layers, const Shape& image, DType activations,
                                      const Rates& rates, ParameterTable& table) {
  std::vector<Network::Node> nodes;
  for (const LayerSpec& layer : layers) {
    std::vector<Shape> shapes;
    std::vector<int> values;
    for (int input : layer.inputs) {
      shapes.push_back(input == kImage ? image : nodes[input].layer->output());
      values.push_back(input + 1);
    }
    const auto index = static_cast<uint32_t>(nodes.size());
    const auto first = static_cast<ParameterTable::Key>(table.entries().size());
    auto made = make_layer(layer, shapes, index, activations, rates.at(layer.name), table);
    nodes.push_back({std::move(made), values, first, static_cast<ParameterTable::Key>(table.entries().size())});
  }
  return nodes;
}

std::vector<bool> values_with_gradient(const std::vector<Network::Node>& nodes) {
  std::vector<bool> needed = {false};
  for (const Network::Node& node : nodes) {
    const bool before = std::any_of(node.inputs.begin(), node.inputs.end(), [&](int input) { return needed[input]; });
    needed.push_back(before || node.layer->is_trained());
  }
  return needed;
}

}  // namespace

Network::Network(const NetworkSpec& spec, ParameterTable& table, std::span<const float> rates)
    : input_(spec.input), activations_(spec.activations) {
  if (spec.layers.empty()) throw Error(ErrorCode::InvalidOption, "a network needs at least one layer");
  check_ranges("network", spec);
  std::vector<LayerSpec> described = spec.layers;
  name_layers(described);
  connect(described);
  choose_inits(described, spec.init.value_or(kDefaultInit));
  const Rates rate_of = rates_by_name(described, rates);

  // The summary shows what the user described; parameters are declared by the layers that run.
  ParameterTable scratch_table;
  const std::vector<Node> nodes = make_nodes(described, input_, activations_, rate_of, scratch_table);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Layer& layer = *nodes[i].layer;
    std::vector<std::string> inputs;
    for (int input : described[i].inputs) inputs.push_back(input == kImage ? kImageName : described[input].name);
    summary_.push_back({layer.name(), kind_of(described[i]).type, std::move(inputs), layer.output(),
                        layer.parameter_count(), layer.flops(), init_of(described[i])});
  }
  embedding_size_ = summary_.back().output.count();
  const auto is_trained = [&](const std::string& name) { return rate_of.at(name) > 0; };
  nodes_ = make_nodes(fuse(std::move(described), is_trained), input_, activations_, rate_of, table);
  needs_gradient_ = values_with_gradient(nodes_);
}

}  // namespace margincore
