// Max pooling, NHWC, with an optional ReLU of the maximum. Forward reads x once (windows that do not overlap) and
// writes an element and a byte per output; backward reads those once and writes dx.
#include <cmath>
#include <type_traits>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/pooling_cells.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

/// Maxima of a window so far, and their places in it.
template <int kCount>
struct Maxima {
  float best[kCount];
  int place[kCount];

  MARGINCORE_DEVICE explicit Maxima(int first) {
    MARGINCORE_UNROLL
    for (int c = 0; c < kCount; ++c) {
      best[c] = -INFINITY;
      place[c] = first;
    }
  }

  template <class Channels>
  MARGINCORE_DEVICE void take(const Channels& from, int at) {
    MARGINCORE_UNROLL
    for (int c = 0; c < kCount; ++c) {
      const float value = widen(from.value[c]);
      const bool larger = value > best[c] || value != value;  // a NaN wins, to be found later
      best[c] = larger ? value : best[c];
      place[c] = larger ? at : place[c];
    }
  }
};

/// outputs: pixels of y; bias: or null. kTwo: windows of 2 x 2, whose elements are all under way before the first is used.
template <class Channels, bool kTwo, class T = typename Channels::Element>
MARGINCORE_KERNEL max_pool_forward_kernel(T* y, uint8_t* position, const T* x, const float* bias, PoolSizes s,
                                          Pool2d pool, Pixels outputs) {
  constexpr int kCount = Channels::kCount;
  const int groups = s.channels / kCount;
  outputs.each([&](const Pixel& at) {
    const Span<int> rows = rows_of(s, pool).elements_of(at.row), columns = columns_of(s, pool).elements_of(at.column);
    const int above = at.row * pool.stride - pool.padding, before = at.column * pool.stride - pool.padding;
    const auto place_in_window = [&](int row, int column) {
      return (row - above) * (kTwo ? 2 : pool.kernel) + column - before;
    };
    const auto load = [&](int row, int column) {
      return pack<Channels>(x, place_of(at.image, row, column, s.height, s.width, groups, at.group));
    };
    Maxima<kCount> maxima(place_in_window(rows.begin, columns.begin));
    if constexpr (kTwo) {
      // At the image's edge some are the same, which changes nothing.
      const int row[] = {rows.begin, rows.end - 1}, column[] = {columns.begin, columns.end - 1};
      Channels from[4];
      MARGINCORE_UNROLL
      for (int i = 0; i < 4; ++i) from[i] = load(row[i / 2], column[i % 2]);
      MARGINCORE_UNROLL
      for (int i = 0; i < 4; ++i) maxima.take(from[i], place_in_window(row[i / 2], column[i % 2]));
    } else {
      MARGINCORE_ROLL
      for (int row = rows.begin; row < rows.end; ++row) {
        MARGINCORE_ROLL
        for (int column = columns.begin; column < columns.end; ++column)
          maxima.take(load(row, column), place_in_window(row, column));
      }
    }
    Channels out;
    Pack<uint8_t, kCount> places;
    for (int c = 0; c < kCount; ++c) {
      const float sum = maxima.best[c] + (bias != nullptr ? bias[at.group * kCount + c] : 0);
      const bool cut = pool.relu != 0 && !(sum > 0);
      places.value[c] = static_cast<uint8_t>(cut ? kNoPosition : maxima.place[c]);
      out.value[c] = narrow<T>(pool.relu != 0 && sum < 0 ? 0 : sum);
    }
    const int64_t to = place_of(at.image, at.row, at.column, s.out_height, s.out_width, groups, at.group);
    pack<Channels>(y, to) = out;
    pack<Pack<uint8_t, kCount>>(position, to) = places;
  });
}

/// A window's gradients, and where it took its maxima.
template <class Channels>
struct Taken {
  Channels gradient;
  Pack<uint8_t, Channels::kCount> place;
};

template <class Channels, bool kOverlap, class T = typename Channels::Element>
MARGINCORE_KERNEL max_pool_backward_kernel(T* dx, const T* dy, const uint8_t* position, PoolSizes s, Pool2d pool,
                                           Pixels cells) {
  constexpr int kCount = Channels::kCount;
  const int groups = s.channels / kCount;
  cells.each([&](const Pixel& cell) {
    const auto taken_by = [&](int p, int q) -> Taken<Channels> {
      const int64_t from = place_of(cell.image, p, q, s.out_height, s.out_width, groups, cell.group);
      return {pack<Channels>(dy, from), pack<Pack<uint8_t, kCount>>(position, from)};
    };
    const bool windowed = has_window(cell, s);
    Taken<Channels> own{};
    if (!kOverlap && windowed) own = taken_by(cell.row, cell.column);
    each_element(cell, s, pool, [&](int row, int column, int r, int k) {
      Channels out{};
      if constexpr (kOverlap) {
        float sum[kCount] = {};
        each_window_over(cell, r, k, s, pool, [&](int p, int q, int place) {
          const Taken<Channels> taken = taken_by(p, q);
          for (int c = 0; c < kCount; ++c)
            if (taken.place.value[c] == place) sum[c] += widen(taken.gradient.value[c]);
        });
        for (int c = 0; c < kCount; ++c) out.value[c] = narrow<T>(sum[c]);
      } else if (windowed && r < pool.kernel && k < pool.kernel) {
        for (int c = 0; c < kCount; ++c)
          if (own.place.value[c] == r * pool.kernel + k) out.value[c] = own.gradient.value[c];
      }
      pack<Channels>(dx, place_of(cell.image, row, column, s.height, s.width, groups, cell.group)) = out;
    });
  });
}

}  // namespace

void max_pool_forward(Tensor y, uint8_t* position, Tensor x, const float* bias, PoolSizes sizes, Pool2d pool,
                      cudaStream_t stream) {
  with_pack(y.dtype, sizes.channels, [&](auto channels) {
    using Channels = decltype(channels);
    using T = typename Channels::Element;
    const Pixels outputs(sizes.batch, sizes.out_height, sizes.out_width, sizes.channels / Channels::kCount);
    const auto run = [&](auto two) {
      MARGINCORE_RUN((max_pool_forward_kernel<Channels, two.value>), outputs.blocks(), outputs.threads(), stream,
                     elements<T>(y), position, elements<T>(x), bias, sizes, pool, outputs);
    };
    if (pool.kernel == 2) run(std::true_type{});
    else run(std::false_type{});
  });
}

void max_pool_backward(Tensor dx, Tensor dy, const uint8_t* position, PoolSizes sizes, Pool2d pool,
                       cudaStream_t stream) {
  with_pack(dx.dtype, sizes.channels, [&](auto channels) {
    using Channels = decltype(channels);
    using T = typename Channels::Element;
    const Pixels cells = cells_of(sizes, pool, sizes.channels / Channels::kCount);
    const auto run = [&](auto overlap) {
      MARGINCORE_RUN((max_pool_backward_kernel<Channels, overlap.value>), cells.blocks(), cells.threads(), stream,
                     elements<T>(dx), elements<T>(dy), position, sizes, pool, cells);
    };
    if (windows_overlap(pool)) run(std::true_type{});
    else run(std::false_type{});
  });
}

}  // namespace margincore::cuda
