// The CUDA backend: cuDNN for convolutions, cuBLAS for matmul, our own kernels for everything else. All work is
// queued on one stream, in the order of the calls.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "cuda/convolution.h"
#include "cuda/feed.h"
#include "cuda/matmul.h"
#include "cuda/uploads.h"
#include "cuda/workspace.h"

namespace margincore {

/// What `device` is, or throws DeviceUnavailable with the reason.
BackendInfo describe_device(int32_t index);

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const BackendOptions& options);
  ~CudaBackend();

  const BackendInfo& info() const override { return info_; }
  void destroy() override { delete this; }

  Status allocate(void** memory, size_t bytes) override;
  void release(void* memory) override;
  Status upload(void* device, const void* host, size_t bytes) override;
  Status download(void* host, const void* device, size_t bytes) override;
  Status copy(void* to, const void* from, size_t bytes) override;
  Status zero(void* memory, size_t bytes) override;
  Status synchronize() override;
  Status available_memory(size_t* bytes) override;
  Status allocate_host(void** memory, size_t bytes) override;
  void release_host(void* memory) override;
  Status feed_wait(int32_t slot) override;
  Status feed(int32_t slot, void* device, const void* host, size_t bytes) override;
  Status feed_begin(int32_t slot) override;
  Status feed_end(int32_t slot) override;
  Status record(Program** program, Status (*body)(void* context), void* context) override;
  Status replay(Program* program) override;
  void discard(Program* program) override;

  Status conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) override;
  Status conv2d_backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, int32_t adds) override;
  Status conv2d_backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) override;
  Status linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) override;
  Status linear_backward_data(Tensor dx, Tensor dy, Tensor w) override;
  Status linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) override;
  Status convert(Tensor y, Tensor x) override;
  Status relu_forward(Tensor y, Tensor x) override;
  Status relu_backward(Tensor dx, Tensor dy, Tensor y) override;
  Status add(Tensor y, Tensor a, Tensor b) override;
  Status dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step) override;
  Status dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step) override;
  Status batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) override;
  Status batch_norm_apply(Tensor y, Tensor x, Tensor mean, Tensor variance, Tensor gamma, Tensor beta, Tensor residual,
                          BatchNorm norm) override;
  Status batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x, Tensor y,
                             Tensor mean, Tensor variance, Tensor gamma, Tensor beta, BatchNorm norm) override;
  Status max_pool_forward(Tensor y, Tensor position, Tensor x, Pool2d pool) override;
  Status max_pool_backward(Tensor dx, Tensor dy, Tensor position, Pool2d pool) override;
  Status prelu_forward(Tensor y, Tensor x, Tensor slope) override;
  Status prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope) override;
  Status average_pool_forward(Tensor y, Tensor x, Pool2d pool) override;
  Status average_pool_backward(Tensor dx, Tensor dy, Pool2d pool) override;
  Status global_average_pool_forward(Tensor y, Tensor x) override;
  Status global_average_pool_backward(Tensor dx, Tensor dy) override;
  Status concat_write(Tensor whole, Tensor part, int64_t first) override;
  Status concat_read(Tensor part, Tensor whole, int64_t first) override;
  Status row_norms(Tensor norms, Tensor x) override;
  Status l2_scale_forward(Tensor y, Tensor x, Tensor norms, const float* scale) override;
  Status l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale) override;
  Status remove_radial(Tensor dx, Tensor x, Tensor norms) override;
  Status add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) override;
  Status margin_softmax(MarginSoftmaxOperands operands, MarginSoftmax head) override;
  Status scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                      Tensor column_shift) override;
  Status softmax(Tensor probabilities, Tensor logits) override;
  Status column_sums(Tensor sums, Tensor x) override;
  Status column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms) override;
  Status scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance, ScaledBn norm) override;
  Status scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean, Tensor variance,
                            Tensor column_norms, ScaledBn norm) override;
  Status running_average(Tensor running, Tensor current, float momentum, float factor, const int32_t* halted) override;
  Status center_loss(Tensor dx, StepReport* report, int32_t* halted, Tensor x, Tensor centers, Tensor labels,
                     float weight, const StepBlock* step) override;
  Status center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted) override;
  Status gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) override;
  Status sgd(Tensor parameters, Tensor bf16_twin, Tensor velocity, Tensor gradients, Sgd options, const StepBlock* step,
             const int32_t* halted) override;
  Status adam(Tensor parameters, Tensor bf16_twin, Tensor first_moment, Tensor second_moment, Tensor gradients,
              Adam options, const StepBlock* step, const int32_t* halted) override;
  Status gradient_norm(StepReport* report, int32_t* halted, Tensor gradients, const StepBlock* step) override;

 private:
  float* floats(int64_t count) { return static_cast<float*>(workspace_.take(count * sizeof(float))); }
  void column_sums_of(Tensor sums, Tensor matrix);

  BackendInfo info_;
  CudaStream stream_;
  CudaWorkspace workspace_;
  SmallUploads uploads_;
  CudaFeed feed_;
  CudaConvolutions convolutions_;
  CudaMatmul matmul_;
};

}  // namespace margincore
