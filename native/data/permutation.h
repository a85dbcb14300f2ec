#pragma once

#include <cstdint>
#include <vector>

namespace margincore {

/// A random order of 0…count-1 (Fisher–Yates), fixed by (seed, epoch): the same on every machine.
std::vector<int32_t> permutation(uint64_t seed, uint32_t epoch, int64_t count);

}  // namespace margincore
