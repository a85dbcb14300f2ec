// Average pooling, NHWC, and the average of whole images. A block per line of the output (forward) or input (backward),
// as for max pooling; whole images are walked channel by channel. Backward gathers, for each input element, from the
// windows over it: no two threads write one place, and sums have a fixed order. All are bound by memory: each element
// of x or dx is moved once where windows do not overlap, and beside it one of y or dy per window.
#include "base/window.h"
#include "cuda/kernels/channel_walk.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

using device::thread;
using device::threads;

MARGINCORE_DEVICE Windows<int> rows_of(const PoolSizes& s, const Pool2d& pool) {
  return {s.height, s.out_height, pool.kernel, pool.stride, pool.padding};
}
MARGINCORE_DEVICE Windows<int> columns_of(const PoolSizes& s, const Pool2d& pool) {
  return {s.width, s.out_width, pool.kernel, pool.stride, pool.padding};
}

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

template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL average_pool_forward_kernel(T* y, const T* x, PoolSizes s, Pool2d pool) {
  const int64_t line = device::block(), n = line / s.out_height;
  const Span<int> rows = rows_of(s, pool).elements_of(static_cast<int>(line - n * s.out_height));
  const int groups = s.channels / Channels::kCount;
  for (int i = thread(); i < s.out_width * groups; i += threads()) {
    const int q = i / groups, group = i - q * groups;
    const Span<int> columns = columns_of(s, pool).elements_of(q);
    float sum[Channels::kCount] = {};
    for (int row = rows.begin; row < rows.end; ++row)
      for (int column = columns.begin; column < columns.end; ++column)
        add_scaled(sum, pack<Channels>(x, ((n * s.height + row) * s.width + column) * groups + group), 1);
    pack<Channels>(y, line * s.out_width * groups + i) = narrowed<Channels>(sum, share_of(rows, columns));
  }
}

template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL average_pool_backward_kernel(T* dx, const T* dy, PoolSizes s, Pool2d pool) {
  const int64_t line = device::block(), n = line / s.height;
  const Windows<int> rows = rows_of(s, pool), columns = columns_of(s, pool);
  const Span<int> over_row = rows.windows_over(static_cast<int>(line - n * s.height));
  const int groups = s.channels / Channels::kCount;
  for (int i = thread(); i < s.width * groups; i += threads()) {
    const int w = i / groups, group = i - w * groups;
    const Span<int> over_column = columns.windows_over(w);
    float sum[Channels::kCount] = {};
    for (int p = over_row.begin; p < over_row.end; ++p)
      for (int q = over_column.begin; q < over_column.end; ++q)
        add_scaled(sum, pack<Channels>(dy, ((n * s.out_height + p) * s.out_width + q) * groups + group),
                   share_of(rows.elements_of(p), columns.elements_of(q)));
    pack<Channels>(dx, line * s.width * groups + i) = narrowed<Channels>(sum, 1);
  }
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
    MARGINCORE_RUN(average_pool_forward_kernel<Channels>, sizes.batch * sizes.out_height,
                   line_threads(sizes.out_width * sizes.channels / Channels::kCount), stream, elements<T>(y),
                   elements<T>(x), sizes, pool);
  });
}

void average_pool_backward(Tensor dx, Tensor dy, PoolSizes sizes, Pool2d pool, cudaStream_t stream) {
  with_pack(dx.dtype, sizes.channels, [&](auto channels) {
    using Channels = decltype(channels);
    using T = typename Channels::Element;
    MARGINCORE_RUN(average_pool_backward_kernel<Channels>, sizes.batch * sizes.height,
                   line_threads(sizes.width * sizes.channels / Channels::kCount), stream, elements<T>(dx),
                   elements<T>(dy), sizes, pool);
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
