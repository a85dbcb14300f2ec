#include "matmul.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace margincore::cuda_sim {
namespace {

constexpr int64_t kRows = 4, kColumns = 4;  // of a tile: its sums stay in registers

using Sums [[gnu::vector_size(kColumns * sizeof(double))]] = double;

/// The tiles of one strip of columns: b's strip is packed once, a's rows once per tile.
void add_tile(double* sums, int64_t sums_stride, const double* a, const Sums* b, int64_t k, int64_t rows,
              int64_t columns) {
  Sums tile[kRows] = {};
  for (int64_t i = 0; i < k; ++i)
    for (int64_t row = 0; row < kRows; ++row) tile[row] += a[i * kRows + row] * b[i];
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) sums[row * sums_stride + column] += tile[row][column];
}

}  // namespace

float read(Element element, const void* values, int64_t index) {
  if (element == Element::F32) return static_cast<const float*>(values)[index];
  return std::bit_cast<float>(uint32_t{static_cast<const uint16_t*>(values)[index]} << 16);
}

void write(Element element, void* values, int64_t index, double value) {
  const auto rounded = static_cast<float>(value);
  if (element == Element::F32) {
    static_cast<float*>(values)[index] = rounded;
    return;
  }
  const auto bits = std::bit_cast<uint32_t>(rounded);
  const uint32_t to_even = 0x7FFF + (bits >> 16 & 1);
  static_cast<uint16_t*>(values)[index] = static_cast<uint16_t>(rounded != rounded ? 0x7FFF : (bits + to_even) >> 16);
}

float rounded(Element element, double value) {
  alignas(float) std::byte stored[sizeof(float)];
  write(element, stored, 0, value);
  return read(element, stored, 0);
}

float to_tf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const bool finite = (bits & 0x7F800000) != 0x7F800000;
  return finite ? std::bit_cast<float>((bits + 0x1000) & ~uint32_t{0x1FFF}) : value;
}

void add_matmul(double* sums, Matrix a, Matrix b, int64_t m, int64_t n, int64_t k) {
  std::vector<double> packed_a((m + kRows - 1) / kRows * kRows * k);
  for (int64_t row = 0; row < m; ++row)
    for (int64_t i = 0; i < k; ++i)
      packed_a[(row / kRows * k + i) * kRows + row % kRows] = a.values[row * a.row_stride + i * a.column_stride];
  std::vector<Sums> strip(k);
  for (int64_t column = 0; column < n; column += kColumns) {
    const int64_t columns = std::min(kColumns, n - column);
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < columns; ++j) strip[i][j] = b.values[i * b.row_stride + (column + j) * b.column_stride];
    for (int64_t row = 0; row < m; row += kRows)
      add_tile(sums + row * n + column, n, packed_a.data() + row * k, strip.data(), k, std::min(kRows, m - row),
               columns);
  }
}

}  // namespace margincore::cuda_sim
