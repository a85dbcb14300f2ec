#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/permutation.h"
#include "support/compare.h"

namespace margincore::test {

TEST_CASE("permutation holds every number once, and is fixed by seed and epoch") {
  for (const int64_t count : {0, 1, 2, 17, 10'000}) {
    CAPTURE(count);
    Ints in_order(count);
    std::iota(in_order.begin(), in_order.end(), 0);
    const Ints order = permutation(7, 3, count);
    Ints sorted = order;
    std::sort(sorted.begin(), sorted.end());
    expect_same(sorted, in_order);
    expect_same(permutation(7, 3, count), order);
    if (count < 17) continue;
    CHECK(order != in_order);
    CHECK(permutation(7, 4, count) != order);
    CHECK(permutation(8, 3, count) != order);
    CHECK(permutation(7 | uint64_t{1} << 32, 3, count) != order);
  }
}

TEST_CASE("permutation is even: each number comes to each place alike") {
  const int count = 6, seeds = 12'000;
  double found[count][count] = {};
  for (int seed = 0; seed < seeds; ++seed) {
    const Ints order = permutation(seed, 0, count);
    for (int place = 0; place < count; ++place) found[place][order[place]] += 1;
  }
  const double expected = seeds / static_cast<double>(count);
  double chi_squared = 0;
  for (const auto& row : found)
    for (double times : row) chi_squared += (times - expected) * (times - expected) / expected;
  CHECK(chi_squared < 60);  // 25 degrees of freedom: exceeded once in 10,000 generators
}

}  // namespace margincore::test
