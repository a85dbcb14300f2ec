// Batch assembly: chosen samples of a uint8 dataset in device memory, normalised per channel: reads 1 byte and writes
// an element per value. Where a sample lies is known only after two loads, one behind the other: so a thread takes four
// packs of values together, and a block several small images or a part of a large one.
#include <algorithm>

#include "cuda/kernels/chosen.h"
#include "cuda/kernels/divider.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

constexpr int kAtOnce = 4;  // packs of a thread

/// A block takes a part of so many images at once.
struct GatherShare {
  int images, at_once;
  int packs, channels;  // of an image
  Divider by_parts, by_packs, by_channels;

  static int64_t parts(int64_t packs) { return blocks_for(packs, kAtOnce * kBlock); }

  GatherShare(int64_t images, int64_t packs, int64_t channels)
      : images(static_cast<int>(images)),
        at_once(static_cast<int>(std::max<int64_t>(kAtOnce * kBlock / packs, 1))),
        packs(static_cast<int>(packs)),
        channels(static_cast<int>(channels)),
        by_parts(parts(at_once * packs)),
        by_packs(packs),
        by_channels(channels) {}

  int64_t blocks() const { return blocks_for(images, at_once) * parts(int64_t{at_once} * packs); }
};

template <class Values, class T = typename Values::Element>
MARGINCORE_KERNEL gather_images_kernel(T* batch, int32_t* batch_labels, const uint8_t* images, Chosen chosen,
                                       const float* scale, const float* shift, GatherShare share) {
  constexpr int kCount = Values::kCount;
  using Pixels = Pack<uint8_t, kCount>;
  const int block = static_cast<int>(device::block()), group = share.by_parts.quotient(block);
  const int part = share.by_parts.remainder(block, group);
  const int first_image = group * share.at_once;
  const int64_t position = chosen.position();
  int image[kAtOnce], place[kAtOnce];
  bool inside[kAtOnce];
  int64_t sample[kAtOnce];
  Pixels pixels[kAtOnce];
  MARGINCORE_UNROLL
  for (int j = 0; j < kAtOnce; ++j) {
    const int i = (part * kAtOnce + j) * kBlock + device::thread(), among = share.by_packs.quotient(i);
    inside[j] = among < share.at_once && first_image + among < share.images;
    image[j] = inside[j] ? first_image + among : first_image;  // loads that need no condition are all under way
    place[j] = inside[j] ? share.by_packs.remainder(i, among) : 0;
    sample[j] = chosen.sample(position + image[j]);
  }
  MARGINCORE_UNROLL
  for (int j = 0; j < kAtOnce; ++j) pixels[j] = pack<Pixels>(images, sample[j] * share.packs + place[j]);
  MARGINCORE_UNROLL
  for (int j = 0; j < kAtOnce; ++j) {
    if (!inside[j]) continue;
    int channel = share.by_channels.remainder(place[j] * kCount, share.by_channels.quotient(place[j] * kCount));
    Values out;
    MARGINCORE_UNROLL
    for (int v = 0; v < kCount; ++v) {
      out.value[v] = narrow<T>(static_cast<float>(pixels[j].value[v]) * scale[channel] + shift[channel]);
      channel = channel + 1 == share.channels ? 0 : channel + 1;
    }
    pack<Values>(batch, static_cast<int64_t>(image[j]) * share.packs + place[j]) = out;
  }
  if (chosen.labels == nullptr) return;
  MARGINCORE_UNROLL
  for (int j = 0; j < kAtOnce; ++j)
    if (inside[j] && place[j] == 0) batch_labels[image[j]] = chosen.labels[sample[j]];
}

}  // namespace

void gather_images(Tensor batch, int32_t* batch_labels, const GatherImages& gather, const StepBlock* step,
                   cudaStream_t stream) {
  if (mixes_images(gather.augmentation)) return gather_mixed(batch, batch_labels, gather, step, stream);
  if (is_on(gather.augmentation)) return gather_changed(batch, batch_labels, gather, step, stream);
  const Shape& shape = gather.images.shape;
  const int64_t image_size = shape.row_count();
  const Chosen chosen(gather, step);
  with_element(batch.dtype, [&](auto element) {
    using T = decltype(element);
    const auto run = [&](auto values) {
      using Values = decltype(values);
      const GatherShare share(batch.shape[0], image_size / Values::kCount, shape[3]);
      MARGINCORE_RUN(gather_images_kernel<Values>, share.blocks(), kBlock, stream, elements<T>(batch), batch_labels,
                     gather.images.u8(), chosen, gather.scale.f32(), gather.shift.f32(), share);
    };
    if (image_size % 4 == 0) run(Pack<T, 4>{});
    else run(Pack<T, 1>{});
  });
}

}  // namespace margincore::cuda
