// Scaled batch norm of logits: statistics per class over the batch, and the gradient that goes through them. A block
// takes 32 neighbouring columns with eight threads each, which walk the rows: neighbours read neighbouring addresses, and
// every sum has a fixed order. Statistics read the logits twice (the second time mostly from the cache), the backward
// pass reads dp and p twice and writes dp once.
#include <cmath>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "heads/norm.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;
using device::thread;

constexpr int kColumns = 32, kRowThreads = kBlock / kColumns;

/// The threads of a block that share a column.
struct Column {
  float* shared;  // kBlock floats
  int64_t index;
  int first_row;

  MARGINCORE_DEVICE static Column mine(float* shared) {
    return {shared, device::block() * kColumns + thread() % kColumns, thread() / kColumns};
  }

  /// Sum over the column's threads, the same in each; every thread of the block takes part.
  MARGINCORE_DEVICE float sum(float value) const {
    device::sync_block();
    shared[thread()] = value;
    device::sync_block();
    float total = 0;
    for (int k = 0; k < kRowThreads; ++k) total += shared[thread() % kColumns + k * kColumns];
    return total;
  }
};

/// Two passes, so that a variance small beside the mean keeps its digits.
MARGINCORE_KERNEL column_stats_kernel(float* mean, float* variance, const float* p, const float* column_norms,
                                      int64_t rows, int64_t columns) {
  MARGINCORE_SHARED(float, shared, kBlock);
  const Column column = Column::mine(shared);
  const int64_t j = column.index;
  const bool inside = j < columns;
  const float share = 1 / static_cast<float>(rows);
  float sum = 0, squares = 0;
  if (inside)
    for (int64_t i = column.first_row; i < rows; i += kRowThreads) sum += p[i * columns + j];
  const float center = column.sum(sum) * share;
  if (inside)
    for (int64_t i = column.first_row; i < rows; i += kRowThreads)
      squares += (p[i * columns + j] - center) * (p[i * columns + j] - center);
  squares = column.sum(squares);
  if (!inside || column.first_row != 0) return;
  const float unit = column_norms != nullptr ? inverse_norm(column_norms[j]) : 1;
  mean[j] = center * unit;
  variance[j] = squares * share * unit * unit;
}

MARGINCORE_KERNEL scaled_bn_fold_kernel(float* class_scale, float* class_shift, const float* mean,
                                        const float* variance, int64_t columns, ScaledBn norm) {
  for (int64_t j = global_thread(); j < columns; j += global_threads()) {
    const float scale = norm.scale / sqrtf(variance[j] + norm.epsilon);
    class_scale[j] = scale;
    class_shift[j] = -scale * mean[j];
  }
}

/// With g = d loss / d z^ and z^ with margin, as it entered the softmax, a logit's gradient gains
///   -a/N * (sum_k g_k) - 1/N * (z - mean)/(variance + epsilon) * (sum_k g_k z^_k),   a = scale/sqrt(variance + epsilon);
/// here for products p = z * column_norm, whose dp holds g * a / column_norm already (for targets, times the margin's
/// derivative: theirs are taken from target_terms).
MARGINCORE_KERNEL scaled_bn_backward_kernel(float* dp, const float* p, const int32_t* labels,
                                            const float* target_terms, const float* mean, const float* variance,
                                            const float* column_norms, int64_t rows, int64_t columns, ScaledBn norm) {
  MARGINCORE_SHARED(float, shared, kBlock);
  const Column column = Column::mine(shared);
  const int64_t j = column.index;
  const bool inside = j < columns;
  const float length = inside && column_norms != nullptr ? column_norms[j] : 1;
  const float spread = inside ? (variance[j] + norm.epsilon) * length * length : 1;  // of the products
  const float per_square = spread > 0 ? 1 / spread : spread != spread ? spread : 0;
  const float center = inside ? mean[j] * length : 0, factor = norm.scale * sqrtf(per_square);
  float sum = 0, along = 0;
  if (inside)
    for (int64_t i = column.first_row; i < rows; i += kRowThreads) {
      const bool target = labels[i] == j;
      const float gradient = dp[i * columns + j];
      sum += target ? target_terms[2 * i] * factor : gradient;
      along += target ? target_terms[2 * i] * target_terms[2 * i + 1] : gradient * (p[i * columns + j] - center);
    }
  const float share = 1 / static_cast<float>(rows);
  sum = column.sum(sum) * share;
  along = column.sum(along) * share * per_square;
  if (inside)
    for (int64_t i = column.first_row; i < rows; i += kRowThreads)
      dp[i * columns + j] -= sum + (p[i * columns + j] - center) * along;
}

MARGINCORE_KERNEL running_average_kernel(float* running, const float* current, int64_t count, float momentum,
                                         float factor, const int32_t* halted) {
  if (*halted != 0) return;
  for (int64_t j = global_thread(); j < count; j += global_threads())
    running[j] = (1 - momentum) * running[j] + momentum * factor * current[j];
}

}  // namespace

void column_stats(float* mean, float* variance, const float* p, const float* column_norms, int64_t rows,
                  int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN(column_stats_kernel, blocks_for(columns, kColumns), kBlock, stream, mean, variance, p, column_norms,
                 rows, columns);
}

void scaled_bn_fold(float* class_scale, float* class_shift, const float* mean, const float* variance, int64_t columns,
                    ScaledBn norm, cudaStream_t stream) {
  MARGINCORE_RUN(scaled_bn_fold_kernel, striding_blocks(columns), kBlock, stream, class_scale, class_shift, mean,
                 variance, columns, norm);
}

void scaled_bn_backward(float* dp, const float* p, const int32_t* labels, const float* target_terms, const float* mean,
                        const float* variance, const float* column_norms, int64_t rows, int64_t columns, ScaledBn norm,
                        cudaStream_t stream) {
  MARGINCORE_RUN(scaled_bn_backward_kernel, blocks_for(columns, kColumns), kBlock, stream, dp, p, labels, target_terms,
                 mean, variance, column_norms, rows, columns, norm);
}

void running_average(float* running, const float* current, int64_t count, float momentum, float factor,
                     const int32_t* halted, cudaStream_t stream) {
  MARGINCORE_RUN(running_average_kernel, striding_blocks(count), kBlock, stream, running, current, count, momentum,
                 factor, halted);
}

}  // namespace margincore::cuda
