#include <doctest/doctest.h>

#include <numeric>

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

}  // namespace margincore::test
