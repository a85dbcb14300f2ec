// Products of matrix rows, and their normalisation, forward and backward: y = s*x/|x|, dx = s/|x| (dy - x^ (x^·dy)).
// The part along x is taken away twice: near the class centre it is up to 60 times what remains, and its rounding error
// would be left behind once. The row is in the cache by then.
#pragma once

#include "cpu/loops/parallel.h"
#include "heads/norm.h"

namespace margincore::MARGINCORE_ISA {

/// Sum of term(i), in blocks whose sums are added in double: the rounding of a long sum does not grow with its length.
template <class Term>
[[gnu::always_inline]] inline float blocked_sum(int64_t count, const Term& term) {
  constexpr int64_t kBlock = 1024;
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = begin + kBlock < count ? begin + kBlock : count;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += term(i);
    total += sum;
  }
  return static_cast<float>(total);
}

[[gnu::always_inline]] inline float dot(const float* a, const float* b, int64_t count) {
  return blocked_sum(count, [&](int64_t i) { return a[i] * b[i]; });
}

// Bounded by reading w once, which a library's matmul, made for many rows, does at a third of the speed.
static void matrix_times_vector(float* y, const float* w, const float* x, const float* bias, int64_t rows,
                                int64_t columns) {
  parallel_rows(rows, columns,
                [&](int64_t i) { y[i] = dot(w + i * columns, x, columns) + (bias != nullptr ? bias[i] : 0.0f); });
}

[[gnu::always_inline]] inline float norm(const float* row, int64_t count) {
  return __builtin_sqrtf(dot(row, row, count));
}

[[gnu::always_inline]] inline void scale_row(float* y, const float* x, float factor, int64_t count) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) y[j] = factor * x[j];
}

static void row_norms(float* norms, const float* x, int64_t rows, int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) { norms[i] = norm(x + i * columns, columns); });
}

static void l2_scale_forward(float* y, float* norms, float* y_norms, const float* x, float scale, int64_t rows,
                             int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) {
    float* row = y + i * columns;
    norms[i] = norm(x + i * columns, columns);
    scale_row(row, x + i * columns, scale * inverse_norm(norms[i]), columns);
    if (y_norms != nullptr) y_norms[i] = norm(row, columns);
  });
}

static void scale_rows(float* y, const float* x, const float* norms, float scale, int64_t rows, int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) {
    scale_row(y + i * columns, x + i * columns, scale * inverse_norm(norms[i]), columns);
  });
}

static void l2_scale_backward(float* dx, float* row_dscale, const float* dy, const float* x, const float* norms,
                              float scale, int64_t rows, int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) {
    const float unit = inverse_norm(norms[i]);
    const float along = dot(x + i * columns, dy + i * columns, columns) * unit;  // x^·dy
    if (row_dscale != nullptr) row_dscale[i] = along;
    const float factor = scale * unit, radial = along * unit;
#pragma omp simd
    for (int64_t j = i * columns; j < (i + 1) * columns; ++j) dx[j] = dy[j] - radial * x[j];
    const float again = dot(x + i * columns, dx + i * columns, columns) * unit * unit;
#pragma omp simd
    for (int64_t j = i * columns; j < (i + 1) * columns; ++j) dx[j] = factor * (dx[j] - again * x[j]);
  });
}

static void remove_radial(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) {
    const float unit = inverse_norm(norms[i]);
    for (int pass = 0; pass < 2; ++pass) {
      const float radial = dot(x + i * columns, dx + i * columns, columns) * unit * unit;
#pragma omp simd
      for (int64_t j = i * columns; j < (i + 1) * columns; ++j) dx[j] -= radial * x[j];
    }
  });
}

static void add_scaled_rows(float* y, const float* x, const float* coefficients, int64_t rows, int64_t columns) {
  parallel_rows(rows, columns, [&](int64_t i) {
    const float coefficient = coefficients[i];
#pragma omp simd
    for (int64_t j = i * columns; j < (i + 1) * columns; ++j) y[j] += coefficient * x[j];
  });
}

static void gather_rows(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns) {
  parallel_rows(count, columns, [&](int64_t i) {
    const float* from = x + rows[i] * columns;
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) y[i * columns + j] = from[j];
  });
}

static void scatter_rows(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns) {
  parallel_rows(count, columns, [&](int64_t i) {
    float* to = y + rows[i] * columns;
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) to[j] = x[i * columns + j];
  });
}

}  // namespace margincore::MARGINCORE_ISA
