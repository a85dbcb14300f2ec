// Batch assembly: chosen samples of a uint8 dataset, normalised per channel.
#pragma once

#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

template <class T>
static void gather_images(T* batch, int32_t* batch_labels, const GatherImages& gather, int64_t rows,
                          const int32_t* order) {
  const Shape& shape = gather.images.shape;
  const int64_t channels = shape[3], pixels = shape[1] * shape[2], image_size = pixels * channels;
  const uint8_t* images = gather.images.u8();
  const int32_t* labels = gather.labels.i32();
  const float* scale = gather.scale.f32();
  const float* shift = gather.shift.f32();
  parallel_rows(rows, image_size, [&](int64_t i) {
    const int64_t sample = order != nullptr ? order[i] : i;
    if (labels != nullptr) batch_labels[i] = labels[sample];
    const uint8_t* from = images + sample * image_size;
    T* to = batch + i * image_size;
    if (channels == 1) {
      const float factor = scale[0], offset = shift[0];
#pragma omp simd
      for (int64_t k = 0; k < image_size; ++k) to[k] = narrow<T>(static_cast<float>(from[k]) * factor + offset);
      return;
    }
    for (int64_t pixel = 0; pixel < pixels; ++pixel)
      for (int64_t c = 0; c < channels; ++c)
        to[pixel * channels + c] = narrow<T>(static_cast<float>(from[pixel * channels + c]) * scale[c] + shift[c]);
  });
}

}  // namespace margincore::MARGINCORE_ISA
