#include "data/host_samples.h"

#include <cstring>
#include <limits>

namespace margincore {

namespace {

using LongLong = long long;

/// Sample numbers are int32.
int64_t checked_count(int64_t count) {
  if (count < 1 || count > std::numeric_limits<int32_t>::max())
    throw Error(ErrorCode::InvalidData, format("expected room for 1…%d training images, found %lld",
                                               std::numeric_limits<int32_t>::max(), static_cast<LongLong>(count)));
  return count;
}

}  // namespace

HostSamples::HostSamples(int64_t count, const Shape& image, int64_t classes)
    : count_(checked_count(count)), image_(image), classes_(classes), images_(count, image.count(), "training images") {
  labels_.reserve(count);
}

void HostSamples::add(std::span<const uint8_t> images, std::span<const int32_t> samples,
                      std::span<const int32_t> labels) {
  const size_t size = image_.count(), given = images.size() / size;
  if (given == 0 || images.size() % size != 0)
    throw Error(ErrorCode::InvalidData, format("expected whole images %s of %zu bytes, found %zu bytes",
                                               to_string(image_).c_str(), size, images.size()));
  if (labels.size() != samples.size())
    throw Error(ErrorCode::InvalidData,
                format("expected a label per sample, %zu of them, found %zu", samples.size(), labels.size()));
  if (samples.size() > count_ - labels_.size())
    throw Error(ErrorCode::InvalidData, format("expected %lld training images at most, found %zu",
                                               static_cast<LongLong>(count_), labels_.size() + samples.size()));
  for (size_t i = 0; i < samples.size(); ++i) {
    if (samples[i] < 0 || static_cast<size_t>(samples[i]) >= given)
      throw Error(ErrorCode::InvalidData, format("expected samples of 0…%zu, found %d", given - 1, samples[i]));
    if (labels[i] < 0 || labels[i] >= classes_)
      throw Error(ErrorCode::InvalidData, format("expected labels of 0…%lld, found %d at sample %d",
                                                 static_cast<LongLong>(classes_ - 1), labels[i], samples[i]));
  }
  uint8_t* to = images_.bytes() + labels_.size() * size;
  for (const int32_t sample : samples) {
    std::memcpy(to, images.data() + sample * size, size);
    to += size;
  }
  labels_.insert(labels_.end(), labels.begin(), labels.end());
}

TrainingData HostSamples::data() const {
  const auto added = static_cast<int64_t>(labels_.size());
  if (added < count_)
    throw Error(ErrorCode::InvalidData, format("expected %lld training images, found %lld",
                                               static_cast<LongLong>(count_), static_cast<LongLong>(added)));
  return {images_.bytes(), labels_.data(), added};
}

}  // namespace margincore
