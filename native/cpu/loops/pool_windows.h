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

/// dx: of each element the sum of what the windows over it give, in their order, in fp32 whatever T is. `add(sum, out,
/// place)` adds that for one channel or kLanes neighbouring ones (sum is float or Floats), which the window has at `out`.
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
      // Several lanes at once, so that a window is looked at less often.
      const auto sum = [&]<class Lanes, int kCount>(int64_t c) {
        constexpr int64_t kWidth = sizeof(Lanes) / sizeof(float);
        Lanes sums[kCount] = {};
        for (int32_t p = over_row.begin; p < over_row.end; ++p) {
          for (int32_t q = over_column.begin; q < over_column.end; ++q) {
            const int64_t out = (image + p * s.out_width + q) * s.channels + c;
#pragma GCC unroll 4
            for (int k = 0; k < kCount; ++k) add(sums[k], out + k * kWidth, PoolPlace{row, column, p, q});
          }
        }
#pragma GCC unroll 4
        for (int k = 0; k < kCount; ++k) store(to + c + k * kWidth, sums[k]);
      };
      int64_t c = 0;
      for (; c + 4 * kLanes <= s.channels; c += 4 * kLanes) sum.template operator()<Floats, 4>(c);
      for (; c + kLanes <= s.channels; c += kLanes) sum.template operator()<Floats, 1>(c);
      for (; c < s.channels; ++c) sum.template operator()<float, 1>(c);
    }
  });
}

}  // namespace margincore::MARGINCORE_ISA
