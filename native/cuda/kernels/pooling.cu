// Max pooling, NHWC, with an optional ReLU of the maximum. A block per line of the output (forward) or input
// (backward), a thread per 16 bytes of channels, so that neighbours move neighbouring addresses. Forward reads x once
// (windows that do not overlap) and writes an element and a byte per output. Backward asks, for each input element, the
// windows over it whether they took it: no two threads write one place, and sums have a fixed order.
#include <cmath>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

using device::thread;
using device::threads;

template <class Channels>
MARGINCORE_KERNEL max_pool_forward_kernel(typename Channels::Element* y, uint8_t* position,
                                          const typename Channels::Element* x, PoolSizes s, Pool2d pool) {
  using T = typename Channels::Element;
  constexpr int kCount = Channels::kCount;
  const int64_t line = device::block(), n = line / s.out_height;
  const int top = static_cast<int>(line - n * s.out_height) * pool.stride - pool.padding;
  const int groups = s.channels / kCount;
  for (int i = thread(); i < s.out_width * groups; i += threads()) {
    const int q = i / groups, group = i - q * groups, left = q * pool.stride - pool.padding;
    float best[kCount];
    int place[kCount];
    for (int c = 0; c < kCount; ++c) best[c] = -INFINITY, place[c] = kNoPosition;
    for (int r = 0; r < pool.kernel; ++r) {
      if (top + r < 0 || top + r >= s.height) continue;
      for (int k = 0; k < pool.kernel; ++k) {
        if (left + k < 0 || left + k >= s.width) continue;
        const Channels from = pack<Channels>(x, ((n * s.height + top + r) * s.width + left + k) * groups + group);
        for (int c = 0; c < kCount; ++c) {
          const float value = widen(from.value[c]);
          // A NaN wins, to be found later.
          const bool larger = place[c] == kNoPosition || value > best[c] || value != value;
          best[c] = larger ? value : best[c];
          place[c] = larger ? r * pool.kernel + k : place[c];
        }
      }
    }
    Channels out;
    Pack<uint8_t, kCount> places;
    for (int c = 0; c < kCount; ++c) {
      const bool cut = pool.relu != 0 && !(best[c] > 0);
      places.value[c] = static_cast<uint8_t>(cut ? kNoPosition : place[c]);
      out.value[c] = narrow<T>(pool.relu != 0 && best[c] < 0 ? 0 : best[c]);
    }
    const int64_t to = line * s.out_width * groups + i;
    pack<Channels>(y, to) = out;
    pack<Pack<uint8_t, kCount>>(position, to) = places;
  }
}

template <class Channels>
MARGINCORE_KERNEL max_pool_backward_kernel(typename Channels::Element* dx, const typename Channels::Element* dy,
                                           const uint8_t* position, PoolSizes s, Pool2d pool) {
  using T = typename Channels::Element;
  constexpr int kCount = Channels::kCount;
  const int64_t line = device::block(), n = line / s.height;
  const int h = static_cast<int>(line - n * s.height), groups = s.channels / kCount;
  for (int i = thread(); i < s.width * groups; i += threads()) {
    const int w = i / groups, group = i - w * groups;
    float sum[kCount] = {};
    for (int r = 0; r < pool.kernel; ++r) {
      const int top = h + pool.padding - r, p = top / pool.stride;
      if (top < 0 || p * pool.stride != top || p >= s.out_height) continue;
      for (int k = 0; k < pool.kernel; ++k) {
        const int left = w + pool.padding - k, q = left / pool.stride;
        if (left < 0 || q * pool.stride != left || q >= s.out_width) continue;
        const int64_t from = ((n * s.out_height + p) * s.out_width + q) * groups + group;
        const auto places = pack<Pack<uint8_t, kCount>>(position, from);
        const Channels gradient = pack<Channels>(dy, from);
        for (int c = 0; c < kCount; ++c)
          if (places.value[c] == r * pool.kernel + k) sum[c] += widen(gradient.value[c]);
      }
    }
    Channels out;
    for (int c = 0; c < kCount; ++c) out.value[c] = narrow<T>(sum[c]);
    pack<Channels>(dx, line * s.width * groups + i) = out;
  }
}

}  // namespace

void max_pool_forward(Tensor y, uint8_t* position, Tensor x, PoolSizes sizes, Pool2d pool, cudaStream_t stream) {
  with_pack(y.dtype, sizes.channels, [&](auto channels) {
    using Channels = decltype(channels);
    using T = typename Channels::Element;
    MARGINCORE_RUN(max_pool_forward_kernel<Channels>, sizes.batch * sizes.out_height,
                   line_threads(sizes.out_width * sizes.channels / Channels::kCount), stream, elements<T>(y), position,
                   elements<T>(x), sizes, pool);
  });
}

void max_pool_backward(Tensor dx, Tensor dy, const uint8_t* position, PoolSizes sizes, Pool2d pool,
                       cudaStream_t stream) {
  with_pack(dx.dtype, sizes.channels, [&](auto channels) {
    using Channels = decltype(channels);
    using T = typename Channels::Element;
    MARGINCORE_RUN(max_pool_backward_kernel<Channels>, sizes.batch * sizes.height,
                   line_threads(sizes.width * sizes.channels / Channels::kCount), stream, elements<T>(dx),
                   elements<T>(dy), position, sizes, pool);
  });
}

}  // namespace margincore::cuda
