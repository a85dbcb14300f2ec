// Plain operations on a matrix of logits (rows = samples, columns = classes).
#pragma once

#include "cpu/loops/exponential.h"
#include "cpu/loops/parallel.h"
#include "cpu/loops/rows.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

static void scale_logits(float* z, const float* row_norms, const float* column_norms, const float* column_scale,
                         const float* column_shift, int64_t rows, int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) {
    const float row_factor = row_norms != nullptr ? inverse_norm(row_norms[i]) : 1;
    float* row = z + i * columns;
    for (int64_t j = 0; j < columns; ++j) {
      float factor = column_norms != nullptr ? row_factor * inverse_norm(column_norms[j]) : row_factor;
      if (column_scale != nullptr) factor *= column_scale[j];
      row[j] = row[j] * factor + (column_shift != nullptr ? column_shift[j] : 0);
    }
  });
}

static void softmax(float* probabilities, const float* logits, int64_t rows, int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) {
    const float* z = logits + i * columns;
    float* p = probabilities + i * columns;
    float max = z[0];
#pragma omp simd reduction(max : max)
    for (int64_t j = 0; j < columns; ++j) max = z[j] > max ? z[j] : max;
    const float factor = 1 / blocked_sum(columns, [&](int64_t j) { return p[j] = exponential(z[j] - max); });
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) p[j] *= factor;
  });
}

}  // namespace margincore::MARGINCORE_ISA
