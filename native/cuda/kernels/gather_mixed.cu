// Batch assembly with images mixed with each other (base/image_mix.h), each changed by itself before. Three threads of a block
// draw: the image's change, its partner's, and how the two are mixed. Blocks share images as in gather_changed.cu.
#include "base/image_mix.h"
#include "cuda/kernels/chosen.h"
#include "cuda/kernels/image_share.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

/// Labels of a batch and of its rows' partners, with the partners' shares; each or null.
struct MixedLabels {
  int32_t *own, *partner;
  float* share;
};

template <class T, int kChannels>
MARGINCORE_KERNEL gather_mixed_kernel(T* batch, MixedLabels labels, MixedRows rows, const uint8_t* images,
                                      Chosen chosen, Augmentation augmentation, const float* scale, const float* shift,
                                      ImageShare share) {
  MARGINCORE_SHARED(ImageChange, drawn, 2);
  MARGINCORE_SHARED(ImageMix, mixes, 1);
  MARGINCORE_SHARED(float, sums, device::kWarp);
  MARGINCORE_SHARED(float, means, 2);
  const int block = static_cast<int>(device::block()), image = share.by_parts.quotient(block);
  const int part = share.by_parts.remainder(block, image), channels = share.size.channels;
  const int64_t places[2] = {chosen.position() + image, chosen.position() + partner_of(image, rows)};
  const int64_t samples[2] = {chosen.sample(places[0]), chosen.sample(places[1])};
  const int64_t values = int64_t{share.pixels} * channels;
  const int thread = device::thread();
  if (thread < 2) {
    drawn[thread] = draw_change(augmentation, chosen.step->seed, chosen.step->epoch, chosen.number(places[thread]),
                                share.size.height, share.size.width);
  } else if (thread == 2) {
    mixes[0] = draw_mix(augmentation, chosen.step->seed, chosen.step->epoch, chosen.number(places[0]), rows.all,
                        share.size.height, share.size.width);
    if (part == 0 && labels.share != nullptr) labels.share[image] = mixes[0].share;
    if (part == 0 && chosen.labels != nullptr) {
      labels.own[image] = chosen.labels[samples[0]];
      if (labels.partner != nullptr) labels.partner[image] = chosen.labels[samples[1]];
    }
  }
  device::sync_block();
  const ImageMix& mix = mixes[0];
  for (int first = 0; first < channels; first += kChannels) {
    T* to = batch + image * values + first;
    if (augmentation.contrast > 0) {
      MARGINCORE_ROLL
      for (int k = 0; k < 2; ++k) {
        const float mean = mean_grey<kChannels>(images + samples[k] * values + first, drawn[k], share, sums);
        if (thread == 0) means[k] = mean;
      }
      device::sync_block();
    }
    const int parts = static_cast<int>(share.by_parts.divisor);
    MARGINCORE_ROLL
    for (int i = part * device::threads() + thread; i < share.pixels; i += parts * device::threads()) {
      const int y = share.by_width.quotient(i), x = share.by_width.remainder(i, y);
      const float of_partner = weight_of_partner(mix, x, y);
      Pixel<kChannels> pixel = {};
      MARGINCORE_ROLL
      for (int k = 0; k < 2; ++k) {  // one after the other, in the registers of one
        const float weight = k == 0 ? 1 - of_partner : of_partner;
        if (weight == 0) continue;
        const uint8_t* from = images + samples[k] * values + first;
        const float mean = augmentation.contrast > 0 ? means[k] : 0;
        const Pixel<kChannels> changed = changed_pixel<kChannels>(from, drawn[k], share, x, y, mean);
        MARGINCORE_UNROLL
        for (int c = 0; c < kChannels; ++c) pixel.value[c] += weight * changed.value[c];
      }
      MARGINCORE_UNROLL
      for (int c = 0; c < kChannels; ++c)
        to[int64_t{i} * channels + c] = narrow<T>(pixel.value[c] * scale[first + c] + shift[first + c]);
    }
  }
}

}  // namespace

void gather_mixed(Tensor batch, int32_t* batch_labels, const GatherImages& gather, const StepBlock* step,
                  cudaStream_t stream) {
  const Shape& shape = gather.images.shape;
  const ImageSize size = {static_cast<int32_t>(shape[1]), static_cast<int32_t>(shape[2]),
                          static_cast<int32_t>(shape[3])};
  const int64_t pixels = shape[1] * shape[2];
  const int64_t parts = gather.augmentation.contrast > 0 ? 1 : blocks_for(pixels, kPixelsOfThread * kBlock);
  const MixedLabels labels = {batch_labels, gather.mixed_labels.i32(), gather.mixed_share.f32()};
  with_element(batch.dtype, [&](auto element) {
    using T = decltype(element);
    const auto run = [&](auto kernel) {
      MARGINCORE_RUN(kernel, batch.shape[0] * parts, kBlock, stream, elements<T>(batch), labels, gather.mixed_rows,
                     gather.images.u8(), Chosen(gather, step), gather.augmentation, gather.scale.f32(),
                     gather.shift.f32(), ImageShare(size, parts));
    };
    if (size.channels == 3) run(gather_mixed_kernel<T, 3>);
    else run(gather_mixed_kernel<T, 1>);
  });
}

}  // namespace margincore::cuda
