// Average pooling, NHWC, and the average of whole images, which are walked channel by channel. All are bound by memory:
// each element of x or dx is moved once where windows do not overlap, and beside it one of y or dy per window.
#include <type_traits>

#include "cuda/kernels/channel_walk.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/pooling_cells.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

/// A window's average is over its elements inside the image.
MARGINCORE_DEVICE float share_of(Span<int> rows, Span<int> columns) {
  return 1 / static_cast<float>(rows.count() * columns.count());
}

template <class Channels>
MARGINCORE_DEVICE void add_scaled(float (&sum)[Channels::kCount], const Channels& values, float factor) {
  MARGINCORE_UNROLL
  for (int c = 0; c < Channels::kCount; ++c) sum[c] += widen(values.value[c]) * factor;
}

template <class Channels>
MARGINCORE_DEVICE Channels narrowed(const float (&values)[Channels::kCount], float factor) {
  Channels result;
  MARGINCORE_UNROLL
  for (int c = 0; c < Channels::kCount; ++c) result.value[c] = narrow<typename Channels::Element>(values[c] * factor);
  return result;
}

/// outputs: pixels of y.
template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL average_pool_forward_kernel(T* y, const T* x, PoolSizes s, Pool2d pool, Pixels outputs) {
  const int groups = s.channels / Channels::kCount;
  outputs.each([&](const Pixel& at) {
    const Span<int> rows = rows_of(s, pool).elements_of(at.row), columns = columns_of(s, pool).elements_of(at.column);
    float sum[Channels::kCount] = {};
    for (int row = rows.begin; row < rows.end; ++row)
      for (int column = columns.begin; column < columns.end; ++column)
        add_scaled(sum, pack<Channels>(x, place_of(at.image, row, column, s.height, s.width, groups, at.group)), 1);
    pack<Channels>(y, place_of(at.image, at.row, at.column, s.out_height, s.out_width, groups, at.group)) =
        narrowed<Channels>(sum, share_of(rows, columns));
  });
}

template <class Channels, bool kOverlap, class T = typename Channels::Element>
MARGINCORE_KERNEL average_pool_backward_kernel(T* dx, const T* dy, PoolSizes s, Pool2d pool, Pixels cells) {
  constexpr int kCount = Channels::kCount;
  const int groups = s.channels / kCount;
  const Windows<int> rows = rows_of(s, pool), columns = columns_of(s, pool);
  cells.each([&](const Pixel& cell) {
    const auto add_share = [&](float (&sum)[kCount], int p, int q) {
      add_scaled(sum, pack<Channels>(dy, place_of(cell.image, p, q, s.out_height, s.out_width, groups, cell.group)),
                 share_of(rows.elements_of(p), columns.elements_of(q)));
    };
    const bool windowed = has_window(cell, s);
    float own[kCount] = {};
    if (!kOverlap && windowed) add_share(own, cell.row, cell.column);
    const Channels own_share = narrowed<Channels>(own, 1);
    each_element(cell, s, pool, [&](int row, int column, int r, int k) {
      Channels out{};
      if constexpr (kOverlap) {
        float sum[kCount] = {};
        each_window_over(cell, r, k, s, pool, [&](int p, int q, int) { add_share(sum, p, q); });
        out = narrowed<Channels>(sum, 1);
      } else if (r < pool.kernel && k < pool.kernel) {
        out = own_share;
      }
      pack<Channels>(dx, place_of(cell.image, row, column, s.height, s.width, groups, cell.group)) = out;
    });
  });
}

/// A block has all pixels of one image, of which `share` is.
template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL global_average_forward_kernel(T* y, const T* x, ChannelShare share) {
  MARGINCORE_SHARED(float, shared, Channels::kCount* kBlock);
  const int n = static_cast<int>(device::block()) / share.tiles;
  const ChannelWalk mine(share, static_cast<int>(device::block()) - n * share.tiles);
  float sum[Channels::kCount] = {};
  for (int64_t i = n * share.pixels + mine.begin; i < n * share.pixels + mine.end; i += mine.stride)
    add_scaled(sum, pack<Channels>(x, i * share.groups + mine.group), 1);
  mine.sum(sum, shared);
  if (mine.first())
    pack<Channels>(y, static_cast<int64_t>(n) * share.groups + mine.group) =
        narrowed<Channels>(sum, 1 / static_cast<float>(share.pixels));
}

/// `blocks` for each image, of which `share` is.
template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL global_average_backward_kernel(T* dx, const T* dy, ChannelShare share, int blocks) {
  const int n = static_cast<int>(device::block()) / blocks;
  const ChannelWalk mine(share, static_cast<int>(device::block()) - n * blocks);
  if (mine.idle()) return;
  float gradient[Channels::kCount] = {};
  add_scaled(gradient, pack<Channels>(dy, static_cast<int64_t>(n) * share.groups + mine.group), 1);
  const Channels each = narrowed<Channels>(gradient, 1 / static_cast<float>(share.pixels));
  for (int64_t i = n * share.pixels + mine.begin; i < n * share.pixels + mine.end; i += mine.stride)
    pack<Channels>(dx, i * share.groups + mine.group) = each;
}

}  // namespace

void average_pool_forward(Tensor y, Tensor x, PoolSizes sizes, Pool2d pool, cudaStream_t stream) {
  with_pack(y.dtype, sizes.channels, [&](auto channels) {
    using Channels = decltype(channels);
    using T = typename Channels::Element;
    const Pixels outputs(sizes.batch, sizes.out_height, sizes.out_width, sizes.channels / Channels::kCount);
    MARGINCORE_RUN(average_pool_forward_kernel<Channels>, outputs.blocks(), outputs.threads(), stream, elements<T>(y),
                   elements<T>(x), sizes, pool, outputs);
  });
}

void average_pool_backward(Tensor dx, Tensor dy, PoolSizes sizes, Pool2d pool, cudaStream_t stream) {
  with_pack(dx.dtype, sizes.channels, [&](auto channels) {
    using Channels = decltype(channels);
    using T = typename Channels::Element;
    const Pixels cells = cells_of(sizes, pool, sizes.channels / Channels::kCount);
    const auto run = [&](auto overlap) {
      MARGINCORE_RUN((average_pool_backward_kernel<Channels, overlap.value>), cells.blocks(), cells.threads(), stream,
                     elements<T>(dx), elements<T>(dy), sizes, pool, cells);
    };
    if (windows_overlap(pool)) run(std::true_type{});
    else run(std::false_type{});
  });
}

void global_average_forward(Tensor y, Tensor x, cudaStream_t stream) {
  const int64_t batch = x.shape[0], channels = x.shape[3], pixels = x.shape[1] * x.shape[2];
  with_pack(x.dtype, channels, [&](auto pack) {
    using Channels = decltype(pack);
    using T = typename Channels::Element;
    const ChannelShare share = share_channels(pixels, channels / Channels::kCount, pixels);
    MARGINCORE_RUN(global_average_forward_kernel<Channels>, batch * share.blocks(), kBlock, stream, elements<T>(y),
                   elements<T>(x), share);
  });
}

void global_average_backward(Tensor dx, Tensor dy, cudaStream_t stream) {
  const int64_t batch = dx.shape[0], channels = dx.shape[3], pixels = dx.shape[1] * dx.shape[2];
  with_pack(dx.dtype, channels, [&](auto pack) {
    using Channels = decltype(pack);
    using T = typename Channels::Element;
    const ChannelShare share = share_channels(pixels, channels / Channels::kCount, 8);
    MARGINCORE_RUN(global_average_backward_kernel<Channels>, batch * share.blocks(), kBlock, stream, elements<T>(dx),
                   elements<T>(dy), share, static_cast<int>(share.blocks()));
  });
}

}  // namespace margincore::cuda
