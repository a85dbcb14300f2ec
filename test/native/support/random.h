// Numbers for tests: the same on every machine and in every run.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "support/arrays.h"

namespace margincore::test {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  /// In [0, 1). The distributions of the standard library differ from one implementation to the next.
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

  double between(double low, double high) { return low + (high - low) * unit(); }

  double normal() { return std::sqrt(-2 * std::log(1 - unit())) * std::cos(2 * 3.141592653589793 * unit()); }

  /// In [low, high].
  int64_t integer(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }

  Floats normals(int64_t count, double deviation = 1) {
    Floats values(count);
    for (float& value : values) value = static_cast<float>(deviation * normal());
    return values;
  }

  Floats uniform(int64_t count, double low, double high) {
    Floats values(count);
    for (float& value : values) value = static_cast<float>(between(low, high));
    return values;
  }

  Ints integers(int64_t count, int64_t low, int64_t high) {
    Ints values(count);
    for (int32_t& value : values) value = static_cast<int32_t>(integer(low, high));
    return values;
  }

  /// At most `most` different numbers below `count`, in rising order.
  std::vector<size_t> indices(size_t count, size_t most) {
    std::vector<size_t> chosen;
    for (size_t i = 0; i < count; ++i) {
      const size_t wanted = most - std::min(most, chosen.size());
      if (static_cast<size_t>(integer(1, static_cast<int64_t>(count - i))) <= wanted) chosen.push_back(i);
    }
    return chosen;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace margincore::test
