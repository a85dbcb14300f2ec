#include "nn/network.h"

#include <map>
#include <set>

namespace margincore {

namespace {

constexpr ActivationPlan::Id kNone = -1;

/// A ReLU beside a max pool becomes part of it, on either side: the maximum of ReLUs is the ReLU of the maximum, with
/// the same gradient. That saves two passes over the larger tensor.
std::vector<LayerSpec> fuse_relu_into_max_pool(const std::vector<LayerSpec>& layers) {
  std::vector<LayerSpec> fused;
  const auto is_relu = [](const LayerSpec& layer) { return std::holds_alternative<ReluSpec>(layer.of); };
  for (const LayerSpec& layer : layers) {
    const bool before = !fused.empty() && is_relu(fused.back());
    const bool behind = !fused.empty() && std::holds_alternative<MaxPool2dSpec>(fused.back().of);
    if (const auto* pool = std::get_if<MaxPool2dSpec>(&layer.of); pool != nullptr && before) {
      MaxPool2dSpec with_relu = *pool;
      with_relu.relu = true;
      fused.back() = {layer.name, with_relu};
    } else if (is_relu(layer) && behind) {
      std::get<MaxPool2dSpec>(fused.back().of).relu = true;
    } else {
      fused.push_back(layer);
    }
  }
  return fused;
}

void name_layers(std::vector<LayerSpec>& layers) {
  std::map<std::string, int> counts;
  std::set<std::string> taken;
  for (LayerSpec& layer : layers) {
    const std::string prefix = name_prefix(layer);
    const int number = ++counts[prefix];
    if (layer.name.empty()) layer.name = prefix + std::to_string(number);
    if (layer.name == "head" || !taken.insert(layer.name).second)
      throw Error(ErrorCode::InvalidOption, "layer " + layer.name + ": the name is already taken");
  }
}

}  // namespace

Network::Network(const NetworkSpec& spec, ParameterTable& table) : input_(spec.input), activations_(spec.activations) {
  if (spec.layers.empty()) throw Error(ErrorCode::InvalidOption, "a network needs at least one layer");
  std::vector<LayerSpec> described = spec.layers;
  name_layers(described);

  // The summary shows what the user described; parameters are declared by the layers that run.
  ParameterTable scratch_table;
  Shape shape = input_;
  for (size_t i = 0; i < described.size(); ++i) {
    const auto layer =
        make_layer(described[i], described[i].name, shape, static_cast<uint32_t>(i), activations_, scratch_table);
    shape = layer->output();
    summary_.push_back({layer->name(), layer->type(), shape, layer->parameter_count(), layer->flops()});
  }
  embedding_size_ = shape.count();

  shape = input_;
  for (const LayerSpec& layer : fuse_relu_into_max_pool(described)) {
    layers_.push_back(make_layer(layer, layer.name, shape, static_cast<uint32_t>(layers_.size()), activations_, table));
    shape = layers_.back()->output();
  }
}

NetworkPass::NetworkPass(const Network& network, int64_t max_batch, bool training, ActivationPlan& plan)
    : network_(network), training_(training), embedding_(kNone), embedding_gradient_(kNone) {
  const auto& layers = network.layers_;
  const int count = static_cast<int>(layers.size());
  // Moments: layer i runs forward at i and backward at 2*count - i; the head's work lies between, at `count`.
  const auto backward_moment = [&](int layer) { return 2 * count - layer; };

  const auto value_bytes = [&](int value) {
    return value_shape(max_batch, value).count() * size_of(network.activations_);
  };
  bool producer_needs_value = true;  // the batch is kept: nothing may overwrite it
  for (int i = 0; i <= count; ++i) {
    int end = i;
    if (training && i < count && layers[i]->backward_needs_input()) end = backward_moment(i);
    if (training && i > 0 && layers[i - 1]->backward_needs_output()) end = std::max(end, backward_moment(i - 1));
    const int begin = std::max(0, i - 1);
    const bool reuse = i > 0 && layers[i - 1]->in_place() && !producer_needs_value;
    if (reuse) {
      values_.push_back(values_.back());
      plan.extend(values_.back(), begin, end);
    } else {
      values_.push_back(plan.add(value_bytes(i), begin, end));
    }
    // May layer i overwrite value i? Not if the layer that made it reads it again.
    producer_needs_value = i == 0 || (training && layers[i - 1]->backward_needs_output());
    const int64_t state = i < count ? max_batch * layers[i]->state_bytes() : 0;
    states_.push_back(state > 0 ? plan.add(state, i, training ? backward_moment(i) : i) : kNone);
  }
  const int64_t embedding_bytes = max_batch * network.embedding_size_ * static_cast<int64_t>(sizeof(float));
  if (network.activations_ != DType::F32) {
    embedding_ = plan.add(embedding_bytes, count, count);
    if (training) embedding_gradient_ = plan.add(embedding_bytes, count, count);
  }
  if (!training) return;

  gradients_.assign(count + 1, kNone);
  gradients_[count] = plan.add(value_bytes(count), count, count + 1);
  for (int i = count - 1; i > 0; --i) {  // value 0, the batch, needs no gradient
    const int begin = backward_moment(i), end = begin + 1;
    if (layers[i]->in_place()) {
      gradients_[i] = gradients_[i + 1];
      plan.extend(gradients_[i], begin, end);
    } else {
      gradients_[i] = plan.add(value_bytes(i), begin, end);
    }
  }
}

void NetworkPass::bind(const ActivationPlan& plan, void* arena) {
  arena_ = static_cast<char*>(arena);
  const auto offset = [&](ActivationPlan::Id id) { return id == kNone ? -1 : plan.offset(id); };
  const auto offsets = [&](const std::vector<ActivationPlan::Id>& ids) {
    std::vector<int64_t> result;
    for (ActivationPlan::Id id : ids) result.push_back(offset(id));
    return result;
  };
  value_offsets_ = offsets(values_);
  gradient_offsets_ = offsets(gradients_);
  state_offsets_ = offsets(states_);
  embedding_offset_ = offset(embedding_);
  embedding_gradient_offset_ = offset(embedding_gradient_);
}

Shape NetworkPass::value_shape(int64_t batch, size_t value) const {
  const Shape& sample = value == 0 ? network_.input_ : network_.layers_[value - 1]->output();
  Shape shape{batch};
  for (int i = 0; i < sample.rank; ++i) shape.dims[shape.rank++] = sample[i];
  return shape;
}

Tensor NetworkPass::value(int64_t batch, size_t index) const {
  return {arena_ + value_offsets_[index], network_.activations_, value_shape(batch, index)};
}

Tensor NetworkPass::gradient(int64_t batch, size_t index) const {
  if (gradients_[index] == kNone) return {};
  return {arena_ + gradient_offsets_[index], network_.activations_, value_shape(batch, index)};
}

Tensor NetworkPass::input(int64_t batch) const { return value(batch, 0); }

Tensor NetworkPass::embedding(int64_t batch) const {
  if (embedding_ == kNone) return value(batch, network_.layers_.size()).as_matrix();
  return {arena_ + embedding_offset_, DType::F32, {batch, network_.embedding_size_}};
}

Tensor NetworkPass::embedding_gradient(int64_t batch) const {
  if (embedding_gradient_ == kNone) return gradient(batch, network_.layers_.size()).as_matrix();
  return {arena_ + embedding_gradient_offset_, DType::F32, {batch, network_.embedding_size_}};
}

LayerCall NetworkPass::call(Backend& backend, const Parameters& parameters, int64_t batch, const StepBlock* step,
                            size_t layer) const {
  LayerCall call{backend, parameters, step, training_, value(batch, layer), value(batch, layer + 1), {}, {}, {}};
  if (states_[layer] != kNone)
    call.state = {arena_ + state_offsets_[layer], DType::U8, value_shape(batch, layer + 1)};
  return call;
}

void NetworkPass::forward(Backend& backend, const Parameters& parameters, int64_t batch, const StepBlock* step) const {
  for (size_t i = 0; i < network_.layers_.size(); ++i)
    network_.layers_[i]->forward(call(backend, parameters, batch, step, i));
  if (embedding_ != kNone) check(backend.convert(embedding(batch), value(batch, network_.layers_.size()).as_matrix()));
}

void NetworkPass::backward(Backend& backend, const Parameters& parameters, int64_t batch, const StepBlock* step) const {
  if (embedding_gradient_ != kNone)
    check(backend.convert(gradient(batch, network_.layers_.size()).as_matrix(), embedding_gradient(batch)));
  for (size_t i = network_.layers_.size(); i-- > 0;) {
    LayerCall operands = call(backend, parameters, batch, step, i);
    operands.dx = gradient(batch, i);
    operands.dy = gradient(batch, i + 1);
    network_.layers_[i]->backward(operands);
  }
}

}  // namespace margincore
