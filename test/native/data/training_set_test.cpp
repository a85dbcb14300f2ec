#include "data/training_set.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "data/host_samples.h"
#include "support/arrays.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

const Shape kImage = {3, 2, 1};
constexpr int64_t kCount = 10, kMaxBatch = 2, kSize = 6;

struct Owned {
  Bytes images;
  Ints labels;
};

std::shared_ptr<Owned> random_samples() {
  Random random(1);
  const Ints pixels = random.integers(kCount * kSize, 0, 255);
  return std::make_shared<Owned>(Owned{Bytes(pixels.begin(), pixels.end()), random.integers(kCount, 0, 3)});
}

TrainingData data_of(const std::shared_ptr<Owned>& owned, bool streamed) {
  return {owned->images.data(), owned->labels.data(), kCount, owned, streamed};
}

}  // namespace

TEST_CASE("where device memory is the host's, images are read where they lie; elsewhere they are let go of there") {
  for (Backend* backend : backends()) {
    CAPTURE(backend->info().device);
    const bool in_place = backend->info().host_memory != 0;
    const auto owned = random_samples();
    {
      const TrainingSet set(*backend, data_of(owned, false), kImage, kMaxBatch);
      const GatherImages sources = set.sources();
      CHECK_FALSE(set.is_streamed());
      CHECK(set.bytes() == kCount * (kSize + 4 + 4));
      CHECK(sources.images.shape == Shape{kCount, 3, 2, 1});
      CHECK(sources.labels.shape == Shape{kCount});
      CHECK((sources.images.data == owned->images.data()) == in_place);
      CHECK((sources.labels.data == owned->labels.data()) == in_place);
      CHECK(owned.use_count() == (in_place ? 2 : 1));
    }
    CHECK(owned.use_count() == 1);
  }
}

TEST_CASE("images that are streamed are kept alive where they lie, and of two batches there is a copy") {
  for (Backend* backend : backends()) {
    const auto owned = random_samples();
    {
      const TrainingSet set(*backend, data_of(owned, true), kImage, kMaxBatch);
      CHECK(set.is_streamed());
      CHECK(set.bytes() == 2 * kMaxBatch * (kSize + 4 + 4 + 4));
      CHECK(set.sources().images.data != owned->images.data());
      CHECK(owned.use_count() == 2);
    }
    CHECK(owned.use_count() == 1);
  }
}

TEST_CASE("what a training set takes is known before it is made") {
  const auto owned = random_samples();
  for (Backend* backend : backends()) {
    CAPTURE(backend->info().device);
    const bool in_place = backend->info().host_memory != 0;
    const TrainingSetUse held = plan_training_set(*backend, kCount, kImage, kMaxBatch, size_t{1} << 40);
    CHECK(held.bytes == TrainingSet(*backend, data_of(owned, false), kImage, kMaxBatch).bytes());
    CHECK_FALSE(held.streamed);
    const TrainingSetUse without_room = plan_training_set(*backend, kCount, kImage, kMaxBatch, 1000);
    CHECK(without_room.bytes == TrainingSet(*backend, data_of(owned, !in_place), kImage, kMaxBatch).bytes());
    CHECK(without_room.streamed != in_place);
  }
}

TEST_CASE("an upload ends once it is cancelled, and counts what it has done") {
  const auto owned = random_samples();
  for (Backend* backend : backends()) {
    if (backend->info().host_memory != 0) continue;  // nothing is uploaded
    std::atomic<bool> cancelled{true};
    Work work;
    work.begin(kCount * (kSize + 4), cancelled);
    CHECK_THROWS_AS(TrainingSet(*backend, data_of(owned, false), kImage, kMaxBatch, work), Error);
    CHECK(work.fraction_done() == 0);
    cancelled = false;
    const TrainingSet set(*backend, data_of(owned, false), kImage, kMaxBatch, work);
    CHECK(work.fraction_done() == 1);
  }
}

TEST_CASE("steps read what was chosen for the set, in the order asked for, however the images get to the device") {
  const auto all = random_samples();
  const Ints chosen = {9, 2, 2, 0, 7}, classes = {3, 1, 0, 2, 1};
  HostSamples samples(5, kImage, 4);
  samples.add(all->images, chosen, classes);
  const Ints order = {4, 4, 0, 3, 1};  // steps of 2, 2 and 1
  for (Backend* backend : backends()) {
    for (const bool streamed : {false, true}) {
      CAPTURE(backend->info().device);
      CAPTURE(streamed);
      TrainingData data = samples.data();
      data.always_streamed = streamed;
      TrainingSet set(*backend, data, kImage, kMaxBatch);
      set.begin(order);
      Device device(*backend);
      for (int64_t first = 0; first < 5; first += kMaxBatch) {
        const int64_t batch = std::min<int64_t>(kMaxBatch, 5 - first);
        Floats pixels;
        Ints labels;
        for (int64_t i = first; i < first + batch; ++i) {
          const auto image = all->images.begin() + chosen[order[i]] * kSize;
          pixels.insert(pixels.end(), image, image + kSize);
          labels.push_back(classes[order[i]]);
        }
        StepBlock block{};
        block.order_position = set.open(first, batch);
        GatherImages gather = set.sources();
        gather.scale = device.input(Floats{1}, {1});
        gather.shift = device.input(Floats{0}, {1});
        const Tensor found = device.output({batch, 3, 2, 1}), found_labels = device.output({batch}, DType::I32);
        device.call(backend->gather_images(found, found_labels, gather, device.constant(block)));
        set.close();
        if (streamed) {
          const Ints numbers = device.read<int32_t>(gather.numbers.data, gather.numbers.count());
          const auto place = numbers.begin() + block.order_position;
          expect_same(Ints(place, place + batch), Ints(order.begin() + first, order.begin() + first + batch));
        } else {
          CHECK_FALSE(gather.numbers);
        }
        expect_same(device.read(found), pixels);
        expect_same(device.read_ints(found_labels), labels);
      }
    }
  }
}

TEST_CASE("another sample that a step reads lies in its place of the order, or behind the streamed ones") {
  const auto all = random_samples();
  const Ints chosen = {9, 2, 2, 0, 7}, classes = {3, 1, 0, 2, 1};
  HostSamples samples(5, kImage, 4);
  samples.add(all->images, chosen, classes);
  const Ints order = {4, 1, 0, 3, 2};
  for (Backend* backend : backends()) {
    for (const bool streamed : {false, true}) {
      CAPTURE(backend->info().device);
      CAPTURE(streamed);
      TrainingData data = samples.data();
      data.always_streamed = streamed;
      TrainingSet set(*backend, data, kImage, 3);
      set.begin(order);
      Device device(*backend);
      StepBlock block{};
      block.order_position = set.open(0, 2, 4) + (streamed ? 2 : 4);
      GatherImages gather = set.sources();
      gather.scale = device.input(Floats{1}, {1});
      gather.shift = device.input(Floats{0}, {1});
      const Tensor found = device.output({1, 3, 2, 1}), label = device.output({1}, DType::I32);
      device.call(backend->gather_images(found, label, gather, device.constant(block)));
      set.close();
      const auto image = all->images.begin() + chosen[order[4]] * kSize;
      expect_same(device.read(found), Floats(image, image + kSize));
      expect_same(device.read_ints(label), Ints{classes[order[4]]});
    }
  }
}

TEST_CASE("the CPU's memory is the host's, and a CUDA device's is not") {
  for (const std::string& name : backend_names()) {
    CAPTURE(name);
    CHECK((availability(name).info.host_memory != 0) == (name == "cpu"));
  }
}

}  // namespace margincore::test
