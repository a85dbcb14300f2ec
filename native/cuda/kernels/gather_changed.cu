// Batch assembly with random changes (base/augmentation.h). One thread of a block draws the change of its image, all make
// their pixels of it. A block has a part of an image; but all of it where contrast needs the image's mean first.
#include "cuda/kernels/chosen.h"
#include "cuda/kernels/image_share.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

template <class T, int kChannels>
MARGINCORE_KERNEL gather_changed_kernel(T* batch, int32_t* batch_labels, const uint8_t* images, Chosen chosen,
                                        Augmentation augmentation, const float* scale, const float* shift,
                                        ImageShare share) {
  MARGINCORE_SHARED(ImageChange, drawn, 1);
  MARGINCORE_SHARED(float, sums, device::kWarp);
  const int block = static_cast<int>(device::block()), image = share.by_parts.quotient(block);
  const int part = share.by_parts.remainder(block, image), channels = share.size.channels;
  const int64_t place = chosen.position() + image, sample = chosen.sample(place);
  const int64_t values = int64_t{share.pixels} * channels;
  if (device::thread() == 0) {
    drawn[0] = draw_change(augmentation, chosen.step->seed, chosen.step->epoch, chosen.number(place), share.size.height,
                           share.size.width);
    if (part == 0 && chosen.labels != nullptr) batch_labels[image] = chosen.labels[sample];
  }
  device::sync_block();
  const ImageChange& change = drawn[0];
  for (int first = 0; first < channels; first += kChannels) {
    const uint8_t* from = images + sample * values + first;
    T* to = batch + image * values + first;
    const float mean = augmentation.contrast > 0 ? mean_grey<kChannels>(from, change, share, sums) : 0;
    const int parts = static_cast<int>(share.by_parts.divisor);
    MARGINCORE_ROLL
    for (int i = part * device::threads() + device::thread(); i < share.pixels; i += parts * device::threads()) {
      const int y = share.by_width.quotient(i), x = share.by_width.remainder(i, y);
      const Pixel<kChannels> pixel = changed_pixel<kChannels>(from, change, share, x, y, mean);
      MARGINCORE_UNROLL
      for (int c = 0; c < kChannels; ++c)
        to[int64_t{i} * channels + c] = narrow<T>(pixel.value[c] * scale[first + c] + shift[first + c]);
    }
  }
}

}  // namespace

void gather_changed(Tensor batch, int32_t* batch_labels, const GatherImages& gather, const StepBlock* step,
                    cudaStream_t stream) {
  const Shape& shape = gather.images.shape;
  const ImageSize size = {static_cast<int32_t>(shape[1]), static_cast<int32_t>(shape[2]),
                          static_cast<int32_t>(shape[3])};
  const int64_t pixels = shape[1] * shape[2];
  const int64_t parts = gather.augmentation.contrast > 0 ? 1 : blocks_for(pixels, kPixelsOfThread * kBlock);
  with_element(batch.dtype, [&](auto element) {
    using T = decltype(element);
    const auto run = [&](auto kernel) {
      MARGINCORE_RUN(kernel, batch.shape[0] * parts, kBlock, stream, elements<T>(batch), batch_labels,
                     gather.images.u8(), Chosen(gather, step), gather.augmentation, gather.scale.f32(),
                     gather.shift.f32(), ImageShare(size, parts));
    };
    if (size.channels == 3) run(gather_changed_kernel<T, 3>);
    else run(gather_changed_kernel<T, 1>);
  });
}

}  // namespace margincore::cuda
