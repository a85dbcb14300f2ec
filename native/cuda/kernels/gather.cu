// Batch assembly: chosen samples of a uint8 dataset in device memory, normalised per channel. Some blocks per image, a
// thread per four values; reads 1 byte and writes an element per value.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

/// Of a batch: image i is sample order[i], or i itself.
struct Chosen {
  const int32_t *order, *labels;
  const StepBlock* step;

  MARGINCORE_DEVICE int64_t sample(int64_t i) const { return order != nullptr ? order[step->order_position + i] : i; }
};

template <class Values>
MARGINCORE_KERNEL gather_images_kernel(typename Values::Element* batch, int32_t* batch_labels, const uint8_t* images,
                                       Chosen chosen, const float* scale, const float* shift, int image_size,
                                       int channels, int blocks_per_image) {
  using T = typename Values::Element;
  constexpr int kCount = Values::kCount;
  const int64_t i = device::block() / blocks_per_image, sample = chosen.sample(i);
  const int part = static_cast<int>(device::block() - i * blocks_per_image);
  const int k = part * device::threads() + device::thread();
  if (k == 0 && chosen.labels != nullptr) batch_labels[i] = chosen.labels[sample];
  if (k * kCount >= image_size) return;
  const auto pixels = pack<Pack<uint8_t, kCount>>(images + sample * image_size, k);
  Values out;
  for (int v = 0; v < kCount; ++v) {
    const int c = channels == 1 ? 0 : (k * kCount + v) % channels;
    out.value[v] = narrow<T>(static_cast<float>(pixels.value[v]) * scale[c] + shift[c]);
  }
  pack<Values>(batch + i * image_size, k) = out;
}

}  // namespace

void gather_images(Tensor batch, int32_t* batch_labels, const GatherImages& gather, const StepBlock* step,
                   cudaStream_t stream) {
  const Shape& shape = gather.images.shape;
  const int64_t image_size = shape.row_count();
  const Chosen chosen = {static_cast<const int32_t*>(gather.order.data),
                         static_cast<const int32_t*>(gather.labels.data), step};
  with_element(batch.dtype, [&](auto element) {
    using T = decltype(element);
    const auto run = [&](auto values) {
      using Values = decltype(values);
      const int64_t blocks = blocks_for(image_size, kBlock * Values::kCount);
      MARGINCORE_RUN(gather_images_kernel<Values>, batch.shape[0] * blocks, kBlock, stream, elements<T>(batch),
                     batch_labels, static_cast<const uint8_t*>(gather.images.data), chosen, gather.scale.f32(),
                     gather.shift.f32(), static_cast<int>(image_size), static_cast<int>(shape[3]),
                     static_cast<int>(blocks));
    };
    if (image_size % 4 == 0) run(Pack<T, 4>{});
    else run(Pack<T, 1>{});
  });
}

}  // namespace margincore::cuda
