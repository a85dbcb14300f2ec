// Average pooling over NHWC, and the average of whole images. Channels are contiguous: their sums are taken in vectors.
// Each element of a result is summed by one thread, in the order of the rows.
#pragma once

#include "cpu/loops/lanes.h"
#include "cpu/loops/pool_windows.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

/// A window's average is over its elements inside the image.
struct AverageShare {
  int32_t all;
  float of_all;

  explicit AverageShare(const Pool2d& pool)
      : all(pool.kernel * pool.kernel), of_all(1 / static_cast<float>(pool.kernel * pool.kernel)) {}

  [[gnu::always_inline]] float operator()(Span<int32_t> rows, Span<int32_t> columns) const {
    const int32_t count = rows.count() * columns.count();
    return count == all ? of_all : 1 / static_cast<float>(count);
  }
};

template <class T>
static void average_pool_forward(T* y, const T* x, PoolSizes s, Pool2d pool) {
  const PoolWindows windows(s, pool);
  const AverageShare share_of(pool);
  parallel_rows(s.batch * s.out_height, s.out_width * s.channels * pool.kernel * pool.kernel, [&](int64_t line) {
    const T* image = x + line / s.out_height * s.height * s.width * s.channels;
    const Span<int32_t> rows = windows.rows.elements_of(static_cast<int32_t>(line % s.out_height));
    for (int32_t q = 0; q < s.out_width; ++q) {
      const Span<int32_t> columns = windows.columns.elements_of(q);
      const float share = share_of(rows, columns);
      T* out = y + (line * s.out_width + q) * s.channels;
      in_lanes(s.channels, [&]<class Lanes>(int64_t c) {
        Lanes sum = {};
        for (int64_t row = rows.begin; row < rows.end; ++row) {
          for (int64_t column = columns.begin; column < columns.end; ++column) {
            Lanes pixel;
            load(pixel, image + (row * s.width + column) * s.channels + c);
            sum += pixel;
          }
        }
        sum *= share;
        store(out + c, sum);
      });
    }
  });
}

/// Of windows side by side without padding: an element lies in one of them, or behind the last.
template <class T>
[[gnu::always_inline]] inline void spread_windows(T* dx, const T* dy, PoolSizes s, int32_t kernel) {
  const float share = 1 / static_cast<float>(kernel * kernel);
  parallel_rows(s.batch * s.height, s.width * s.channels, [&](int64_t line) {
    const int64_t window_row = line % s.height / kernel;
    const T* windows = dy + (line / s.height * s.out_height + window_row) * s.out_width * s.channels;
    T* to = dx + line * s.width * s.channels;
    const int64_t count = window_row < s.out_height ? s.out_width : 0;
    for (int64_t q = 0; q < count; ++q) {
      for (int64_t column = q * kernel; column < (q + 1) * kernel; ++column) {
        in_lanes(s.channels, [&]<class Lanes>(int64_t c) {
          Lanes gradient;
          load(gradient, windows + q * s.channels + c);
          gradient *= share;
          store(to + column * s.channels + c, gradient);
        });
      }
    }
    for (int64_t i = count * kernel * s.channels; i < s.width * s.channels; ++i) to[i] = narrow<T>(0);
  });
}

template <class T>
static void average_pool_backward(T* dx, const T* dy, PoolSizes s, Pool2d pool) {
  if (pool.stride == pool.kernel && pool.padding == 0) {
    spread_windows(dx, dy, s, pool.kernel);
    return;
  }
  const PoolWindows windows(s, pool);
  const AverageShare share_of(pool);
  sum_over_windows(dx, s, windows, [&]<class Lanes>(Lanes& sum, int64_t out, const PoolPlace& at) {
    Lanes gradient;
    load(gradient, dy + out);
    sum += gradient * share_of(windows.rows.elements_of(at.window_row), windows.columns.elements_of(at.window_column));
  });
}

/// Each thread owns an image's range of channels. Some pixels are summed by themselves first, so that fp32 is enough.
template <class T>
static void global_average_forward(T* y, const T* x, int64_t batch, int64_t pixels, int64_t channels) {
  constexpr int64_t kChannels = 256, kPixels = 32;
  const int64_t blocks = (channels + kChannels - 1) / kChannels;
  const float share = 1 / static_cast<float>(pixels);
  parallel_rows(batch * blocks, pixels * (channels < kChannels ? channels : kChannels), [&](int64_t item) {
    const int64_t n = item / blocks, begin = item % blocks * kChannels;
    const int64_t width = channels - begin < kChannels ? channels - begin : kChannels;
    float total[kChannels] = {};
    for (int64_t first = 0; first < pixels; first += kPixels) {
      float part[kChannels] = {};
      for (int64_t i = first; i < first + kPixels && i < pixels; ++i) {
        const T* pixel = x + (n * pixels + i) * channels + begin;
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) part[c] += widen(pixel[c]);
      }
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) total[c] += part[c];
    }
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) y[n * channels + begin + c] = narrow<T>(total[c] * share);
  });
}

template <class T>
static void global_average_backward(T* dx, const T* dy, int64_t batch, int64_t pixels, int64_t channels) {
  const float share = 1 / static_cast<float>(pixels);
  parallel_rows(batch * pixels, channels, [&](int64_t i) {
    const T* gradient = dy + i / pixels * channels;
    in_lanes(channels, [&]<class Lanes>(int64_t c) {
      Lanes lanes;
      load(lanes, gradient + c);
      lanes *= share;
      store(dx + i * channels + c, lanes);
    });
  });
}

}  // namespace margincore::MARGINCORE_ISA
