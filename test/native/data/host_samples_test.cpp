#include "data/host_samples.h"

#include <doctest/doctest.h>

#include <limits>

#include "support/arrays.h"
#include "support/compare.h"

namespace margincore::test {

namespace {

const Shape kImage = {2, 1, 3};
constexpr int64_t kSize = 6, kClasses = 4;

/// Every byte of an image is its number.
Bytes images(int count) {
  Bytes bytes;
  for (int i = 0; i < count; ++i) bytes.insert(bytes.end(), kSize, static_cast<uint8_t>(i));
  return bytes;
}

template <class Work>
void refused(ErrorCode code, const std::string& message, const Work& work) {
  try {
    work();
    FAIL("expected: " << message);
  } catch (const Error& error) {
    CHECK(error.code() == code);
    CHECK(std::string(error.what()) == message);
  }
}

}  // namespace

TEST_CASE("chosen images and their labels lie in the order in which they were added") {
  HostSamples samples(5, kImage, kClasses);
  const Ints all_samples = {7, 0, 7, 2, 1}, all_labels = {3, 0, 2, 1, 0};
  samples.add(images(8), Ints{7, 0, 7}, Ints{3, 0, 2});
  samples.add(images(3), Ints{2}, Ints{1});
  samples.add(images(3), Ints{}, Ints{});
  samples.add(images(3), Ints{1}, Ints{0});
  const TrainingData data = samples.data();
  CHECK(data.count == 5);
  for (int64_t i = 0; i < 5; ++i) {
    CHECK(data.labels[i] == all_labels[i]);
    for (int64_t pixel = 0; pixel < kSize; ++pixel) CHECK(data.images[i * kSize + pixel] == all_samples[i]);
  }
}

TEST_CASE("what does not fit is refused with what was expected and found, and nothing of it is added") {
  HostSamples samples(3, kImage, kClasses);
  const auto add_refused = [&](const Bytes& given, const Ints& numbers, const Ints& labels, const char* message) {
    refused(ErrorCode::InvalidData, message, [&] { samples.add(given, numbers, labels); });
  };
  samples.add(images(2), Ints{1}, Ints{1});
  add_refused(images(2), {0, 2}, {0, 0}, "expected samples of 0…1, found 2");
  add_refused(images(2), {0, -1}, {0, 0}, "expected samples of 0…1, found -1");
  add_refused(images(2), {0, 1}, {0, 4}, "expected labels of 0…3, found 4 at sample 1");
  add_refused(images(2), {0, 1}, {0, -1}, "expected labels of 0…3, found -1 at sample 1");
  add_refused(images(2), {0, 1}, {0}, "expected a label per sample, 2 of them, found 1");
  add_refused(images(2), {0, 1, 0}, {0, 0, 0}, "expected 3 training images at most, found 4");
  add_refused(Bytes(7), {0}, {0}, "expected whole images (2, 1, 3) of 6 bytes, found 7 bytes");
  add_refused({}, {0}, {0}, "expected whole images (2, 1, 3) of 6 bytes, found 0 bytes");
  refused(ErrorCode::InvalidData, "expected 3 training images, found 1", [&] { samples.data(); });
  samples.add(images(2), Ints{0, 1}, Ints{0, 3});
  CHECK(samples.data().images[2 * kSize] == 1);
}

TEST_CASE("room that cannot be had is refused with its bytes") {
  refused(ErrorCode::InvalidData, "expected room for 1…2147483647 training images, found 0",
          [] { HostSamples(0, kImage, kClasses); });
  refused(ErrorCode::InvalidData, "expected room for 1…2147483647 training images, found 2147483648",
          [] { HostSamples(int64_t{1} << 31, kImage, kClasses); });
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const auto refused_room = [](const Shape& image, const std::string& message) {
    try {
      HostSamples(kMost, image, kClasses);
      FAIL("expected: " << message);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::OutOfMemory);
      const std::string text = error.what();
      CHECK(text.substr(0, message.size()) == message);
      CHECK(text.find(" are free") != std::string::npos);
    }
  };
  refused_room({1 << 14, 1 << 14, 1}, "no host memory for 2147483647 training images of 268435456 bytes: ");
  // More bytes than there are numbers for: 2³¹ − 1 images of 2⁴⁰.
  refused_room({1 << 20, 1 << 20, 1}, "no host memory for 2147483647 training images of 1099511627776 bytes: ");
}

}  // namespace margincore::test
