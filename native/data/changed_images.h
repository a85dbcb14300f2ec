// Some images of a dataset as training steps see them: changed at random and normalised.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.h"
#include "data/normalization.h"

namespace margincore {

struct ChangedImagesRequest {
  std::string backend;
  BackendOptions options{};
  uint64_t seed = 0;
  uint32_t epoch = 0;
  Shape image;                   // (H, W, C)
  std::vector<uint8_t> images;   // (M, H, W, C)
  std::vector<int32_t> samples;  // (N): which of them
  std::vector<int32_t> numbers;  // (N): what the training set calls these
  Augmentation augmentation;
  Normalization normalization;
};

/// (N, H, W, C). Throws InvalidData for a sample that is none of the images.
std::vector<float> changed_images(const ChangedImagesRequest& request);

}  // namespace margincore
