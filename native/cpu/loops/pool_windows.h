// Windows of a pooling over an image, and a gradient's sums over them.
#pragma once

#include <algorithm>

#include "base/window.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

struct PoolWindows {
  Windows<int64_t> rows, columns;

  PoolWindows(const PoolSizes& s, const Pool2d& pool)
      : rows{s.height, s.out_height, pool.kernel, pool.stride, pool.padding},
        columns{s.width, s.out_width, pool.kernel, pool.stride, pool.padding} {}
};

/// An element of an image, and a window that it lies in.
struct PoolPlace {
  int64_t row, column, window_row, window_column;
};

/// dx: of each element the sum of what the windows over it give, in their order. add(sums, width, out, place) adds that
/// for `width` neighbouring channels, the first of which the window has at `out`. Sums are fp32 whatever T is, and a
/// thread owns lines of dx.
template <class T, class Add>
[[gnu::always_inline]] inline void sum_over_windows(T* dx, const PoolSizes& s, const PoolWindows& windows,
                                                    const Add& add) {
  constexpr int64_t kChannels = 256;
  parallel_rows(s.batch * s.height, s.width * s.channels, [&](int64_t line) {
    const int64_t row = line % s.height, image = line / s.height * s.out_height * s.out_width;
    const Span<int64_t> over_row = windows.rows.windows_over(row);
    for (int64_t column = 0; column < s.width; ++column) {
      const Span<int64_t> over_column = windows.columns.windows_over(column);
      for (int64_t first = 0; first < s.channels; first += kChannels) {
        const int64_t width = std::min(kChannels, s.channels - first);
        float sums[kChannels];
        std::fill(sums, sums + width, 0.0f);
        for (int64_t p = over_row.begin; p < over_row.end; ++p)
          for (int64_t q = over_column.begin; q < over_column.end; ++q)
            add(sums, width, (image + p * s.out_width + q) * s.channels + first, PoolPlace{row, column, p, q});
        T* to = dx + (line * s.width + column) * s.channels + first;
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) to[c] = narrow<T>(sums[c]);
      }
    }
  });
}

}  // namespace margincore::MARGINCORE_ISA
