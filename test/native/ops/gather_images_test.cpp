#include <doctest/doctest.h>

#include <numeric>

#include "reference/augmentation.h"
#include "reference/update.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Dataset {
  int64_t count, height, width, channels;
};

// The last one's images are cut into parts.
const Dataset kCases[] = {{1, 1, 1, 1},  {5, 3, 7, 1},    {200, 28, 28, 1}, {9, 5, 5, 3},
                          {4, 2, 3, 16}, {64, 32, 32, 3}, {7, 6, 10, 5},    {3, 64, 48, 3}};

struct Changes {
  const char* name;
  Augmentation augmentation;
};

// Each alone, and several together.
const Changes kChanges[] = {
    {"crop", {.crop_padding = 3}},
    {"mirrored crop", {.crop_padding = 3, .padding = Padding::Reflect}},
    {"flip", {.flip = Flip::Random}},
    {"alternating flip", {.flip = Flip::Alternating}},
    {"resized crop", {.area_least = 0.08f, .area_most = 1}},
    {"resized crop of ratios that do not fit", {.area_least = 0.9f, .aspect_least = 4, .aspect_most = 5}},
    {"translate", {.translate = 0.4f}},
    {"rotate", {.rotate = 180}},
    {"mirrored rotate", {.padding = Padding::Reflect, .rotate = 180}},
    {"scale", {.scale_least = 0.3f, .scale_most = 3}},
    {"shear", {.shear = 30}},
    {"brightness", {.brightness = 0.9f}},
    {"contrast", {.contrast = 0.9f}},
    {"saturation", {.saturation = 2}},
    {"grey", {.grey = 0.5f}},
    {"erase", {.erase = 0.7f}},
    {"crop and flip", {.crop_padding = 4, .flip = Flip::Random}},
    {"crop, flip and affine",
     {.crop_padding = 2, .flip = Flip::Random, .rotate = 20, .translate = 0.1f, .scale_least = 0.8f, .shear = 10}},
    {"everything",
     {.padding = Padding::Reflect,
      .area_least = 0.3f,
      .area_most = 0.9f,
      .flip = Flip::Alternating,
      .rotate = 30,
      .translate = 0.2f,
      .scale_least = 0.7f,
      .scale_most = 1.4f,
      .shear = 15,
      .brightness = 0.5f,
      .contrast = 0.5f,
      .saturation = 0.5f,
      .grey = 0.3f,
      .erase = 0.5f}},
};

/// Images of a dataset, and what steps gather of them.
struct Augmented {
  Dataset data;
  Bytes images;
  Floats scale, shift;
  uint64_t seed = 7;

  explicit Augmented(const Dataset& data) : data(data) {
    Random random(3);
    const Ints pixels = random.integers(data.count * image_size(), 0, 255);
    images.assign(pixels.begin(), pixels.end());
    scale = random.uniform(data.channels, 0.01, 0.02);
    shift = random.normals(data.channels);
  }

  int64_t image_size() const { return data.height * data.width * data.channels; }

  Floats gather(Backend& backend, const Augmentation& augmentation, uint32_t epoch, const Ints& order,
                DType dtype = DType::F32) const {
    Device device(backend);
    StepBlock block{};
    block.seed = seed;
    block.epoch = epoch;
    block.order_position = 1;
    Ints positioned = {0};  // what precedes belongs to another step
    positioned.insert(positioned.end(), order.begin(), order.end());
    const auto batch = static_cast<int64_t>(order.size());
    GatherImages gather;
    gather.images = device.input(images, {data.count, data.height, data.width, data.channels});
    gather.order = device.input(positioned, {batch + 1});
    gather.scale = device.input(scale, {data.channels});
    gather.shift = device.input(shift, {data.channels});
    gather.augmentation = augmentation;
    const Tensor result = device.output({batch, data.height, data.width, data.channels}, dtype);
    device.call(backend.gather_images(result, {}, gather, device.constant(block)));
    return device.read(result);
  }

  Doubles expected(const Augmentation& augmentation, uint32_t epoch, const Ints& order) const {
    Doubles batch;
    for (const int32_t sample : order) {
      const Doubles image = reference::changed_image(&images[sample * image_size()], data.height, data.width,
                                                     data.channels, augmentation, seed, epoch, sample);
      for (size_t i = 0; i < image.size(); ++i) {
        const size_t channel = i % static_cast<size_t>(data.channels);
        batch.push_back(image[i] * scale[channel] + shift[channel]);
      }
    }
    return batch;
  }
};

Ints some_samples(const Dataset& data, int64_t count) { return Random(5).integers(count, 0, data.count - 1); }

}  // namespace

TEST_CASE("gather_images takes the samples of this step, normalised per channel, with their labels") {
  for (Backend* backend : backends()) {
    for (const Dataset& data : kCases) {
      for (const int64_t batch : {1, 2, 127}) {
        for (const DType dtype : activation_types(*backend)) {
          CAPTURE(std::string(backend->info().device));
          CAPTURE(data.count);
          CAPTURE(data.channels);
          CAPTURE(batch);
          Random random(static_cast<uint64_t>(data.count * 1000 + batch));
          const int64_t image_size = data.height * data.width * data.channels;
          const Ints pixels = random.integers(data.count * image_size, 0, 255);
          const Bytes images(pixels.begin(), pixels.end());
          const Ints labels = random.integers(data.count, 0, 1000);
          const int64_t position = 3;  // what precedes belongs to other steps
          const Ints order = random.integers(position + batch + 2, 0, data.count - 1);
          const Ints chosen(order.begin() + position, order.begin() + position + batch);
          const Floats scale = random.uniform(data.channels, 0.01, 0.02), shift = random.normals(data.channels);

          Device device(*backend);
          StepBlock block{};
          block.order_position = position;
          GatherImages gather;
          gather.images = device.input(images, {data.count, data.height, data.width, data.channels});
          gather.labels = device.input(labels, {data.count});
          gather.order = device.input(order, {static_cast<int64_t>(order.size())});
          gather.scale = device.input(scale, {data.channels});
          gather.shift = device.input(shift, {data.channels});
          const Tensor result = device.output({batch, data.height, data.width, data.channels}, dtype);
          const Tensor batch_labels = device.output({batch}, DType::I32);
          device.call(backend->gather_images(result, batch_labels, gather, device.constant(block)));

          expect_close(Op::GatherImages, device.read(result),
                       reference::gather_images(images, image_size, chosen, to_doubles(scale), to_doubles(shift)),
                       dtype);
          Ints expected_labels;
          for (int32_t sample : chosen) expected_labels.push_back(labels[sample]);
          expect_same(device.read_ints(batch_labels), expected_labels);
        }
      }
    }
  }
}

TEST_CASE("gather_images without order and labels, as prediction uses it, takes the images as they come") {
  for (Backend* backend : backends()) {
    const Ints pixels = Random(1).integers(4 * 6 * 3, 0, 255);
    const Bytes images(pixels.begin(), pixels.end());
    const Floats scale = {0.5f, 1, 2}, shift = {0, -1, 3};
    Device device(*backend);
    GatherImages gather;
    gather.images = device.input(images, {4, 2, 3, 3});
    gather.scale = device.input(scale, {3});
    gather.shift = device.input(shift, {3});
    const Tensor result = device.output({4, 2, 3, 3});
    device.call(backend->gather_images(result, {}, gather, nullptr));
    expect_close(Op::GatherImages, device.read(result),
                 reference::gather_images(images, 18, {0, 1, 2, 3}, to_doubles(scale), to_doubles(shift)));
  }
}

TEST_CASE("gather_images changes each image as drawn for its sample and epoch, with every kind of change") {
  const Dataset kinds[] = {{9, 12, 17, 3}, {9, 8, 8, 1}, {5, 5, 1, 1}, {5, 9, 7, 2}, {3, 80, 70, 3}};
  for (const Dataset& data : kinds) {
    const Augmented augmented(data);
    const Ints order = some_samples(data, 6);
    for (Backend* backend : backends()) {
      for (const Changes& changes : kChanges) {
        for (const uint32_t epoch : {0u, 3u}) {
          for (const DType dtype : activation_types(*backend)) {
            CAPTURE(std::string(backend->info().device));
            CAPTURE(std::string(changes.name));
            CAPTURE(data.channels);
            CAPTURE(data.width);
            CAPTURE(epoch);
            expect_close(Op::GatherChanged, augmented.gather(*backend, changes.augmentation, epoch, order, dtype),
                         augmented.expected(changes.augmentation, epoch, order), dtype);
          }
        }
      }
    }
  }
}

TEST_CASE("an image that is moved by whole pixels is copied: bit for bit as it is gathered without a change") {
  const Dataset data = {8, 10, 9, 3};
  const Augmented augmented(data);
  const Ints order = some_samples(data, 8);
  for (Backend* backend : backends()) {
    for (const DType dtype : activation_types(*backend)) {
      for (const Augmentation& augmentation :
           {Augmentation{.crop_padding = 3, .padding = Padding::Reflect, .flip = Flip::Random},
            Augmentation{.crop_padding = 3, .flip = Flip::Random}, Augmentation{.translate = 0.3f}}) {
        CAPTURE(std::string(backend->info().device));
        Augmented moved = augmented;
        moved.images.clear();
        for (const int32_t sample : order)
          for (const double value :
               reference::changed_image(&augmented.images[sample * augmented.image_size()], data.height, data.width,
                                        data.channels, augmentation, augmented.seed, 2, sample))
            moved.images.push_back(static_cast<uint8_t>(value));  // whole
        Ints as_they_come(order.size());
        std::iota(as_they_come.begin(), as_they_come.end(), 0);
        expect_same(augmented.gather(*backend, augmentation, 2, order, dtype),
                    moved.gather(*backend, {}, 2, as_they_come, dtype));
      }
    }
  }
}

TEST_CASE("a changed image is the same in any batch, at any place of it") {
  const Dataset data = {64, 8, 8, 3};
  const Augmented augmented(data);
  Ints order(64);
  std::iota(order.rbegin(), order.rend(), 0);
  for (Backend* backend : backends()) {
    for (const Changes& changes : kChanges) {
      CAPTURE(std::string(backend->info().device));
      CAPTURE(std::string(changes.name));
      Floats parts;
      for (size_t first = 0; first < order.size(); first += 7) {
        const auto begin = order.begin() + static_cast<int64_t>(first);
        const Ints some(begin, begin + std::min<int64_t>(7, order.end() - begin));
        const Floats part = augmented.gather(*backend, changes.augmentation, 1, some);
        parts.insert(parts.end(), part.begin(), part.end());
      }
      expect_same(parts, augmented.gather(*backend, changes.augmentation, 1, order));
    }
  }
}

TEST_CASE("samples have their numbers in the dataset, wherever their images lie") {
  const Dataset data = {6, 8, 8, 3};
  const Augmented augmented(data);
  const Augmentation& everything = kChanges[std::size(kChanges) - 1].augmentation;
  const Ints order = {4, 1}, numbers = {40, 11};
  for (Backend* backend : backends()) {
    CAPTURE(std::string(backend->info().device));
    Device device(*backend);
    StepBlock block{};
    block.seed = augmented.seed;
    block.order_position = 2;
    GatherImages gather;
    gather.images = device.input(augmented.images, {data.count, data.height, data.width, data.channels});
    gather.order = device.input(Ints{0, 0, 4, 1}, {4});
    gather.numbers = device.input(Ints{0, 0, 40, 11}, {4});
    gather.scale = device.input(augmented.scale, {data.channels});
    gather.shift = device.input(augmented.shift, {data.channels});
    gather.augmentation = everything;
    const Tensor result = device.output({2, data.height, data.width, data.channels});
    device.call(backend->gather_images(result, {}, gather, device.constant(block)));
    Doubles expected;
    for (size_t i = 0; i < order.size(); ++i) {
      const Doubles image =
          reference::changed_image(&augmented.images[order[i] * augmented.image_size()], data.height, data.width,
                                   data.channels, everything, augmented.seed, 0, numbers[i]);
      for (size_t k = 0; k < image.size(); ++k)
        expected.push_back(image[k] * augmented.scale[k % 3] + augmented.shift[k % 3]);
    }
    expect_close(Op::GatherChanged, device.read(result), expected);
  }
}

}  // namespace margincore::test
