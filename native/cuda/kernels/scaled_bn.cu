// Scaled batch norm of logits, whose statistics per class over the batch are those of batch_norm_stats.cu: what they
// fold into, and the gradient that goes through them. A block takes some neighbouring columns, its threads walk the
// rows. The matrices are read twice, the second time from the caches, where a batch of a block's columns fits: so it
// moves 12 bytes per logit, for it reads dp and p and writes dp.
#include <cmath>

#include "cuda/kernels/columns.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;

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
template <int kEach>
MARGINCORE_KERNEL scaled_bn_backward_kernel(float* dp, const float* p, const int32_t* labels, const float* target_terms,
                                            const float* mean, const float* variance, const float* column_norms,
                                            int64_t rows, int64_t columns, ScaledBn norm, int width) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  const Columns<kEach> mine(device::block(), width, columns);
  constexpr int kAtOnce = kEach == 4 ? 2 : 4;
  float center[kEach] = {}, per_square[kEach] = {}, factor[kEach] = {};
  MARGINCORE_UNROLL
  for (int e = 0; e < kEach; ++e) {
    if (!mine.inside()) break;
    const int64_t j = mine.index + e;
    const float length = column_norms != nullptr ? column_norms[j] : 1;
    const float spread = (variance[j] + norm.epsilon) * length * length;  // of the products
    per_square[e] = spread > 0 ? 1 / spread : spread != spread ? spread : 0;
    center[e] = mean[j] * length;
    factor[e] = norm.scale * sqrtf(per_square[e]);
  }
  float sum[kEach] = {}, along[kEach] = {};
  mine.template walk_rows<kAtOnce>(0, rows, [&](const auto at) {
    float gradients[at.kRows][kEach], values[at.kRows][kEach];
    at.load(gradients, dp);
    at.load(values, p);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kRows; ++k) {
      const int64_t target = labels[at.row(k)] - mine.index;
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) {
        if (target == e) {
          const float* terms = target_terms + 2 * at.row(k);
          sum[e] += terms[0] * factor[e];
          along[e] += terms[0] * terms[1];
        } else {
          sum[e] += gradients[k][e];
          along[e] += gradients[k][e] * (values[k][e] - center[e]);
        }
      }
    }
  });
  const float share = 1 / static_cast<float>(rows);
  mine.sum(sum, shared);
  mine.sum(along, shared);
  MARGINCORE_UNROLL
  for (int e = 0; e < kEach; ++e) {
    sum[e] *= share;
    along[e] *= share * per_square[e];
  }
  mine.template walk_rows<kAtOnce>(0, rows, [&](const auto at) {
    float gradients[at.kRows][kEach], values[at.kRows][kEach];
    at.load(gradients, dp);
    at.load(values, p);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kRows; ++k) {
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) gradients[k][e] -= sum[e] + (values[k][e] - center[e]) * along[e];
    }
    at.store(dp, gradients);
  });
}

MARGINCORE_KERNEL running_average_kernel(float* running, const float* current, int64_t count, float momentum,
                                         float factor, const int32_t* halted) {
  if (*halted != 0) return;
  for (int64_t j = global_thread(); j < count; j += global_threads())
    running[j] = (1 - momentum) * running[j] + momentum * factor * current[j];
}

/// Columns of a block, so few that the second reading finds what all blocks under way have read in the L2 cache: with
/// four on every multiprocessor, 34 MB.
int cached_columns(int64_t rows, int64_t columns) {
  constexpr int64_t kCached = 8192;  // elements of each matrix
  int width = columns_per_block(columns);
  while (width > kNarrowColumns && width * rows > kCached) width /= 2;
  return width;
}

}  // namespace

void scaled_bn_fold(float* class_scale, float* class_shift, const float* mean, const float* variance, int64_t columns,
                    ScaledBn norm, cudaStream_t stream) {
  MARGINCORE_RUN(scaled_bn_fold_kernel, striding_blocks(columns), kBlock, stream, class_scale, class_shift, mean,
                 variance, columns, norm);
}

void scaled_bn_backward(float* dp, const float* p, const int32_t* labels, const float* target_terms, const float* mean,
                        const float* variance, const float* column_norms, int64_t rows, int64_t columns, ScaledBn norm,
                        cudaStream_t stream) {
  const int width = cached_columns(rows, columns);
  MARGINCORE_RUN_COLUMNS(scaled_bn_backward_kernel, all_aligned(columns, dp, p), blocks_for(columns, width), stream, dp,
                         p, labels, target_terms, mean, variance, column_norms, rows, columns, norm, width);
}

void running_average(float* running, const float* current, int64_t count, float momentum, float factor,
                     const int32_t* halted, cudaStream_t stream) {
  MARGINCORE_RUN(running_average_kernel, striding_blocks(count), kBlock, stream, running, current, count, momentum,
                 factor, halted);
}

}  // namespace margincore::cuda
