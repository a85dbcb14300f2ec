// A backend that passes operations on and notes what they cost: the bytes that have to be moved if each operand is read
// or written once, and those that our kernels do read and write. For the operations of the seed CNN and of ResNets with
// ArcFace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cuda/traffic.h"

namespace margincore::test {

struct OperationBytes {
  std::string operation;
  int64_t least = 0, by_kernels = 0;
};

class CountingBackend final : public Backend {
 public:
  explicit CountingBackend(Backend& backend) : to_(backend) {}

  /// Of the operations until then, in their order; from now on it only passes on.
  std::vector<OperationBytes> end() {
    is_counting_ = false;
    return std::move(operations_);
  }

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
    return count("conv2d_forward", {y, x, w, bias}, [&] { return to_.conv2d_forward(y, x, w, bias, conv); });
  }
  Status conv2d_backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, int32_t adds) override {
    return count("conv2d_backward_data", {dx, adds ? dx : Tensor(), dy, w},
                 [&] { return to_.conv2d_backward_data(dx, dy, w, conv, adds); });
  }
  Status conv2d_backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) override {
    return count("conv2d_backward_filter", {dw, dbias, dy, x},
                 [&] { return to_.conv2d_backward_filter(dw, dbias, dy, x, conv); });
  }
  Status linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) override {
    return count("linear_forward", {y, x, w, bias}, [&] { return to_.linear_forward(y, x, w, bias); });
  }
  Status linear_backward_data(Tensor dx, Tensor dy, Tensor w) override {
    return count("linear_backward_data", {dx, dy, w}, [&] { return to_.linear_backward_data(dx, dy, w); });
  }
  Status linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) override {
    return count("linear_backward_weight", {dw, dbias, dy, x},
                 [&] { return to_.linear_backward_weight(dw, dbias, dy, x); });
  }
  Status max_pool_forward(Tensor y, Tensor position, Tensor x, Pool2d pool) override {
    return count("max_pool_forward", {y, position, x}, [&] { return to_.max_pool_forward(y, position, x, pool); });
  }
  Status max_pool_backward(Tensor dx, Tensor dy, Tensor position, Pool2d pool) override {
    return count("max_pool_backward", {dx, dy, position},
                 [&] { return to_.max_pool_backward(dx, dy, position, pool); });
  }
  Status add(Tensor y, Tensor a, Tensor b) override {
    return count("add", {y, a, b}, [&] { return to_.add(y, a, b); });
  }
  Status batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) override {
    return count("batch_norm_stats", {mean, variance, unbiased_variance, x},
                 [&] { return to_.batch_norm_stats(mean, variance, unbiased_variance, x); });
  }
  Status batch_norm_apply(Tensor y, Tensor x, Tensor mean, Tensor variance, Tensor gamma, Tensor beta, Tensor residual,
                          BatchNorm norm) override {
    return count("batch_norm_apply", {y, x, mean, variance, gamma, beta, residual},
                 [&] { return to_.batch_norm_apply(y, x, mean, variance, gamma, beta, residual, norm); });
  }
  Status batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x, Tensor y,
                             Tensor mean, Tensor variance, Tensor gamma, Tensor beta, BatchNorm norm) override {
    // The sums first, then the gradient: dy and x are read twice.
    return count(
        "batch_norm_backward", {dx, dgamma, dbeta, dresidual, dy, dy, x, x, y, mean, variance, gamma, beta}, [&] {
          return to_.batch_norm_backward(dx, dgamma, dbeta, dresidual, dy, x, y, mean, variance, gamma, beta, norm);
        });
  }
  Status global_average_pool_forward(Tensor y, Tensor x) override {
    return count("global_average_pool_forward", {y, x}, [&] { return to_.global_average_pool_forward(y, x); });
  }
  Status global_average_pool_backward(Tensor dx, Tensor dy) override {
    return count("global_average_pool_backward", {dx, dy}, [&] { return to_.global_average_pool_backward(dx, dy); });
  }
  Status running_average(Tensor running, Tensor current, float momentum, float factor, const int32_t* halted) override {
    return count("running_average", {running, running, current},
                 [&] { return to_.running_average(running, current, momentum, factor, halted); });
  }
  Status row_norms(Tensor norms, Tensor x) override {
    return count("row_norms", {norms, x}, [&] { return to_.row_norms(norms, x); });
  }
  Status l2_scale_forward(Tensor y, Tensor x, Tensor norms, const float* scale) override {
    return count("l2_scale_forward", {y, x, norms}, [&] { return to_.l2_scale_forward(y, x, norms, scale); });
  }
  Status l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale) override {
    return count("l2_scale_backward", {dx, dscale, dy, x, norms},
                 [&] { return to_.l2_scale_backward(dx, dscale, dy, x, norms, scale); });
  }
  Status remove_radial(Tensor dx, Tensor x, Tensor norms) override {
    return count("remove_radial", {dx, dx, x, norms}, [&] { return to_.remove_radial(dx, x, norms); });
  }
  Status add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) override {
    return count("add_scaled_rows", {y, y, x, coefficients}, [&] { return to_.add_scaled_rows(y, x, coefficients); });
  }
  Status margin_softmax(MarginSoftmaxOperands o, MarginSoftmax head) override {
    // The sums first, then the gradient: logits are read twice. Of features and class weights the targets' rows alone.
    const Tensor rows = o.features;
    return count("margin_softmax",
                 {o.logits, o.logits, o.logits, o.feature_radial, o.class_radial, o.labels, o.feature_norms,
                  o.class_norms, rows, rows},
                 [&] { return to_.margin_softmax(o, head); });
  }
  Status gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) override {
    const Tensor chosen(gather.images.data, DType::U8, batch.shape);
    return count("gather_images", {batch, batch_labels, batch_labels, chosen},
                 [&] { return to_.gather_images(batch, batch_labels, gather, step); });
  }
  Status adam(Tensor parameters, Tensor bf16_twin, Tensor first, Tensor second, Tensor gradients, Adam options,
              const StepBlock* step, const int32_t* halted) override {
    return count("adam", {parameters, parameters, bf16_twin, first, first, second, second, gradients},
                 [&] { return to_.adam(parameters, bf16_twin, first, second, gradients, options, step, halted); });
  }
  Status gradient_norm(StepReport* report, int32_t* halted, Tensor gradients, const StepBlock* step) override {
    return count("gradient_norm", {gradients}, [&] { return to_.gradient_norm(report, halted, gradients, step); });
  }

 private:
  template <class Work>
  Status count(const char* operation, std::initializer_list<Tensor> operands, const Work& work) {
    const int64_t before = kernel_traffic();
    const Status status = work();
    if (!is_counting_) return status;
    check(to_.synchronize());  // the simulated device works now
    int64_t bytes = 0;
    for (const Tensor& operand : operands)
      if (operand) bytes += operand.bytes();
    operations_.push_back({operation, bytes, kernel_traffic() - before});
    return status;
  }

  Backend& to_;
  bool is_counting_ = true;
  std::vector<OperationBytes> operations_;
};

}  // namespace margincore::test
