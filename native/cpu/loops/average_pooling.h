// Average pooling over NHWC, and the average of whole images. Channels are contiguous: their sums are taken in vectors.
// Each element of a result is summed by one thread, in the order of the rows.
#pragma once

#include <algorithm>

#include "base/window.h"
#include "cpu/loops/lanes.h"
#include "cpu/loops/parallel.h"

namespace margincore::MARGINCORE_ISA {

struct AverageWindows {
  Windows<int64_t> rows, columns;

  AverageWindows(const PoolSizes& s, const Pool2d& pool)
      : rows{s.height, s.out_height, pool.kernel, pool.stride, pool.padding},
        columns{s.width, s.out_width, pool.kernel, pool.stride, pool.padding} {}
};

/// A window's average is over its elements inside the image.
[[gnu::always_inline]] inline float share_of(Span<int64_t> rows, Span<int64_t> columns) {
  return 1 / static_cast<float>(rows.count() * columns.count());
}

static void average_pool_forward(float* y, const float* x, PoolSizes s, Pool2d pool) {
  const AverageWindows windows(s, pool);
  parallel_rows(s.batch * s.out_height, s.out_width * s.channels * pool.kernel * pool.kernel, [&](int64_t line) {
    const float* image = x + line / s.out_height * s.height * s.width * s.channels;
    const Span<int64_t> rows = windows.rows.elements_of(line % s.out_height);
    for (int64_t q = 0; q < s.out_width; ++q) {
      const Span<int64_t> columns = windows.columns.elements_of(q);
      const float share = share_of(rows, columns);
      float* out = y + (line * s.out_width + q) * s.channels;
      in_lanes(s.channels, [&]<class Lanes>(int64_t c) {
        Lanes sum = {};
        for (int64_t row = rows.begin; row < rows.end; ++row) {
          for (int64_t column = columns.begin; column < columns.end; ++column) {
            Lanes pixel;
            __builtin_memcpy(&pixel, image + (row * s.width + column) * s.channels + c, sizeof pixel);
            sum += pixel;
          }
        }
        sum *= share;
        __builtin_memcpy(out + c, &sum, sizeof sum);
      });
    }
  });
}

/// Each thread owns lines of dx, which stay in its cache while the windows over them add their share.
static void average_pool_backward(float* dx, const float* dy, PoolSizes s, Pool2d pool) {
  const AverageWindows windows(s, pool);
  parallel_rows(s.batch * s.height, s.width * s.channels, [&](int64_t line) {
    const float* gradients = dy + line / s.height * s.out_height * s.out_width * s.channels;
    float* out = dx + line * s.width * s.channels;
    std::fill(out, out + s.width * s.channels, 0.0f);
    const Span<int64_t> over_row = windows.rows.windows_over(line % s.height);
    for (int64_t p = over_row.begin; p < over_row.end; ++p) {
      const Span<int64_t> rows = windows.rows.elements_of(p);
      for (int64_t q = 0; q < s.out_width; ++q) {
        const Span<int64_t> columns = windows.columns.elements_of(q);
        const float* gradient = gradients + (p * s.out_width + q) * s.channels;
        const float share = share_of(rows, columns);
        for (int64_t column = columns.begin; column < columns.end; ++column) {
          float* pixel = out + column * s.channels;
#pragma omp simd
          for (int64_t c = 0; c < s.channels; ++c) pixel[c] += gradient[c] * share;
        }
      }
    }
  });
}

/// Each thread owns an image's range of channels. Some pixels are summed by themselves first, so that fp32 is enough.
static void global_average_forward(float* y, const float* x, int64_t batch, int64_t pixels, int64_t channels) {
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
        const float* pixel = x + (n * pixels + i) * channels + begin;
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) part[c] += pixel[c];
      }
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) total[c] += part[c];
    }
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) y[n * channels + begin + c] = total[c] * share;
  });
}

static void global_average_backward(float* dx, const float* dy, int64_t batch, int64_t pixels, int64_t channels) {
  const float share = 1 / static_cast<float>(pixels);
  parallel_rows(batch * pixels, channels, [&](int64_t i) {
    const float* gradient = dy + i / pixels * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) dx[i * channels + c] = gradient[c] * share;
  });
}

}  // namespace margincore::MARGINCORE_ISA
