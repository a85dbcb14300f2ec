// Channels of images and weights padded with zeros to 16 bytes, for tensor cores. Bound by memory, in elements moved per
// element of the result: 1 and what is read.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

template <class T>
MARGINCORE_KERNEL pad_channels_kernel(T* to, const T* from, int channels, int64_t rows) {
  using Row = Pack<T>;
  for (int64_t row = device::global_thread(); row < rows; row += device::global_threads()) {
    Row padded;
    MARGINCORE_UNROLL
    for (int c = 0; c < Row::kCount; ++c) padded.value[c] = c < channels ? from[row * channels + c] : T{};
    pack<Row>(to, row) = padded;
  }
}

}  // namespace

void pad_channels(Tensor to, Tensor from, cudaStream_t stream) {
  const int64_t channels = from.shape[from.shape.rank - 1], rows = from.count() / channels;
  with_element(to.dtype, [&](auto element) {
    using T = decltype(element);
    MARGINCORE_RUN(pad_channels_kernel<T>, striding_blocks(rows), kBlock, stream, elements<T>(to), elements<T>(from),
                   static_cast<int>(channels), rows);
  });
}

}  // namespace margincore::cuda
