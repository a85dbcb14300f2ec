// A backend that passes operations on and adds up what they are given: the bytes that have to be moved if each operand
// is read or written once, and those that our kernels move. For the operations of the seed CNN with ArcFace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace margincore::test {

struct OperationBytes {
  std::string operation;
  int64_t least = 0, moved = 0;
};

class CountingBackend final : public Backend {
 public:
  explicit CountingBackend(Backend& backend) : to_(backend) {}

  /// Of the operations since the last call, in their order.
  std::vector<OperationBytes> take() { return std::move(operations_); }

  const BackendInfo& info() const override { return to_.info(); }
  void destroy() override {}
  Status allocate(void** memory, size_t bytes) override { return to_.allocate(memory, bytes); }
  void release(void* memory) override { to_.release(memory); }
  Status upload(void* to, const void* from, size_t bytes) override { return to_.upload(to, from, bytes); }
  Status download(void* to, const void* from, size_t bytes) override { return to_.download(to, from, bytes); }
  Status copy(void* to, const void* from, size_t bytes) override { return to_.copy(to, from, bytes); }
  Status zero(void* memory, size_t bytes) override { return to_.zero(memory, bytes); }
  Status synchronize() override { return to_.synchronize(); }
  Status available_memory(size_t* bytes) override { return to_.available_memory(bytes); }
  Status record(Program** program, Status (*body)(void*), void* context) override {
    return to_.record(program, body, context);
  }
  Status replay(Program* program) override { return to_.replay(program); }
  void discard(Program* program) override { to_.discard(program); }

  Status conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) override {
    count("conv2d_forward", {y, x, w, bias}, bias ? 2 * y.bytes() : 0);  // the bias is added in a pass of its own
    return to_.conv2d_forward(y, x, w, bias, conv);
  }
  Status conv2d_backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv) override {
    count("conv2d_backward_data", {dx, dy, w});
    return to_.conv2d_backward_data(dx, dy, w, conv);
  }
  Status conv2d_backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) override {
    count("conv2d_backward_filter", {dw, dbias, dy, x}, dbias ? dy.bytes() : 0);
    return to_.conv2d_backward_filter(dw, dbias, dy, x, conv);
  }
  Status linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) override {
    count("linear_forward", {y, x, w, bias}, bias ? 2 * y.bytes() : 0);
    return to_.linear_forward(y, x, w, bias);
  }
  Status linear_backward_data(Tensor dx, Tensor dy, Tensor w) override {
    count("linear_backward_data", {dx, dy, w});
    return to_.linear_backward_data(dx, dy, w);
  }
  Status linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) override {
    count("linear_backward_weight", {dw, dbias, dy, x}, dbias ? dy.bytes() : 0);
    return to_.linear_backward_weight(dw, dbias, dy, x);
  }
  Status max_pool_forward(Tensor y, Tensor position, Tensor x, Pool2d pool) override {
    count("max_pool_forward", {y, position, x});
    return to_.max_pool_forward(y, position, x, pool);
  }
  Status max_pool_backward(Tensor dx, Tensor dy, Tensor position, Pool2d pool) override {
    count("max_pool_backward", {dx, dy, position});
    return to_.max_pool_backward(dx, dy, position, pool);
  }
  Status row_norms(Tensor norms, Tensor x) override {
    count("row_norms", {norms, x});
    return to_.row_norms(norms, x);
  }
  Status l2_scale_forward(Tensor y, Tensor x, Tensor norms, const float* scale) override {
    count("l2_scale_forward", {y, x, norms});
    return to_.l2_scale_forward(y, x, norms, scale);
  }
  Status l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale) override {
    count("l2_scale_backward", {dx, dscale, dy, x, norms});
    return to_.l2_scale_backward(dx, dscale, dy, x, norms, scale);
  }
  Status remove_radial(Tensor dx, Tensor x, Tensor norms) override {
    count("remove_radial", {dx, dx, x, norms});
    return to_.remove_radial(dx, x, norms);
  }
  Status add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) override {
    count("add_scaled_rows", {y, y, x, coefficients});
    return to_.add_scaled_rows(y, x, coefficients);
  }
  Status margin_softmax(MarginSoftmaxOperands o, MarginSoftmax head) override {
    // The sums first, then the gradient: logits are read twice. Of features and class weights the targets' rows alone.
    const int64_t targets = 2 * o.features.bytes();
    count("margin_softmax",
          {o.logits, o.logits, o.feature_radial, o.class_radial, o.labels, o.feature_norms, o.class_norms},
          targets + o.logits.bytes());
    operations_.back().least += targets;
    return to_.margin_softmax(o, head);
  }
  Status gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) override {
    count("gather_images", {batch, batch_labels, batch_labels}, batch.count());
    operations_.back().least += batch.count();  // bytes of the images that were chosen
    return to_.gather_images(batch, batch_labels, gather, step);
  }
  Status adam(Tensor parameters, Tensor copy, Tensor first, Tensor second, Tensor gradients, Adam options,
              const StepBlock* step, const int32_t* halted) override {
    count("adam", {parameters, parameters, copy, first, first, second, second, gradients});
    return to_.adam(parameters, copy, first, second, gradients, options, step, halted);
  }
  Status gradient_norm(StepReport* report, int32_t* halted, Tensor gradients, const StepBlock* step) override {
    count("gradient_norm", {gradients});
    return to_.gradient_norm(report, halted, gradients, step);
  }

 private:
  void count(const char* operation, std::initializer_list<Tensor> operands, int64_t beside = 0) {
    int64_t bytes = 0;
    for (const Tensor& operand : operands)
      if (operand) bytes += operand.bytes();
    operations_.push_back({operation, bytes, bytes + beside});
  }

  Backend& to_;
  std::vector<OperationBytes> operations_;
};

}  // namespace margincore::test
