// Max pooling over NHWC: channels are contiguous, so a window is compared channel by channel in vectors.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cpu/loops/column_sums.h"
#include "cpu/loops/lanes.h"
#include "cpu/loops/pool_windows.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

/// Part of a window that lies inside the image: rows [top, bottom), columns [left, right) of the image.
struct Window {
  int64_t top, bottom, left, right, first_row, first_column;

  Window(const PoolSizes& sizes, const Pool2d& pool, int64_t p, int64_t q)
      : first_row(p * pool.stride - pool.padding), first_column(q * pool.stride - pool.padding) {
    top = first_row > 0 ? first_row : 0;
    left = first_column > 0 ? first_column : 0;
    bottom = first_row + pool.kernel < sizes.height ? first_row + pool.kernel : sizes.height;
    right = first_column + pool.kernel < sizes.width ? first_column + pool.kernel : sizes.width;
  }

  int32_t position(const Pool2d& pool, int64_t row, int64_t column) const {
    return static_cast<int32_t>((row - first_row) * pool.kernel + (column - first_column));
  }
};

typedef int32_t Ints __attribute__((vector_size(kLanes * sizeof(int32_t))));
typedef uint8_t Bytes __attribute__((vector_size(kLanes)));
template <class Lanes>
using Places = std::conditional_t<std::is_same_v<Lanes, float>, int32_t, Ints>;

[[gnu::always_inline]] inline void load_places(int32_t& place, const uint8_t* from) { place = *from; }
[[gnu::always_inline]] inline void load_places(Ints& places, const uint8_t* from) {
  Bytes bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  // In two steps, for which GCC has instructions: in one it takes the bytes apart.
  places = __builtin_convertvector(__builtin_convertvector(bytes, Halves), Ints);
}

/// Maximum over one window for a single channel (Lanes float) or for kLanes neighbouring ones (Lanes Floats).
template <class Lanes>
struct WindowMaximum {
  using Place = Places<Lanes>;
  Lanes best;
  Place place;

  template <class T>
  [[gnu::always_inline]] WindowMaximum(const T* image, const float* bias, const PoolSizes& s, const Pool2d& pool,
                                       const Window& window, int64_t channel) {
    best = Lanes{} - __builtin_inff();
    place = Place{} + window.position(pool, window.top, window.left);
    for (int64_t row = window.top; row < window.bottom; ++row) {
      for (int64_t column = window.left; column < window.right; ++column) {
        Lanes pixel;
        load(pixel, image + (row * s.width + column) * s.channels + channel);
        const Place here = Place{} + window.position(pool, row, column);
        const auto larger = (pixel > best) | (pixel != pixel);  // a NaN wins, to be found later
        best = larger ? pixel : best;
        place = larger ? here : place;
      }
    }
    if (bias != nullptr) {
      Lanes added;
      load(added, bias + channel);
      best += added;
    }
    if (pool.relu) {
      place = best > Lanes{} ? place : Place{} + kNoPosition;
      best = best < Lanes{} ? Lanes{} : best;
    }
  }
};

template <class T>
static void max_pool_forward(T* y, uint8_t* position, const T* x, const float* bias, PoolSizes s, Pool2d pool) {
  parallel_rows(s.batch * s.out_height, s.out_width * s.channels * pool.kernel * pool.kernel, [&](int64_t line) {
    const T* image = x + line / s.out_height * s.height * s.width * s.channels;
    for (int64_t q = 0; q < s.out_width; ++q) {
      const Window window(s, pool, line % s.out_height, q);
      const int64_t out = (line * s.out_width + q) * s.channels;
      int64_t c = 0;
      for (; c + kLanes <= s.channels; c += kLanes) {
        const WindowMaximum<Floats> maximum(image, bias, s, pool, window, c);
        const Bytes place = __builtin_convertvector(maximum.place, Bytes);
        store(y + out + c, maximum.best);
        __builtin_memcpy(position + out + c, &place, sizeof place);
      }
      for (; c < s.channels; ++c) {
        const WindowMaximum<float> maximum(image, bias, s, pool, window, c);
        store(y + out + c, maximum.best);
        position[out + c] = static_cast<uint8_t>(maximum.place);
      }
    }
  });
}

/// Windows that tile the image: each element belongs to one window at most, so it is written once and not read.
template <class T>
[[gnu::always_inline]] inline void spread_tiles(T* image, const T* dy, const uint8_t* position, const PoolSizes& s,
                                                int64_t kernel) {
  const int64_t line = s.width * s.channels, covered = s.out_width * kernel * s.channels;
  for (int64_t p = 0; p < s.out_height; ++p) {
    for (int64_t row = 0; row < kernel; ++row) {
      T* pixel = image + (p * kernel + row) * line;
      T* const line_end = pixel + line;
      for (int64_t q = 0; q < s.out_width; ++q) {
        const int64_t out = (p * s.out_width + q) * s.channels;
        for (int64_t column = 0; column < kernel; ++column, pixel += s.channels) {
          const int32_t here = static_cast<int32_t>(row * kernel + column);
#pragma omp simd
          for (int64_t c = 0; c < s.channels; ++c) {
            const float gradient = widen(dy[out + c]);  // loaded in any case: a loop without branches
            pixel[c] = narrow<T>(position[out + c] == here ? gradient : 0);
          }
        }
      }
      if (covered < line) std::fill(pixel, line_end, T{});
    }
  }
  std::fill(image + s.out_height * kernel * line, image + s.height * line, T{});
}

/// Windows that may overlap or reach over the edge: the gradients of all that share an element are added.
template <class T>
[[gnu::always_inline]] inline void add_windows(T* dx, const T* dy, const uint8_t* position, const PoolSizes& s,
                                               const Pool2d& pool) {
  const PoolWindows windows(s, pool);
  sum_over_windows(dx, s, windows, [&]<class Lanes>(Lanes& sum, int64_t out, const PoolPlace& at) {
    Lanes gradient;
    Places<Lanes> place;
    load(gradient, dy + out);
    load_places(place, position + out);
    const int32_t here = (at.row - at.window_row * pool.stride + pool.padding) * pool.kernel + at.column -
                         at.window_column * pool.stride + pool.padding;
    sum += place == here ? gradient : Lanes{};
  });
}

template <class T>
static void max_pool_backward(T* dx, const T* dy, const uint8_t* position, PoolSizes s, Pool2d pool) {
  if (pool.stride != pool.kernel || pool.padding != 0) return add_windows(dx, dy, position, s, pool);
  const int64_t image_size = s.height * s.width * s.channels, out_size = s.out_height * s.out_width * s.channels;
  parallel_rows(s.batch, image_size, [&](int64_t n) {
    spread_tiles(dx + n * image_size, dy + n * out_size, position + n * out_size, s, pool.kernel);
  });
}

/// What the windows' maxima give, but for those that a ReLU cut off. rows: windows.
template <class T>
static void max_pool_bias_backward(float* dbias, const T* dy, const uint8_t* position, int64_t rows, int64_t channels) {
  sum_columns(dbias, rows, channels, [&](int64_t row, int64_t channel) {
    const int64_t at = row * channels + channel;
    const float gradient = widen(dy[at]);  // loaded in any case: a loop without branches
    return position[at] != kNoPosition ? gradient : 0;
  });
}

}  // namespace margincore::MARGINCORE_ISA
