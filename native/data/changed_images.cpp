#include "data/changed_images.h"

#include "backend/load.h"
#include "backend/memory.h"

namespace margincore {

namespace {

template <class T>
Buffer uploaded(Backend& backend, const T* values, size_t count) {
  Buffer buffer(backend, count * sizeof(T));
  check(backend.upload(buffer.data(), values, buffer.bytes()));
  return buffer;
}

}  // namespace

std::vector<float> changed_images(const ChangedImagesRequest& request) {
  const int64_t size = request.image.count(), given = static_cast<int64_t>(request.images.size()) / size;
  const auto count = static_cast<int64_t>(request.samples.size());
  for (const int32_t sample : request.samples)
    if (sample < 0 || sample >= given)
      throw Error(ErrorCode::InvalidData,
                  format("expected samples of 0…%lld, found %d", static_cast<long long>(given - 1), sample));
  const BackendPtr owner = open_backend(request.backend, request.options);
  Backend& backend = *owner;
  expect_memory(backend, request.images.size() + count * size * sizeof(float), "images, and the changed ones");
  const Buffer images = uploaded(backend, request.images.data(), request.images.size());
  const Buffer order = uploaded(backend, request.samples.data(), request.samples.size());
  const Buffer numbers = uploaded(backend, request.numbers.data(), request.numbers.size());
  const NormalizationFactors factors(backend, request.normalization);
  StepBlock block{};
  block.seed = request.seed;
  block.epoch = request.epoch;
  const Buffer step = uploaded(backend, &block, 1);
  const Shape &image = request.image, batch = {count, image[0], image[1], image[2]};
  const Buffer changed(backend, batch.count() * sizeof(float));
  GatherImages gather;
  gather.images = {images.data(), DType::U8, {given, image[0], image[1], image[2]}};
  gather.order = {order.data(), DType::I32, {count}};
  gather.numbers = {numbers.data(), DType::I32, {count}};
  gather.scale = factors.scale();
  gather.shift = factors.shift();
  gather.augmentation = request.augmentation;
  gather.mixed_rows = all_mixed_rows(count);
  check(backend.gather_images({changed.f32(), batch}, {}, gather, static_cast<const StepBlock*>(step.data())));
  std::vector<float> values(batch.count());
  check(backend.download(values.data(), changed.data(), changed.bytes()));
  return values;
}

}  // namespace margincore
