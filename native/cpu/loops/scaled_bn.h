// Scaled batch norm of logits: statistics per class over the batch, and the gradient that goes through them.
// Each thread owns blocks of columns and walks the rows in order: the same bits for any number of threads.
#pragma once

#include "cpu/loops/parallel.h"
#include "cpu/loops/rows.h"

namespace margincore::MARGINCORE_ISA {

/// body(first column, width) over blocks of at most kColumnBlock columns.
inline constexpr int64_t kColumnBlock = 256;

template <class Body>
[[gnu::always_inline]] inline void parallel_columns(int64_t rows, int64_t columns, const Body& body) {
  parallel_rows((columns + kColumnBlock - 1) / kColumnBlock, rows * kColumnBlock, [&](int64_t block) {
    const int64_t begin = block * kColumnBlock;
    body(begin, columns - begin < kColumnBlock ? columns - begin : kColumnBlock);
  });
}

/// Two passes, so that a variance small beside the mean keeps its digits; a block of columns is in the cache by then.
static void column_stats(float* mean, float* variance, const float* p, const float* column_norms, int64_t rows,
                         int64_t columns) {
  const float share = 1 / static_cast<float>(rows);
  parallel_columns(rows, columns, [&](int64_t begin, int64_t width) {
    float sum[kColumnBlock] = {}, squares[kColumnBlock] = {};
    for (int64_t i = 0; i < rows; ++i) {
      const float* row = p + i * columns + begin;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) sum[j] += row[j];
    }
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) sum[j] *= share;
    for (int64_t i = 0; i < rows; ++i) {
      const float* row = p + i * columns + begin;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) squares[j] += (row[j] - sum[j]) * (row[j] - sum[j]);
    }
    for (int64_t j = 0; j < width; ++j) {
      const float unit = column_norms != nullptr ? inverse_norm(column_norms[begin + j]) : 1;
      mean[begin + j] = sum[j] * unit;
      variance[begin + j] = squares[j] * share * unit * unit;
    }
  });
}

static void scaled_bn_fold(float* class_scale, float* class_shift, const float* mean, const float* variance,
                           int64_t columns, ScaledBn norm) {
  for (int64_t j = 0; j < columns; ++j) {
    class_scale[j] = norm.scale / __builtin_sqrtf(variance[j] + norm.epsilon);
    class_shift[j] = -class_scale[j] * mean[j];
  }
}

/// With g = d loss / d z^ and z^ with margin, as it entered the softmax, a logit's gradient gains
///   -a/N * (sum_k g_k) - 1/N * (z - mean)/(variance + epsilon) * (sum_k g_k z^_k),   a = scale/sqrt(variance + epsilon);
/// here for products p = z * column_norm, whose dp holds g * a / column_norm already (for targets, times the margin's
/// derivative: theirs are taken from target_terms).
static void scaled_bn_backward(float* dp, const float* p, const int32_t* labels, const float* target_terms,
                               const float* mean, const float* variance, const float* column_norms, int64_t rows,
                               int64_t columns, ScaledBn norm) {
  const float share = 1 / static_cast<float>(rows);
  parallel_columns(rows, columns, [&](int64_t begin, int64_t width) {
    float center[kColumnBlock], per_square[kColumnBlock], sum[kColumnBlock] = {}, along[kColumnBlock] = {};
    for (int64_t j = 0; j < width; ++j) {
      const float length = column_norms != nullptr ? column_norms[begin + j] : 1;
      const float spread = (variance[begin + j] + norm.epsilon) * length * length;  // of the products
      center[j] = mean[begin + j] * length;
      per_square[j] = spread > 0 ? 1 / spread : spread != spread ? spread : 0;
    }
    for (int64_t i = 0; i < rows; ++i) {
      const float* gradients = dp + i * columns + begin;
      const float* products = p + i * columns + begin;
      const int64_t target = labels[i] - begin;
      const bool has_target = target >= 0 && target < width;
      const float sum_before = has_target ? sum[target] : 0, along_before = has_target ? along[target] : 0;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) {
        sum[j] += gradients[j];
        along[j] += gradients[j] * (products[j] - center[j]);
      }
      if (!has_target) continue;
      const float gradient = target_terms[2 * i], logit = target_terms[2 * i + 1];
      const float factor = norm.scale * __builtin_sqrtf(per_square[target]);  // a / column_norm
      sum[target] = sum_before + gradient * factor;
      along[target] = along_before + gradient * logit;
    }
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      sum[j] *= share;
      along[j] *= share * per_square[j];
    }
    for (int64_t i = 0; i < rows; ++i) {
      float* gradients = dp + i * columns + begin;
      const float* products = p + i * columns + begin;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) gradients[j] -= sum[j] + (products[j] - center[j]) * along[j];
    }
  });
}

/// Written so that a momentum of 1 leaves all digits of `current`, however far from it `running` was.
static void running_average(float* running, const float* current, int64_t count, float momentum, float factor) {
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t j = begin; j < end; ++j) running[j] = (1 - momentum) * running[j] + momentum * (factor * current[j]);
  });
}

}  // namespace margincore::MARGINCORE_ISA
