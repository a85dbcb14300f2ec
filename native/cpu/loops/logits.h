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

/// Each thread owns a range of columns and walks the rows in order: the same sums for any number of threads. Many rows
/// are summed in blocks, whose sums lose less to rounding than one would.
template <class T>
static void column_sums(float* sums, const T* x, int64_t rows, int64_t columns) {
  constexpr int64_t kColumns = 256, kRows = 512;
  parallel_rows((columns + kColumns - 1) / kColumns, rows * kColumns, [&](int64_t block) {
    const int64_t begin = block * kColumns;
    const int64_t width = columns - begin < kColumns ? columns - begin : kColumns;
    float total[kColumns] = {};
    for (int64_t first = 0; first < rows; first += kRows) {
      const int64_t last = rows - first < kRows ? rows : first + kRows;
      float part[kColumns] = {};
      for (int64_t i = first; i < last; ++i) {
        const T* row = x + i * columns + begin;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) part[j] += widen(row[j]);
      }
      for (int64_t j = 0; j < width; ++j) total[j] += part[j];
    }
    for (int64_t j = 0; j < width; ++j) sums[begin + j] = total[j];
  });
}

}  // namespace margincore::MARGINCORE_ISA
