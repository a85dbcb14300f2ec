#include "nn/fusion.h"

#include <algorithm>

namespace margincore {

namespace {

class Fusion {
 public:
  Fusion(std::vector<LayerSpec> layers, const std::function<bool(const std::string&)>& is_trained)
      : layers_(std::move(layers)), gone_(layers_.size(), false), is_trained_(is_trained) {}

  std::vector<LayerSpec> run() {
    each([&](int i) { fuse_sum(i); });
    each([&](int i) { fuse_relu(i); });
    each([&](int i) { fuse_pool(i); });
    each([&](int i) { fuse_bias(i); });
    return remaining();
  }

 private:
  template <class Body>
  void each(const Body& body) {
    for (int i = 0; i < static_cast<int>(layers_.size()); ++i)
      if (!gone_[i]) body(i);
  }

  template <class Spec>
  Spec* as(int i) {
    return i == kImage ? nullptr : std::get_if<Spec>(&layers_[i].of);
  }

  /// Layer i's only reader is the one that asks.
  bool is_read_once(int i) const {
    int reads = 0;
    for (size_t k = 0; k < layers_.size(); ++k)
      if (!gone_[k]) reads += static_cast<int>(std::count(layers_[k].inputs.begin(), layers_[k].inputs.end(), i));
    return reads == 1;
  }

  /// Layer i is done by layer `by`, before it.
  void replace(int i, int by) {
    gone_[i] = true;
    for (LayerSpec& layer : layers_) std::replace(layer.inputs.begin(), layer.inputs.end(), i, by);
  }

  void fuse_sum(int i) {
    if (as<AddSpec>(i) == nullptr) return;
    // The later of the two: the other is known by then.
    const auto [other, norm] = std::minmax(layers_[i].inputs[0], layers_[i].inputs[1]);
    const auto* spec = as<BatchNormSpec>(norm);
    if (spec == nullptr || spec->relu || layers_[norm].inputs.size() != 1 || other == norm || !is_read_once(norm))
      return;
    layers_[norm].inputs.push_back(other);
    replace(i, norm);
  }

  void fuse_relu(int i) {
    if (as<ReluSpec>(i) == nullptr) return;
    const int input = layers_[i].inputs[0];
    auto* norm = as<BatchNormSpec>(input);
    if (norm == nullptr || norm->relu || !is_read_once(input)) return;
    norm->relu = true;
    replace(i, input);
  }

  void fuse_pool(int i) {
    const int input = layers_[i].inputs[0];
    if (auto* pool = as<MaxPool2dSpec>(i); pool != nullptr && as<ReluSpec>(input) != nullptr && is_read_once(input)) {
      // The pool reads what the ReLU read, and is executed in its own place.
      pool->relu = true;
      layers_[i].inputs[0] = layers_[input].inputs[0];
      gone_[input] = true;
    } else if (as<ReluSpec>(i) != nullptr && as<MaxPool2dSpec>(input) != nullptr && is_read_once(input)) {
      as<MaxPool2dSpec>(input)->relu = true;
      replace(i, input);
    }
  }

  void fuse_bias(int i) {
    const int input = layers_[i].inputs[0];
    if (input == kImage || !is_read_once(input)) return;
    auto* convolution = as<Conv2dSpec>(input);
    auto* linear = as<LinearSpec>(input);
    const std::string bias = layers_[input].name + ".bias";
    if (auto* pool = as<MaxPool2dSpec>(i); pool != nullptr && convolution != nullptr && convolution->bias) {
      pool->bias = bias;
      convolution->bias_by = BiasBy::MaxPool;
    } else if (auto* norm = as<BatchNormSpec>(i); norm != nullptr && is_trained_(layers_[i].name)) {
      if (convolution != nullptr && convolution->bias) convolution->bias_by = BiasBy::BatchNorm;
      else if (linear != nullptr && linear->bias) linear->bias_by = BiasBy::BatchNorm;
      else return;
      norm->bias = bias;
    }
  }

  std::vector<LayerSpec> remaining() {
    std::vector<int> place(layers_.size(), 0);
    std::vector<LayerSpec> result;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (gone_[i]) continue;
      place[i] = static_cast<int>(result.size());
      for (int& input : layers_[i].inputs)
        if (input != kImage) input = place[input];
      result.push_back(std::move(layers_[i]));
    }
    return result;
  }

  std::vector<LayerSpec> layers_;
  std::vector<bool> gone_;
  const std::function<bool(const std::string&)>& is_trained_;
};

}  // namespace

std::vector<LayerSpec> fuse(std::vector<LayerSpec> layers, const std::function<bool(const std::string&)>& is_trained) {
  return Fusion(std::move(layers), is_trained).run();
}

}  // namespace margincore
