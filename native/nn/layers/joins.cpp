// Layers of several inputs: their sum, and their channels side by side.
#include "nn/layers/common.h"

namespace margincore {

namespace {

class AddLayer final : public Layer {
 public:
  explicit AddLayer(const LayerSite& site) : Layer(site.name, site.input()) {
    if (!(site.inputs[0] == site.inputs[1]))
      refuse(ErrorCode::ShapeMismatch, name_, "adds " + to_string(site.inputs[1]) + " to " + to_string(site.inputs[0]));
  }

  bool backward_in_place() const override { return true; }

  void forward(const LayerCall& call) const override {
    check(call.backend.add(call.y, call.inputs[0], call.inputs[1]));
  }
  void backward(const LayerCall& call) const override {
    for (const Tensor& dx : call.dinputs)
      if (dx && dx.data != call.dy.data) check(call.backend.copy(dx.data, call.dy.data, dx.bytes()));
  }
};

class ConcatLayer final : public Layer {
 public:
  explicit ConcatLayer(const LayerSite& site) : Layer(site.name, site.input()) {
    int64_t channels = 0;
    for (const Shape& input : site.inputs) {
      const bool fits = input.rank == output_.rank &&
                        (input.rank == 1 || (input[0] == site.input()[0] && input[1] == site.input()[1]));
      if (!fits)
        refuse(ErrorCode::ShapeMismatch, name_, "joins " + to_string(input) + " to " + to_string(site.input()));
      first_channels_.push_back(channels);
      channels += input[input.rank - 1];
    }
    output_.dims[output_.rank - 1] = channels;
  }

  void forward(const LayerCall& call) const override {
    for (size_t i = 0; i < call.inputs.size(); ++i)
      check(call.backend.concat_write(call.y, call.inputs[i], first_channels_[i]));
  }
  void backward(const LayerCall& call) const override {
    for (size_t i = 0; i < call.dinputs.size(); ++i)
      if (call.dinputs[i]) check(call.backend.concat_read(call.dinputs[i], call.dy, first_channels_[i]));
  }

 private:
  std::vector<int64_t> first_channels_;
};

}  // namespace

MadeLayer make(const AddSpec&, const LayerSite& site) { return std::make_unique<AddLayer>(site); }
MadeLayer make(const ConcatSpec&, const LayerSite& site) { return std::make_unique<ConcatLayer>(site); }

}  // namespace margincore
