// Numbers as the libraries take and give them, and the one matmul that their operations are made of. Sums are double:
// what is tested here is how the libraries are called, not how they round.
#pragma once

#include <cstddef>
#include <cstdint>

namespace margincore::cuda_sim {

enum class Element { F32, Bf16 };

inline size_t size_of(Element element) { return element == Element::F32 ? 4 : 2; }

float read(Element element, const void* values, int64_t index);
void write(Element element, void* values, int64_t index, double value);

/// As it is read after it was written.
float rounded(Element element, double value);

/// Rounded to the 11 significant bits with which tensor cores multiply fp32 where TF32 is allowed.
float to_tf32(float value);

/// Element (i, j) of a matrix.
struct Matrix {
  const float* values;
  int64_t row_stride, column_stride;

  Matrix rows_from(int64_t first) const { return {values + first * row_stride, row_stride, column_stride}; }
  Matrix columns_from(int64_t first) const { return {values + first * column_stride, row_stride, column_stride}; }
};

/// sums (m × n, row-major) += a (m × k) · b (k × n)
void add_matmul(double* sums, Matrix a, Matrix b, int64_t m, int64_t n, int64_t k);

}  // namespace margincore::cuda_sim
