// Windows of a pooling over an image, and a gradient's sums over them.
#pragma once

#include "base/window.h"
#include "cpu/loops/lanes.h"
#include "cpu/loops/parallel.h"

namespace margincore::MARGINCORE_ISA {

struct PoolWindows {
  Windows<int32_t> rows, columns;

  PoolWindows(const PoolSizes& s, const Pool2d& pool)
      : rows{static_cast<int32_t>(s.height), static_cast<int32_t>(s.out_height), pool.kernel, pool.stride,
             pool.padding},
        columns{static_cast<int32_t>(s.width), static_cast<int32_t>(s.out_width), pool.kernel, pool.stride,
                pool.padding} {}
};

/// An element of an image, and a window that it lies in.
struct PoolPlace {
  int32_t row, column, window_row, window_column;
};

/// dx: of each element the sum of what the windows over it give, in their order, in fp32 whatever T is.
/// add.operator()<Lanes>(sum, out, place) adds that of neighbouring channels, the first of which the window has at `out`.
template <class T, class Add>
[[gnu::always_inline]] inline void sum_over_windows(T* dx, const PoolSizes& s, const PoolWindows& windows,
                                                    const Add& add) {
  parallel_rows(s.batch * s.height, s.width * s.channels, [&](int64_t line) {
    const auto row = static_cast<int32_t>(line % s.height);
    const int64_t image = line / s.height * s.out_height * s.out_width;
    const Span<int32_t> over_row = windows.rows.windows_over(row);
    for (int32_t column = 0; column < s.width; ++column) {
      const Span<int32_t> over_column = windows.columns.windows_over(column);
      T* to = dx + (line * s.width + column) * s.channels;
      in_lanes(s.channels, [&]<class Lanes>(int64_t c) {
        Lanes sum = {};
        for (int32_t p = over_row.begin; p < over_row.end; ++p)
          for (int32_t q = over_column.begin; q < over_column.end; ++q)
            add(sum, (image + p * s.out_width + q) * s.channels + c, PoolPlace{row, column, p, q});
        store(to + c, sum);
      });
    }
  });
}

}  // namespace margincore::MARGINCORE_ISA
