// Batch assembly: chosen samples of a uint8 dataset in device memory, normalised per channel. A thread per element;
// reads 1 byte and writes 4 per pixel and channel.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;

MARGINCORE_KERNEL gather_images_kernel(float* batch, int32_t* batch_labels, const uint8_t* images,
                                       const int32_t* labels, const int32_t* order, const float* scale,
                                       const float* shift, int64_t rows, int64_t image_size, int64_t channels,
                                       const StepBlock* step) {
  const int32_t* chosen = order != nullptr ? order + step->order_position : nullptr;
  for (int64_t k = global_thread(); k < rows * image_size; k += global_threads()) {
    const int64_t i = k / image_size, pixel = k % image_size, c = pixel % channels;
    const int64_t sample = chosen != nullptr ? chosen[i] : i;
    batch[k] = static_cast<float>(images[sample * image_size + pixel]) * scale[c] + shift[c];
    if (pixel == 0 && labels != nullptr) batch_labels[i] = labels[sample];
  }
}

}  // namespace

void gather_images(float* batch, int32_t* batch_labels, const GatherImages& gather, int64_t rows,
                   const StepBlock* step, cudaStream_t stream) {
  const Shape& shape = gather.images.shape;
  const int64_t channels = shape[3], image_size = shape[1] * shape[2] * channels;
  MARGINCORE_RUN(gather_images_kernel, striding_blocks(rows * image_size), kBlock, stream, batch, batch_labels,
                 static_cast<const uint8_t*>(gather.images.data), static_cast<const int32_t*>(gather.labels.data),
                 static_cast<const int32_t*>(gather.order.data), gather.scale.f32(), gather.shift.f32(), rows,
                 image_size, channels, step);
}

}  // namespace margincore::cuda
