// Arrays of the tests. Inputs are drawn as fp32, so that a backend and the reference see the same numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/bfloat16.h"
#include "base/tensor.h"

namespace margincore::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Ints = std::vector<int32_t>;
using Bytes = std::vector<uint8_t>;

inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

inline Doubles to_doubles(const Floats& values) { return Doubles(values.begin(), values.end()); }

inline Floats to_floats(const Doubles& values) { return Floats(values.begin(), values.end()); }

/// As a tensor of that type holds them.
inline Floats as_stored(Floats values, DType dtype) {
  if (dtype == DType::BF16)
    for (float& value : values) value = to_float(to_bfloat16(value));
  return values;
}

/// As loops of that type take them.
template <class T>
std::vector<T> stored(const Floats& values) {
  if constexpr (std::is_same_v<T, float>) return values;
  std::vector<T> result;
  if constexpr (std::is_same_v<T, BFloat16>)
    for (float value : values) result.push_back(to_bfloat16(value));
  return result;
}

/// values[indices[0]], values[indices[1]], …
template <class T>
std::vector<T> pick(const std::vector<T>& values, const std::vector<size_t>& indices) {
  std::vector<T> picked;
  for (size_t index : indices) picked.push_back(values[index]);
  return picked;
}

inline double dot(const Doubles& a, const Doubles& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace margincore::test
