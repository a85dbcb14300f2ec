// Our own kernels, as the functions that launch them: outputs first, then inputs, then sizes, then options; the stream
// last. Activations are tensors, fp32 or bf16; pointers are device memory. Each file beside this one has one concern.
#pragma once

#include <cuda_runtime_api.h>

#include "backend/backend.h"
#include "base/bfloat16.h"

namespace margincore::cuda {

/// Of sums that are made in parts, which the last block joins (last_block.h): workspace for the parts, and kCounters
/// counters, 0 between kernels. They are one stream's: kernels side by side would count each other's blocks.
struct Parts {
  float* values;
  unsigned* counters;
};
inline constexpr int64_t kCounters = 1056;

struct PoolSizes {
  int64_t batch;
  int height, width, channels, out_height, out_width;
};

// probe.cu
/// cudaSuccess where this build has code for the device in use.
cudaError_t probe_kernels();

// elementwise.cu
void relu_forward(Tensor y, Tensor x, cudaStream_t stream);
void relu_backward(Tensor dx, Tensor dy, Tensor y, cudaStream_t stream);
void add(Tensor y, Tensor a, Tensor b, cudaStream_t stream);
void scale(Tensor x, float factor, cudaStream_t stream);
void shift_labels(Tensor own, Tensor labels, int32_t first, cudaStream_t stream);
void add_bias(Tensor y, const float* bias, int64_t rows, int64_t columns, cudaStream_t stream);
void dropout(Tensor y, Tensor x, Dropout dropout, const StepBlock* step, cudaStream_t stream);
void convert(Tensor y, Tensor x, cudaStream_t stream);

// batch_norm_stats.cu, batch_norm.cu
/// (channels) each.
struct BatchNormParameters {
  const float *mean, *variance, *gamma, *beta;
  BatchNorm norm;
};
/// Values of `parts`.
int64_t batch_norm_partials(const Tensor& x, int64_t channels);
void batch_norm_stats(float* mean, float* variance, float* unbiased_variance, Parts parts, Tensor x, int64_t channels,
                      cudaStream_t stream);
/// parts: (ranks, 2, channels).
void batch_norm_merge(float* mean, float* variance, float* unbiased_variance, const float* parts, int32_t ranks,
                      int64_t channels, int64_t batch, int64_t pixels, cudaStream_t stream);
void column_stats(float* mean, float* variance, const float* p, const float* column_norms, int64_t rows,
                  int64_t columns, cudaStream_t stream);
/// mask: or null, and null where channels are no multiple of kMaskedChannels.
void batch_norm_apply(Tensor y, uint8_t* mask, Tensor x, Tensor residual, int64_t channels,
                      const BatchNormParameters& parameters, cudaStream_t stream);
/// y: its mask where it is of uint8. dx: or none; the rest as the operation has it.
void batch_norm_backward(Tensor dx, float* dgamma, float* dbeta, Tensor dresidual, Parts parts, Tensor dy, Tensor x,
                         Tensor y, int64_t channels, const BatchNormParameters& parameters, cudaStream_t stream);

// pooling.cu
/// bias: (channels) or null.
void max_pool_forward(Tensor y, uint8_t* position, Tensor x, const float* bias, PoolSizes sizes, Pool2d pool,
                      cudaStream_t stream);
void max_pool_backward(Tensor dx, Tensor dy, const uint8_t* position, PoolSizes sizes, Pool2d pool,
                       cudaStream_t stream);

// prelu.cu
/// slope: (channels) or (1).
void prelu_forward(Tensor y, Tensor x, Tensor slope, cudaStream_t stream);
/// Values of `parts`.
int64_t prelu_partials(const Tensor& x);
void prelu_backward(Tensor dx, Tensor dslope, Parts parts, Tensor dy, Tensor x, Tensor slope, cudaStream_t stream);

// average_pooling.cu
void average_pool_forward(Tensor y, Tensor x, PoolSizes sizes, Pool2d pool, cudaStream_t stream);
void average_pool_backward(Tensor dx, Tensor dy, PoolSizes sizes, Pool2d pool, cudaStream_t stream);
void global_average_forward(Tensor y, Tensor x, cudaStream_t stream);
void global_average_backward(Tensor dx, Tensor dy, cudaStream_t stream);

// padding.cu
/// to: as many rows with 16 bytes of channels, those that `from` lacks 0.
void pad_channels(Tensor to, Tensor from, cudaStream_t stream);

// concat.cu
void concat_write(Tensor whole, Tensor part, int64_t first, cudaStream_t stream);
void concat_read(Tensor part, Tensor whole, int64_t first, cudaStream_t stream);

// rows.cu
void row_norms(float* norms, const float* x, int64_t rows, int64_t columns, cudaStream_t stream);
/// y_norms: (rows) or null.
void l2_scale_forward(float* y, float* norms, float* y_norms, const float* x, const float* scale, int64_t rows,
                      int64_t columns, cudaStream_t stream);
void scale_rows(float* y, const float* x, const float* norms, const float* scale, int64_t rows, int64_t columns,
                cudaStream_t stream);
/// row_dscale (rows) or null: each row's share of the scale's gradient.
void l2_scale_backward(float* dx, float* row_dscale, const float* dy, const float* x, const float* norms,
                       const float* scale, int64_t rows, int64_t columns, cudaStream_t stream);
void remove_radial(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns, cudaStream_t stream);
void add_scaled_rows(float* y, const float* x, const float* coefficients, int64_t rows, int64_t columns,
                     cudaStream_t stream);

void gather_rows(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns, cudaStream_t stream);
void scatter_rows(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns, cudaStream_t stream);

// class_draw.cu
void draw_classes(int32_t* drawn, int32_t* places, const int32_t* labels, int64_t rows, const ClassDraw& draw,
                  const StepBlock* step, cudaStream_t stream);

// sums.cu
/// Values of `parts`.
int64_t sum_partials(int64_t rows, int64_t columns);
/// position: of max_pool_forward, whose ReLU leaves elements out, or null.
void column_sums(float* sums, Parts parts, Tensor x, const uint8_t* position, int64_t rows, int64_t columns,
                 cudaStream_t stream);
void sum(float* total, const float* values, int64_t count, cudaStream_t stream);
/// parts: kNormPartials.
inline constexpr int kNormPartials = 1024;
/// totals: or null.
void gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Parts parts, const Gradients& gradients,
                   const StepTotals* totals, double largest, const StepBlock* step, cudaStream_t stream);
void gradient_squares(StepTotals* totals, Parts parts, const Gradients& gradients, cudaStream_t stream);

// logits.cu
void scale_logits(float* z, const float* row_norms, const float* column_norms, const float* column_scale,
                  const float* column_shift, int64_t rows, int64_t columns, cudaStream_t stream);
void softmax(float* probabilities, const float* logits, int64_t rows, int64_t columns, cudaStream_t stream);

// margin_softmax/
/// Bytes of workspace.
size_t margin_softmax_workspace(const MarginSoftmaxOperands& operands, const MarginSoftmax& head);
void margin_softmax(const MarginSoftmaxOperands& operands, const MarginSoftmax& head, void* workspace,
                    cudaStream_t stream);
/// Bytes of workspace of each of the next two; nothing of it is kept from one to the other.
size_t sharded_softmax_workspace(const MarginSoftmaxOperands& operands, const MarginSoftmax& head);
void margin_softmax_sums(const RowParts& parts, const MarginSoftmaxOperands& operands, const MarginSoftmax& head,
                         void* workspace, cudaStream_t stream);
void margin_softmax_gradients(StepTotals* totals, const RowParts& parts, const MarginSoftmaxOperands& operands,
                              const MarginSoftmax& head, AllClasses all, void* workspace, cudaStream_t stream);
void margin_softmax_rebase(const RowParts& parts, cudaStream_t stream);
void finish_report(StepReport* report, int32_t* halted, const StepTotals* totals, const StepBlock* step,
                   cudaStream_t stream);

// scaled_bn.cu
void scaled_bn_fold(float* class_scale, float* class_shift, const float* mean, const float* variance, int64_t columns,
                    ScaledBn norm, cudaStream_t stream);
void scaled_bn_backward(float* dp, const float* p, const int32_t* labels, const float* target_terms, const float* mean,
                        const float* variance, const float* column_norms, int64_t rows, int64_t columns, ScaledBn norm,
                        cudaStream_t stream);
void running_average(float* running, const float* current, int64_t count, float momentum, float factor,
                     const int32_t* halted, cudaStream_t stream);

// centers.cu
/// totals: or null. row_squares: (rows) floats of workspace.
void center_loss(float* dx, StepTotals* totals, StepReport* report, int32_t* halted, float* row_squares, const float* x,
                 const float* centers, int64_t classes, const int32_t* labels, int64_t rows, int64_t columns,
                 float weight, const StepBlock* step, cudaStream_t stream);
void center_update(float* centers, int64_t classes, const float* x, const int32_t* labels, int64_t rows,
                   int64_t columns, float rate, const int32_t* halted, cudaStream_t stream);

// gather.cu
void gather_images(Tensor batch, int32_t* batch_labels, const GatherImages& gather, const StepBlock* step,
                   cudaStream_t stream);

// gather_changed.cu
/// With an augmentation that is on.
void gather_changed(Tensor batch, int32_t* batch_labels, const GatherImages& gather, const StepBlock* step,
                    cudaStream_t stream);

// gather_mixed.cu
/// With an augmentation that mixes images.
void gather_mixed(Tensor batch, int32_t* batch_labels, const GatherImages& gather, const StepBlock* step,
                  cudaStream_t stream);

// update.cu
void sgd(const UpdateOperands& operands, Sgd options, cudaStream_t stream);
void adam(const UpdateOperands& operands, Adam options, cudaStream_t stream);

}  // namespace margincore::cuda
