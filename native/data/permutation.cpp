#include "data/permutation.h"

#include <numeric>
#include <utility>

#include "base/rng.h"

namespace margincore {

std::vector<int32_t> permutation(uint64_t seed, uint32_t epoch, int64_t count) {
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) {
    const Random4 random = philox(seed, RandomPurpose::Shuffle, epoch, static_cast<uint64_t>(i));
    const uint64_t drawn = random.value[0] | uint64_t{random.value[1]} << 32;
    std::swap(order[i], order[drawn % static_cast<uint64_t>(i + 1)]);
  }
  return order;
}

}  // namespace margincore
