// Matmul and plain operations on matrices, row-major.
#pragma once

#include <algorithm>
#include <cmath>

#include "support/arrays.h"

namespace margincore::test::reference {

/// y = x·wᵀ + bias, for x (rows, in), w (out, in) and bias (out) or empty.
inline Doubles linear_forward(const Doubles& x, const Doubles& w, const Doubles& bias, int64_t rows, int64_t in,
                              int64_t out) {
  Doubles y(rows * out, 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t k = 0; k < in; ++k) y[i * out + o] += x[i * in + k] * w[o * in + k];
      if (!bias.empty()) y[i * out + o] += bias[o];
    }
  return y;
}

/// dx = dy·w
inline Doubles linear_backward_data(const Doubles& dy, const Doubles& w, int64_t rows, int64_t in, int64_t out) {
  Doubles dx(rows * in, 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t o = 0; o < out; ++o)
      for (int64_t k = 0; k < in; ++k) dx[i * in + k] += dy[i * out + o] * w[o * in + k];
  return dx;
}

/// dw = dyᵀ·x
inline Doubles linear_backward_weight(const Doubles& dy, const Doubles& x, int64_t rows, int64_t in, int64_t out) {
  Doubles dw(out * in, 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t o = 0; o < out; ++o)
      for (int64_t k = 0; k < in; ++k) dw[o * in + k] += dy[i * out + o] * x[i * in + k];
  return dw;
}

inline Doubles column_sums(const Doubles& x, int64_t rows, int64_t columns) {
  Doubles sums(columns, 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) sums[j] += x[i * columns + j];
  return sums;
}

inline Doubles softmax(const Doubles& logits, int64_t rows, int64_t columns) {
  Doubles probabilities(logits.size());
  for (int64_t i = 0; i < rows; ++i) {
    const auto row = logits.begin() + i * columns;
    const double max = *std::max_element(row, row + columns);
    double sum = 0;
    for (int64_t j = 0; j < columns; ++j) sum += std::exp(row[j] - max);
    for (int64_t j = 0; j < columns; ++j) probabilities[i * columns + j] = std::exp(row[j] - max) / sum;
  }
  return probabilities;
}

/// z_ij / (row_norms_i * column_norms_j) * column_scale_j + column_shift_j, each of the four or empty; a quotient by 0
/// is 0.
inline Doubles scale_logits(Doubles z, const Doubles& row_norms, const Doubles& column_norms,
                            const Doubles& column_scale, const Doubles& column_shift, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      double& value = z[i * columns + j];
      const double divisor = (row_norms.empty() ? 1 : row_norms[i]) * (column_norms.empty() ? 1 : column_norms[j]);
      value = divisor == 0 ? 0 : value / divisor;
      if (!column_scale.empty()) value *= column_scale[j];
      if (!column_shift.empty()) value += column_shift[j];
    }
  return z;
}

}  // namespace margincore::test::reference
