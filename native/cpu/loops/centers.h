// Center loss: the distance of each sample to its class's centre, and the step of the centres.
#pragma once

#include "cpu/loops/parallel.h"

namespace margincore::MARGINCORE_ISA {

/// Returns weight/2 * mean |x_i - c_y|^2, of rows whose label is a centre's.
static double center_loss(float* dx, float* row_squares, const float* x, const float* centers, int64_t classes,
                          const int32_t* labels, int64_t rows, int64_t columns, float weight) {
  const float share = weight / static_cast<float>(rows);
  parallel_rows(rows, columns, [&](int64_t i) {
    const float* row = x + i * columns;
    float* gradient = dx + i * columns;
    float squares = 0;
    if (labels[i] < 0 || labels[i] >= classes) {
      for (int64_t k = 0; k < columns; ++k) gradient[k] = 0;
      row_squares[i] = 0;
      return;
    }
    const float* center = centers + labels[i] * columns;
#pragma omp simd reduction(+ : squares)
    for (int64_t k = 0; k < columns; ++k) {
      const float difference = row[k] - center[k];
      squares += difference * difference;
      gradient[k] = share * difference;
    }
    row_squares[i] = squares;
  });
  double total = 0;
  for (int64_t i = 0; i < rows; ++i) total += row_squares[i];
  return 0.5 * share * total;
}

/// The first sample of a class in the batch does the work for all of them: no two threads touch one centre, and the
/// order of the sum is that of the batch.
static void center_update(float* centers, int64_t classes, const float* x, const int32_t* labels, int64_t rows,
                          int64_t columns, float rate) {
  parallel_rows(rows, columns, [&](int64_t i) {
    if (labels[i] < 0 || labels[i] >= classes) return;
    for (int64_t before = 0; before < i; ++before)
      if (labels[before] == labels[i]) return;
    float count = 0;
    for (int64_t other = i; other < rows; ++other) count += labels[other] == labels[i] ? 1 : 0;
    const float step = rate / (1 + count);
    constexpr int64_t kBlock = 256;
    for (int64_t begin = 0; begin < columns; begin += kBlock) {
      const int64_t width = columns - begin < kBlock ? columns - begin : kBlock;
      float* center = centers + labels[i] * columns + begin;
      float sum[kBlock] = {};
      for (int64_t other = i; other < rows; ++other) {
        if (labels[other] != labels[i]) continue;
        const float* row = x + other * columns + begin;
#pragma omp simd
        for (int64_t k = 0; k < width; ++k) sum[k] += center[k] - row[k];
      }
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) center[k] -= step * sum[k];
    }
  });
}

}  // namespace margincore::MARGINCORE_ISA
