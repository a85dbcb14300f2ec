// Division of work among threads. Below a certain size waking the team costs more than it saves: the calling thread
// works by itself. It does not as a team of one, for which OpenMP would allocate memory, and then again for all
// threads.
#pragma once

#include <omp.h>

#include <cstdint>

#include "base/host_device.h"

namespace margincore::MARGINCORE_ISA {

inline constexpr int64_t kParallelElements = 1 << 14;

/// One body, however many threads call it: compiled once.
template <class Body>
[[gnu::noinline]] static void work_on_range(int64_t begin, int64_t end, const Body& body) {
  body(begin, end);
}

template <class Body>
[[gnu::noinline]] static void work_on_rows(int64_t begin, int64_t end, const Body& body) {
  for (int64_t row = begin; row < end; ++row) body(row);
}

/// body(begin, end) over equal parts of [0, count), whose bounds are multiples of 16 elements (one cache line).
template <class Body>
[[gnu::always_inline]] inline void parallel_ranges(int64_t count, const Body& body) {
  if (count < 2 * kParallelElements) return work_on_range(0, count, body);
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < (count + kParallelElements - 1) / kParallelElements; ++block) {
    const int64_t begin = block * kParallelElements;
    work_on_range(begin, begin + kParallelElements < count ? begin + kParallelElements : count, body);
  }
}

/// body(row) for each row, of `columns` elements each.
template <class Body>
[[gnu::always_inline]] inline void parallel_rows(int64_t rows, int64_t columns, const Body& body) {
  if (rows <= 1 || rows * columns < kParallelElements) return work_on_rows(0, rows, body);
#pragma omp parallel
  {
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    work_on_rows(rows * thread / threads, rows * (thread + 1) / threads, body);
  }
}

}  // namespace margincore::MARGINCORE_ISA
