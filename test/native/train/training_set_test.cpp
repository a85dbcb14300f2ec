#include "train/training_set.h"

#include <doctest/doctest.h>

#include "support/arrays.h"
#include "support/backends.h"
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
      CHECK(set.bytes() == 2 * kMaxBatch * (kSize + 4 + 4));
      CHECK(set.sources().images.data != owned->images.data());
      CHECK(owned.use_count() == 2);
    }
    CHECK(owned.use_count() == 1);
  }
}

TEST_CASE("the CPU's memory is the host's, and a CUDA device's is not") {
  for (const std::string& name : backend_names()) {
    CAPTURE(name);
    CHECK((availability(name).info.host_memory != 0) == (name == "cpu"));
  }
}

}  // namespace margincore::test
