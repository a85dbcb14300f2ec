// Training images and labels in host memory, filled a part at a time: what a training set is made of.
#pragma once

#include <span>
#include <vector>

#include "data/host_memory.h"
#include "data/training_set.h"

namespace margincore {

class HostSamples {
 public:
  /// Room for `count` images (H, W, C), of which memory is taken as they are added. Throws OutOfMemory.
  HostSamples(int64_t count, const Shape& image, int64_t classes);

  /// Appends image samples[i] of `images` (M, H, W, C) with the class labels[i]. Throws InvalidData, with nothing
  /// added, where that is not an image, not a class, or more than there is room for.
  void add(std::span<const uint8_t> images, std::span<const int32_t> samples, std::span<const int32_t> labels);

  /// A view of what was added, for as long as this lives. Throws InvalidData where room is left.
  TrainingData data() const;

 private:
  int64_t count_;
  Shape image_;
  int64_t classes_;
  HostMemory images_;
  std::vector<int32_t> labels_;
};

}  // namespace margincore
