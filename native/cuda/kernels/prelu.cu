// PReLU: below zero a slope per channel, or one for all. Bound by memory: forward moves two elements per element,
// backward three, for it sums the slopes' gradient in the pass that writes dx: per block here, over the blocks as any
// columns.
#include "cuda/kernels/channel_walk.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

template <int kCount>
MARGINCORE_DEVICE void load_slopes(float (&slopes)[kCount], const float* slope, bool one, int group) {
  MARGINCORE_UNROLL
  for (int c = 0; c < kCount; ++c) slopes[c] = slope[one ? 0 : group * kCount + c];
}

template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL prelu_forward_kernel(T* y, const T* x, const float* slope, bool one, ChannelShare share) {
  constexpr int kCount = Channels::kCount;
  const ChannelWalk mine(share, static_cast<int>(device::block()));
  if (mine.idle()) return;
  float slopes[kCount];
  load_slopes(slopes, slope, one, mine.group);
  for (int64_t i = mine.begin; i < mine.end; i += mine.stride) {
    Channels values = pack<Channels>(x, i * share.groups + mine.group);
    MARGINCORE_UNROLL
    for (int c = 0; c < kCount; ++c) {
      const float value = widen(values.value[c]);
      values.value[c] = narrow<T>(value > 0 ? value : slopes[c] * value);  // a NaN stays one and is found
    }
    pack<Channels>(y, i * share.groups + mine.group) = values;
  }
}

/// partial: (chunks, channels).
template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL prelu_backward_kernel(T* dx, float* partial, const T* dy, const T* x, const float* slope, bool one,
                                        ChannelShare share) {
  constexpr int kCount = Channels::kCount;
  MARGINCORE_SHARED(float, shared, kCount* kBlock);
  const ChannelWalk mine(share, static_cast<int>(device::block()));
  float slopes[kCount] = {}, sum[kCount] = {};
  if (!mine.idle()) load_slopes(slopes, slope, one, mine.group);
  for (int64_t i = mine.begin; i < mine.end; i += mine.stride) {
    const Channels values = pack<Channels>(x, i * share.groups + mine.group);
    Channels gradients = pack<Channels>(dy, i * share.groups + mine.group);
    MARGINCORE_UNROLL
    for (int c = 0; c < kCount; ++c) {
      const float value = widen(values.value[c]), gradient = widen(gradients.value[c]);
      sum[c] += value > 0 ? 0 : gradient * value;
      gradients.value[c] = narrow<T>(value > 0 ? gradient : slopes[c] * gradient);
    }
    pack<Channels>(dx, i * share.groups + mine.group) = gradients;
  }
  mine.sum(sum, shared);
  if (!mine.first()) return;
  MARGINCORE_UNROLL
  for (int c = 0; c < kCount; ++c) partial[(mine.chunk * share.groups + mine.group) * kCount + c] = sum[c];
}

constexpr int64_t kLeastPixels = 8;  // for each thread of a sum, so that partial sums are few

int64_t channels_of(const Tensor& x) { return x.shape[x.shape.rank - 1]; }

}  // namespace

void prelu_forward(Tensor y, Tensor x, Tensor slope, cudaStream_t stream) {
  const int64_t channels = channels_of(x);
  with_pack(x.dtype, channels, [&](auto pack) {
    using Channels = decltype(pack);
    using T = typename Channels::Element;
    const ChannelShare share = share_channels(x.count() / channels, channels / Channels::kCount);
    MARGINCORE_RUN(prelu_forward_kernel<Channels>, share.blocks(), kBlock, stream, elements<T>(y), elements<T>(x),
                   slope.f32(), slope.count() == 1, share);
  });
}

int64_t prelu_partials(const Tensor& x) {
  const int64_t channels = channels_of(x);
  int64_t chunks = 0;
  with_pack(x.dtype, channels, [&](auto pack) {
    chunks = share_channels(x.count() / channels, channels / pack.kCount, kLeastPixels).chunks();
  });
  return (chunks + 1) * channels + sum_partials(chunks, channels);
}

void prelu_backward(Tensor dx, Tensor dslope, Parts parts, Tensor dy, Tensor x, Tensor slope, cudaStream_t stream) {
  const int64_t channels = channels_of(x);
  const bool one = slope.count() == 1;
  float* sums = one ? parts.values : dslope.f32();
  float* partial = parts.values + channels;
  with_pack(x.dtype, channels, [&](auto pack) {
    using Channels = decltype(pack);
    using T = typename Channels::Element;
    const ChannelShare share = share_channels(x.count() / channels, channels / Channels::kCount, kLeastPixels);
    const int64_t chunks = share.chunks();
    MARGINCORE_RUN(prelu_backward_kernel<Channels>, share.blocks(), kBlock, stream, elements<T>(dx), partial,
                   elements<T>(dy), elements<T>(x), slope.f32(), one, share);
    column_sums(sums, {partial + chunks * channels, parts.counters}, {partial, {chunks, channels}}, nullptr, chunks,
                channels, stream);
  });
  if (one) sum(dslope.f32(), sums, channels, stream);
}

}  // namespace margincore::cuda
