// Division of work among threads. Below a certain size waking the team costs more than it saves.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace margincore::MARGINCORE_ISA {

inline constexpr int64_t kParallelElements = 1 << 14;

/// body(begin, end) over equal parts of [0, count), whose bounds are multiples of 16 elements (one cache line).
template <class Body>
[[gnu::always_inline]] inline void parallel_ranges(int64_t count, const Body& body) {
#pragma omp parallel for schedule(static) if (count >= 2 * kParallelElements)
  for (int64_t block = 0; block < (count + kParallelElements - 1) / kParallelElements; ++block) {
    const int64_t begin = block * kParallelElements;
    body(begin, begin + kParallelElements < count ? begin + kParallelElements : count);
  }
}

/// body(row) for each row, of `columns` elements each.
template <class Body>
[[gnu::always_inline]] inline void parallel_rows(int64_t rows, int64_t columns, const Body& body) {
#pragma omp parallel for schedule(static) if (rows > 1 && rows * columns >= kParallelElements)
  for (int64_t row = 0; row < rows; ++row) body(row);
}

}  // namespace margincore::MARGINCORE_ISA
