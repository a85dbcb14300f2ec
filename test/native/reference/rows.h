// Rows of a matrix and their directions. A row of zeros has norm 0, no direction, and a zero gradient.
#pragma once

#include <cmath>

#include "support/arrays.h"

namespace margincore::test::reference {

inline Doubles row_norms(const Doubles& x, int64_t rows, int64_t columns) {
  Doubles norms(rows, 0);
  for (int64_t i = 0; i < rows * columns; ++i) norms[i / columns] += x[i] * x[i];
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

/// x^_i = x_i / |x_i|
inline Doubles unit_rows(Doubles x, int64_t rows, int64_t columns) {
  const Doubles norms = row_norms(x, rows, columns);
  for (int64_t i = 0; i < rows * columns; ++i) x[i] = norms[i / columns] > 0 ? x[i] / norms[i / columns] : 0;
  return x;
}

inline Doubles l2_scale_forward(const Doubles& x, double scale, int64_t rows, int64_t columns) {
  Doubles y = unit_rows(x, rows, columns);
  for (double& value : y) value *= scale;
  return y;
}

/// dx_i - x^_i (x^_i · dx_i)
inline Doubles remove_radial(Doubles dx, const Doubles& x, int64_t rows, int64_t columns) {
  const Doubles unit = unit_rows(x, rows, columns);
  for (int64_t i = 0; i < rows; ++i) {
    double along = 0;
    for (int64_t j = i * columns; j < (i + 1) * columns; ++j) along += unit[j] * dx[j];
    for (int64_t j = i * columns; j < (i + 1) * columns; ++j) dx[j] -= along * unit[j];
  }
  return dx;
}

inline Doubles l2_scale_backward(const Doubles& dy, const Doubles& x, double scale, int64_t rows, int64_t columns) {
  const Doubles norms = row_norms(x, rows, columns);
  Doubles dx = remove_radial(dy, x, rows, columns);
  for (int64_t i = 0; i < rows * columns; ++i) dx[i] = norms[i / columns] > 0 ? dx[i] * scale / norms[i / columns] : 0;
  return dx;
}

/// Derivative of sum(dy * scale * x^) in the scale.
inline double l2_scale_backward_scale(const Doubles& dy, const Doubles& x, int64_t rows, int64_t columns) {
  return dot(dy, unit_rows(x, rows, columns));
}

inline Doubles add_scaled_rows(Doubles y, const Doubles& x, const Doubles& coefficients, int64_t columns) {
  for (size_t i = 0; i < y.size(); ++i) y[i] += coefficients[i / columns] * x[i];
  return y;
}

}  // namespace margincore::test::reference
