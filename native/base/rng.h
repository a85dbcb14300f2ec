// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
// A number depends on (seed, purpose, stream, index) alone, so it is the same on CPU and CUDA, for any number of
// threads, and after resuming.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace margincore {

enum class RandomPurpose : uint32_t {
  Weights = 1,
  Shuffle = 2,
  Dropout = 3,
  Augmentation = 4,
  Centroids = 5,
  Classes = 6
};

struct Random4 {
  uint32_t value[4];
};

MARGINCORE_HOST_DEVICE Random4 philox(uint64_t seed, RandomPurpose purpose, uint32_t stream, uint64_t index) {
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32);
  uint32_t c2 = stream, c3 = static_cast<uint32_t>(purpose);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t high0 = static_cast<uint32_t>(product0 >> 32), high1 = static_cast<uint32_t>(product1 >> 32);
    c0 = high1 ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(product1);
    c2 = high0 ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(product0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Uniform in [0, 1), exact in fp32: 24 random bits.
MARGINCORE_HOST_DEVICE float uniform01(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

}  // namespace margincore
