#include "data/mapped_samples.h"

#include <limits>
#include <utility>
#include <vector>

namespace margincore {

namespace { using LongLong = long long; }  // namespace

TrainingData view_samples(std::shared_ptr<const MappedFile> file, int64_t begin, std::span<const int32_t> labels,
                          const Shape& image, int64_t classes) {
  // Sample numbers are int32.
  if (labels.empty() || labels.size() > std::numeric_limits<int32_t>::max())
    throw Error(ErrorCode::InvalidData,
                format("expected 1…%d training images, found %zu", std::numeric_limits<int32_t>::max(), labels.size()));
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || labels[i] >= classes)
      throw Error(ErrorCode::InvalidData, format("expected labels of 0…%lld, found %d at sample %zu",
                                                 static_cast<LongLong>(classes - 1), labels[i], i));
  const auto count = static_cast<int64_t>(labels.size());
  const uint8_t* images = file->range(begin, count * image.count());
  auto copy = std::make_shared<const std::vector<int32_t>>(labels.begin(), labels.end());
  return {.images = images, .labels = copy->data(), .count = count, .owner = copy, .file = std::move(file)};
}

}  // namespace margincore
