// A network and its head, layer by layer as they are described: nothing fused, nothing in place, every value kept.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <stdexcept>

#include "nn/network.h"
#include "reference/average_pooling.h"
#include "reference/batch_norm.h"
#include "reference/convolution.h"
#include "reference/elementwise.h"
#include "reference/matrices.h"
#include "reference/pooling.h"
#include "reference/prelu.h"

namespace margincore::test::reference {

using NamedDoubles = std::map<std::string, Doubles>;

/// Under this name images stand beside the parameters.
inline const std::string kImages = "images";

struct NetworkProblem {
  NetworkSpec spec;  // every layer has a name
  int64_t batch;
  std::map<std::string, uint32_t> dropout_streams;  // by layer
  StepBlock step{};
  std::set<std::string> frozen = {};  // layers without gradients; batch norms by their running statistics
};

class NetworkRun {
 public:
  /// `given`: the images and all parameters of the layers, running statistics where they are read.
  NetworkRun(const NetworkProblem& problem, const NamedDoubles& given) : problem_(problem), given_(given) {
    const Shape& image = problem.spec.input;
    values_.push_back({{problem.batch, image[0], image[1], image[2]}, given.at(kImages), {}});
    for (const LayerSpec& layer : problem.spec.layers) {
      name_ = layer.name;
      inputs_.clear();
      for (int input : layer.inputs) inputs_.push_back(input + 1);
      if (inputs_.empty()) inputs_ = {static_cast<int>(values_.size()) - 1};
      std::visit([this](const auto& spec) { run(spec); }, layer.of);
    }
  }

  const Doubles& embedding() const { return values_.back().numbers; }
  int64_t embedding_size() const { return values_.back().shape.row_count(); }

  /// How far the nearest value is from where a ReLU, a PReLU or a maximum changes over.
  double distance_to_kink() const { return distance_to_kink_; }

  /// Of the images and all parameters that are not frozen, from that of the embedding.
  NamedDoubles gradients(const Doubles& dembedding) {
    gradients_.clear();
    for (Value& value : values_) value.gradient.assign(value.numbers.size(), 0);
    values_.back().gradient = dembedding;
    for (size_t i = backward_.size(); i-- > 0;) backward_[i](values_[i + 1].gradient);
    for (const std::string& layer : problem_.frozen)
      for (const char* what : {".weight", ".bias"}) gradients_.erase(layer + what);
    gradients_[kImages] = values_[0].gradient;
    return gradients_;
  }

 private:
  struct Value {
    Shape shape;  // with the batch
    Doubles numbers, gradient;
  };

  const Value& in(size_t i = 0) const { return values_[inputs_[i]]; }
  const Doubles& x() const { return in().numbers; }
  const Doubles& given(const std::string& what) const { return given_.at(name_ + what); }
  Doubles given_if(bool is_there, const std::string& what) const { return is_there ? given(what) : Doubles(); }

  /// backward(dy) gives the gradients of the inputs, in their order.
  template <class Backward>
  void finish(const Shape& shape, Doubles numbers, const Backward& backward) {
    values_.push_back({shape, std::move(numbers), {}});
    backward_.push_back([this, backward, inputs = inputs_](const Doubles& dy) {
      const std::vector<Doubles> dx = backward(dy);
      for (size_t k = 0; k < inputs.size(); ++k)
        for (size_t i = 0; i < dx[k].size(); ++i) values_[inputs[k]].gradient[i] += dx[k][i];
    });
  }

  void note_kink(double distance) { distance_to_kink_ = std::min(distance_to_kink_, std::abs(distance)); }

  void run(const Conv2dSpec& spec) {
    const Shape& s = in().shape;
    const auto stride = static_cast<int32_t>(spec.stride), groups = static_cast<int32_t>(spec.groups);
    const auto padding = static_cast<int32_t>(spec.padding.value_or(spec.kernel_height / 2));
    const ConvolutionSizes sizes{
        s[0], s[1], s[2], s[3], spec.out_channels, spec.kernel_height, spec.kernel_width, {stride, padding, groups}};
    const Doubles weight = given(".weight");
    finish(sizes.y(), conv2d_forward(sizes, x(), weight, given_if(spec.bias, ".bias")),
           [this, sizes, weight, x = x(), name = name_, bias = spec.bias](const Doubles& dy) {
             gradients_[name + ".weight"] = conv2d_backward_filter(sizes, dy, x);
             if (bias) gradients_[name + ".bias"] = conv2d_backward_bias(sizes, dy);
             return std::vector<Doubles>{conv2d_backward_data(sizes, dy, weight)};
           });
  }

  void run(const LinearSpec& spec) {
    const int64_t rows = in().shape[0], from = in().shape.row_count(), to = spec.out_features;
    const Doubles weight = given(".weight");
    finish({rows, to}, linear_forward(x(), weight, given_if(spec.bias, ".bias"), rows, from, to),
           [=, this, x = x(), name = name_, bias = spec.bias](const Doubles& dy) {
             gradients_[name + ".weight"] = linear_backward_weight(dy, x, rows, from, to);
             if (bias) gradients_[name + ".bias"] = column_sums(dy, rows, to);
             return std::vector<Doubles>{linear_backward_data(dy, weight, rows, from, to)};
           });
  }

  void run(const ReluSpec&) {
    for (double value : x()) note_kink(value);
    const Doubles y = relu_forward(x());
    finish(in().shape, y, [y](const Doubles& dy) { return std::vector<Doubles>{relu_backward(dy, y)}; });
  }

  void run(const PReluSpec&) {
    for (double value : x()) note_kink(value);
    const Doubles slope = given(".weight");
    finish(in().shape, prelu_forward(x(), slope), [this, slope, x = x(), name = name_](const Doubles& dy) {
      const PReluGradients gradients = prelu_backward(dy, x, slope);
      gradients_[name + ".weight"] = gradients.dslope;
      return std::vector<Doubles>{gradients.dx};
    });
  }

  void run(const DropoutSpec& spec) {
    const Dropout d{spec.rate, problem_.dropout_streams.at(name_)};
    const StepBlock& step = problem_.step;
    finish(in().shape, dropout(x(), d, step),
           [d, step](const Doubles& dy) { return std::vector<Doubles>{dropout(dy, d, step)}; });
  }

  void run(const BatchNormSpec& spec) {
    const Shape& shape = in().shape;
    const int64_t channels = shape[shape.rank - 1];
    const BatchNorm norm{spec.epsilon};
    const Doubles gamma = given(".weight");
    if (problem_.frozen.count(name_) > 0) {
      const ChannelStats running{given(".runningMean"), given(".runningVariance"), {}};
      finish(shape, batch_norm_apply(x(), running, gamma, given(".bias"), {}, norm), [=](const Doubles& dy) {
        return std::vector<Doubles>{batch_norm_backward_frozen(dy, running, gamma, norm)};
      });
      return;
    }
    const ChannelStats stats = batch_norm_stats(x(), shape.count() / channels, channels);
    finish(shape, batch_norm_apply(x(), stats, gamma, given(".bias"), {}, norm),
           [=, this, x = x(), name = name_](const Doubles& dy) {
             const BatchNormGradients gradients = batch_norm_backward(dy, x, {}, stats, gamma, norm);
             gradients_[name + ".weight"] = gradients.dgamma;
             gradients_[name + ".bias"] = gradients.dbeta;
             return std::vector<Doubles>{gradients.dx};
           });
  }

  PoolingSizes pooling(int64_t kernel, int64_t stride, int64_t padding) const {
    const Shape& s = in().shape;
    return {s[0],
            s[1],
            s[2],
            s[3],
            {static_cast<int32_t>(kernel), static_cast<int32_t>(stride), static_cast<int32_t>(padding)}};
  }

  void run(const MaxPool2dSpec& spec) {
    const PoolingSizes sizes = pooling(spec.kernel, spec.stride, spec.padding);
    const MaxPooled pooled = max_pool_forward(sizes, x());
    for_each_window_element(sizes, [&](int64_t iy, int64_t ix, int64_t place) {
      if (place != pooled.position[iy]) note_kink(pooled.y[iy] - x()[ix]);
    });
    finish(sizes.y(), pooled.y, [sizes, position = pooled.position](const Doubles& dy) {
      return std::vector<Doubles>{max_pool_backward(sizes, dy, position)};
    });
  }

  void run(const AveragePool2dSpec& spec) {
    const PoolingSizes sizes = pooling(spec.kernel, spec.stride, spec.padding);
    finish(sizes.y(), average_pool_forward(sizes, x()),
           [sizes](const Doubles& dy) { return std::vector<Doubles>{average_pool_backward(sizes, dy)}; });
  }

  void run(const GlobalAveragePoolSpec&) {
    const Shape image = in().shape;
    finish({image[0], image[3]}, global_average_forward(image, x()),
           [image](const Doubles& dy) { return std::vector<Doubles>{global_average_backward(image, dy)}; });
  }

  void run(const AddSpec&) {
    Doubles sum = x();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += in(1).numbers[i];
    finish(in().shape, sum, [](const Doubles& dy) { return std::vector<Doubles>{dy, dy}; });
  }

  void run(const ConcatSpec&) {
    Shape shape = in().shape;
    const int last = shape.rank - 1;
    std::vector<size_t> channels;
    for (size_t k = 0; k < inputs_.size(); ++k) channels.push_back(in(k).shape[last]);
    const size_t pixels = shape.count() / channels[0];
    Doubles joined;
    for (size_t pixel = 0; pixel < pixels; ++pixel)
      for (size_t k = 0; k < inputs_.size(); ++k) {
        const auto from = in(k).numbers.begin() + pixel * channels[k];
        joined.insert(joined.end(), from, from + channels[k]);
      }
    shape.dims[last] = joined.size() / pixels;
    finish(shape, joined, [channels, pixels](const Doubles& dy) {
      std::vector<Doubles> parts(channels.size());
      auto next = dy.begin();
      for (size_t pixel = 0; pixel < pixels; ++pixel)
        for (size_t k = 0; k < channels.size(); ++k) {
          parts[k].insert(parts[k].end(), next, next + channels[k]);
          next += channels[k];
        }
      return parts;
    });
  }

  const NetworkProblem& problem_;
  const NamedDoubles& given_;
  std::string name_;         // of the layer that is being run,
  std::vector<int> inputs_;  // and the values that it reads
  std::vector<Value> values_;
  std::vector<std::function<void(const Doubles& dy)>> backward_;  // of layer i, whose output is value i + 1
  NamedDoubles gradients_;
  double distance_to_kink_ = INFINITY;
};

}  // namespace margincore::test::reference
