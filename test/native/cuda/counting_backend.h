// A backend that passes operations on and notes what they cost: the bytes that have to be moved if each operand is read
// or written once, and those that our kernels do read and write.
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
  Status allocate_host(void** memory, size_t bytes) override { return to_.allocate_host(memory, bytes); }
  void release_host(void* memory) override { to_.release_host(memory); }
  Status feed_wait(int32_t slot) override { return to_.feed_wait(slot); }
  Status feed(int32_t slot, void* to, const void* from, size_t bytes) override {
    return to_.feed(slot, to, from, bytes);
  }
  Status feed_begin(int32_t slot) override { return to_.feed_begin(slot); }
  Status feed_end(int32_t slot) override { return to_.feed_end(slot); }
  Status queues(void** own, void** beside) override { return to_.queues(own, beside); }
  Status fork_queue() override { return to_.fork_queue(); }
  Status join_queue() override { return to_.join_queue(); }
  Status enter() override { return to_.enter(); }
  void watch(Watch watch) override { to_.watch(watch); }
  Status record(Program** program, Status (*body)(void*), void* context) override {
    return to_.record(program, body, context);
  }
  Status replay(Program* program) override { return to_.replay(program); }
  void discard(Program* program) override { to_.discard(program); }

  Status conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) override {
    return count("conv2d_forward", {y, x, w, bias}, [&] { return to_.conv2d_forward(y, x, w, bias, conv); });
  }
  Status conv2d_backward(Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Tensor w, Conv2d conv,
                         int32_t adds) override {
    const char* name = !dx ? "conv2d_backward, filter" : !dw ? "conv2d_backward, data" : "conv2d_backward";
    return count(name,
                 {dx, adds ? dx : Tensor(), dx ? dy : Tensor(), dx ? w : Tensor(), dw, dbias, dw ? dy : Tensor(), x},
                 [&] { return to_.conv2d_backward(dx, dw, dbias, dy, x, w, conv, adds); });
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
  Status convert(Tensor y, Tensor x) override {
    return count("convert", {y, x}, [&] { return to_.convert(y, x); });
  }
  Status scale(Tensor x, float factor) override {
    return count("scale", {x, x}, [&] { return to_.scale(x, factor); });
  }
  Status shift_labels(Tensor own, Tensor labels, int32_t first) override {
    return count("shift_labels", {own, labels}, [&] { return to_.shift_labels(own, labels, first); });
  }
  Status relu_forward(Tensor y, Tensor x) override {
    return count("relu_forward", {y, x}, [&] { return to_.relu_forward(y, x); });
  }
  Status relu_backward(Tensor dx, Tensor dy, Tensor y) override {
    return count("relu_backward", {dx, dy, y}, [&] { return to_.relu_backward(dx, dy, y); });
  }
  Status prelu_forward(Tensor y, Tensor x, Tensor slope) override {
    return count("prelu_forward", {y, x, slope}, [&] { return to_.prelu_forward(y, x, slope); });
  }
  Status prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope) override {
    return count("prelu_backward", {dx, dslope, dy, x, slope},
                 [&] { return to_.prelu_backward(dx, dslope, dy, x, slope); });
  }
  Status dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step) override {
    return count("dropout_forward", {y, x}, [&] { return to_.dropout_forward(y, x, dropout, step); });
  }
  Status dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step) override {
    return count("dropout_backward", {dx, dy}, [&] { return to_.dropout_backward(dx, dy, dropout, step); });
  }
  Status max_pool_forward(Tensor y, Tensor position, Tensor x, Tensor bias, Pool2d pool) override {
    return count("max_pool_forward", {y, position, x, bias},
                 [&] { return to_.max_pool_forward(y, position, x, bias, pool); });
  }
  Status max_pool_backward(Tensor dx, Tensor dbias, Tensor dy, Tensor position, Pool2d pool) override {
    return count("max_pool_backward", {dx, dbias, dy, position},
                 [&] { return to_.max_pool_backward(dx, dbias, dy, position, pool); });
  }
  Status add(Tensor y, Tensor a, Tensor b) override {
    return count("add", {y, a, b}, [&] { return to_.add(y, a, b); });
  }
  Status batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) override {
    return count("batch_norm_stats", {mean, variance, unbiased_variance, x},
                 [&] { return to_.batch_norm_stats(mean, variance, unbiased_variance, x); });
  }
  Status batch_norm_merge(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor parts, int64_t batch,
                          int64_t pixels) override {
    return count("batch_norm_merge", {mean, variance, unbiased_variance, parts},
                 [&] { return to_.batch_norm_merge(mean, variance, unbiased_variance, parts, batch, pixels); });
  }
  Status batch_norm_apply(Tensor y, Tensor mask, Tensor x, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                          Tensor residual, BatchNorm norm) override {
    return count("batch_norm_apply", {y, mask, x, mean, variance, gamma, beta, residual},
                 [&] { return to_.batch_norm_apply(y, mask, x, mean, variance, gamma, beta, residual, norm); });
  }
  Status batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x, Tensor y,
                             Tensor mean, Tensor variance, Tensor gamma, Tensor beta, BatchNorm norm) override {
    // The sums first, then the gradient: dy and x are read twice.
    return count(
        "batch_norm_backward", {dx, dgamma, dbeta, dresidual, dy, dy, x, x, y, mean, variance, gamma, beta}, [&] {
          return to_.batch_norm_backward(dx, dgamma, dbeta, dresidual, dy, x, y, mean, variance, gamma, beta, norm);
        });
  }
  Status average_pool_forward(Tensor y, Tensor x, Pool2d pool) override {
    return count("average_pool_forward", {y, x}, [&] { return to_.average_pool_forward(y, x, pool); });
  }
  Status average_pool_backward(Tensor dx, Tensor dy, Pool2d pool) override {
    return count("average_pool_backward", {dx, dy}, [&] { return to_.average_pool_backward(dx, dy, pool); });
  }
  Status concat_write(Tensor whole, Tensor part, int64_t first) override {
    return count("concat_write", {part, part}, [&] { return to_.concat_write(whole, part, first); });
  }
  Status concat_read(Tensor part, Tensor whole, int64_t first) override {
    return count("concat_read", {part, part}, [&] { return to_.concat_read(part, whole, first); });
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
  Status l2_scale_forward(Tensor y, Tensor norms, Tensor y_norms, Tensor x, const float* scale) override {
    return count("l2_scale_forward", {y, norms, y_norms, x},
                 [&] { return to_.l2_scale_forward(y, norms, y_norms, x, scale); });
  }
  Status scale_rows(Tensor y, Tensor x, Tensor norms, const float* scale) override {
    return count("scale_rows", {y, x, norms}, [&] { return to_.scale_rows(y, x, norms, scale); });
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
  Status gather_rows(Tensor y, Tensor x, Tensor rows) override {
    return count("gather_rows", {y, y, rows}, [&] { return to_.gather_rows(y, x, rows); });
  }
  Status scatter_rows(Tensor y, Tensor x, Tensor rows) override {
    return count("scatter_rows", {x, x, rows}, [&] { return to_.scatter_rows(y, x, rows); });
  }
  Status draw_classes(Tensor drawn, Tensor places, Tensor labels, ClassDraw draw, const StepBlock* step) override {
    return count("draw_classes", {drawn, places, labels},
                 [&] { return to_.draw_classes(drawn, places, labels, draw, step); });
  }
  Status margin_softmax(MarginSoftmaxOperands o, MarginSoftmax head) override {
    // The sums first, then the gradient: logits are read twice. Of features and class weights the targets' rows alone.
    const Tensor rows = o.features;
    return count("margin_softmax",
                 {o.logits, o.logits, o.logits, o.feature_radial, o.class_radial, o.labels, o.feature_norms,
                  o.class_norms, o.mixed_labels, o.mixed_share, rows, rows},
                 [&] { return to_.margin_softmax(o, head); });
  }
  Status margin_softmax_sums(RowParts parts, MarginSoftmaxOperands o, MarginSoftmax head) override {
    return count("margin_softmax_sums",
                 {o.logits, parts.own_largest, parts.largest, parts.sums, o.labels, o.feature_norms, o.class_norms,
                  o.features, o.features},
                 [&] { return to_.margin_softmax_sums(parts, o, head); });
  }
  Status margin_softmax_rebase(RowParts parts) override {
    return count("margin_softmax_rebase", {parts.own_largest, parts.largest, parts.largest, parts.largest},
                 [&] { return to_.margin_softmax_rebase(parts); });
  }
  Status margin_softmax_gradients(StepTotals* totals, RowParts parts, MarginSoftmaxOperands o, MarginSoftmax head,
                                  AllClasses all) override {
    return count("margin_softmax_gradients",
                 {o.logits, o.logits, o.feature_radial, o.class_radial, parts.largest, parts.sums, o.labels,
                  o.feature_norms, o.class_norms, o.features, o.features},
                 [&] { return to_.margin_softmax_gradients(totals, parts, o, head, all); });
  }
  Status finish_report(StepReport* report, int32_t* halted, const StepTotals* totals, const StepBlock* step) override {
    return count("finish_report", {}, [&] { return to_.finish_report(report, halted, totals, step); });
  }
  Status scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                      Tensor column_shift) override {
    return count("scale_logits", {z, z, row_norms, column_norms, column_scale, column_shift},
                 [&] { return to_.scale_logits(z, row_norms, column_norms, column_scale, column_shift); });
  }
  Status softmax(Tensor probabilities, Tensor logits) override {
    return count("softmax", {probabilities, logits}, [&] { return to_.softmax(probabilities, logits); });
  }
  Status column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms) override {
    return count("column_stats", {mean, variance, p, column_norms},
                 [&] { return to_.column_stats(mean, variance, p, column_norms); });
  }
  Status scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance, ScaledBn norm) override {
    return count("scaled_bn_fold", {class_scale, class_shift, mean, variance},
                 [&] { return to_.scaled_bn_fold(class_scale, class_shift, mean, variance, norm); });
  }
  Status scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean, Tensor variance,
                            Tensor column_norms, ScaledBn norm) override {
    return count("scaled_bn_backward", {dp, dp, p, labels, target_terms, mean, variance, column_norms}, [&] {
      return to_.scaled_bn_backward(dp, p, labels, target_terms, mean, variance, column_norms, norm);
    });
  }
  Status center_loss(Tensor dx, StepTotals* totals, StepReport* report, int32_t* halted, Tensor x, Tensor centers,
                     Tensor labels, float weight, const StepBlock* step) override {
    // Of the centres the samples' own alone.
    return count("center_loss", {dx, x, x, labels},
                 [&] { return to_.center_loss(dx, totals, report, halted, x, centers, labels, weight, step); });
  }
  Status center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted) override {
    return count("center_update", {x, x, x, labels},
                 [&] { return to_.center_update(centers, x, labels, rate, halted); });
  }
  Status gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) override {
    const Tensor chosen(gather.images.data, DType::U8, batch.shape);
    return count("gather_images", {batch, batch_labels, batch_labels, gather.mixed_labels, gather.mixed_share, chosen},
                 [&] { return to_.gather_images(batch, batch_labels, gather, step); });
  }
  Status sgd(UpdateOperands o, Sgd options) override {
    return count(
        "sgd",
        {o.parameters, o.parameters, o.bf16_twin, o.first_moment, o.first_moment, o.gradients.bf16, o.gradients.f32},
        [&] { return to_.sgd(o, options); });
  }
  Status adam(UpdateOperands o, Adam options) override {
    return count("adam",
                 {o.parameters, o.parameters, o.bf16_twin, o.first_moment, o.first_moment, o.second_moment,
                  o.second_moment, o.gradients.bf16, o.gradients.f32},
                 [&] { return to_.adam(o, options); });
  }
  Status gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Gradients gradients,
                       const StepTotals* totals, double largest, const StepBlock* step) override {
    return count("gradient_norm", {gradients.bf16, gradients.f32},
                 [&] { return to_.gradient_norm(report, halted, clip_factor, gradients, totals, largest, step); });
  }
  Status gradient_squares(StepTotals* totals, Gradients gradients) override {
    return count("gradient_squares", {gradients.bf16, gradients.f32},
                 [&] { return to_.gradient_squares(totals, gradients); });
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
