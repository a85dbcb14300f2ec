// Sums over the rows of a matrix.
#pragma once

#include "cpu/loops/parallel.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

/// sums[j] = sum of value(i, j) over the rows i. Each thread owns a range of columns and walks the rows in order: the same
/// sums for any number of threads. Many rows are summed in blocks, whose sums lose less to rounding than one would.
template <class Value>
[[gnu::always_inline]] inline void sum_columns(float* sums, int64_t rows, int64_t columns, const Value& value) {
  constexpr int64_t kColumns = 256, kRows = 512;
  parallel_rows((columns + kColumns - 1) / kColumns, rows * kColumns, [&](int64_t block) {
    const int64_t begin = block * kColumns;
    const int64_t width = columns - begin < kColumns ? columns - begin : kColumns;
    float total[kColumns] = {};
    for (int64_t first = 0; first < rows; first += kRows) {
      const int64_t last = rows - first < kRows ? rows : first + kRows;
      float part[kColumns] = {};
      for (int64_t i = first; i < last; ++i) {
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) part[j] += value(i, begin + j);
      }
      for (int64_t j = 0; j < width; ++j) total[j] += part[j];
    }
    for (int64_t j = 0; j < width; ++j) sums[begin + j] = total[j];
  });
}

template <class T>
static void column_sums(float* sums, const T* x, int64_t rows, int64_t columns) {
  sum_columns(sums, rows, columns, [&](int64_t row, int64_t column) { return widen(x[row * columns + column]); });
}

}  // namespace margincore::MARGINCORE_ISA
