// Channel ranges of NHWC images, copied from a place in each pixel to one in another: 16 bytes at a time where pixels
// and ranges begin at multiples of that.
#include "cuda/kernels/channel_walk.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

/// Pixels of `to` and `from` lie so many packs apart.
template <class Channels, class T = typename Channels::Element>
MARGINCORE_KERNEL copy_channels_kernel(T* to, const T* from, int to_stride, int from_stride, ChannelShare share) {
  const ChannelWalk mine(share, static_cast<int>(device::block()));
  for (int64_t i = mine.begin; i < mine.end; i += mine.stride)
    pack<Channels>(to, i * to_stride + mine.group) = pack<Channels>(from, i * from_stride + mine.group);
}

int64_t channels_of(const Tensor& image) { return image.shape[image.shape.rank - 1]; }

/// Channels from `to_first` on of one image become those from `from_first` on of the other, `count` of them.
void copy_channels(Tensor to, int64_t to_first, Tensor from, int64_t from_first, int64_t count, cudaStream_t stream) {
  // A power of two divides each of these where it divides their bitwise or.
  const int64_t alignment = channels_of(to) | to_first | channels_of(from) | from_first | count;
  with_pack(to.dtype, alignment, [&](auto pack) {
    using Channels = decltype(pack);
    using T = typename Channels::Element;
    constexpr int64_t kCount = Channels::kCount;
    const ChannelShare share = share_channels(to.count() / channels_of(to), count / kCount);
    MARGINCORE_RUN(copy_channels_kernel<Channels>, share.blocks(), kBlock, stream, elements<T>(to) + to_first,
                   elements<T>(from) + from_first, static_cast<int>(channels_of(to) / kCount),
                   static_cast<int>(channels_of(from) / kCount), share);
  });
}

}  // namespace

void concat_write(Tensor whole, Tensor part, int64_t first, cudaStream_t stream) {
  copy_channels(whole, first, part, 0, channels_of(part), stream);
}

void concat_read(Tensor part, Tensor whole, int64_t first, cudaStream_t stream) {
  copy_channels(part, 0, whole, first, channels_of(part), stream);
}

}  // namespace margincore::cuda
