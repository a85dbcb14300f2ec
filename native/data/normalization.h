// Pixels to network inputs: (p/255 - mean) / std per channel, as p * scale + shift in device memory.
#pragma once

#include <vector>

#include "backend/buffer.h"

namespace margincore {

struct Normalization {
  std::vector<float> mean, std;  // per channel, of pixels in [0, 1]
};

class NormalizationFactors {
 public:
  NormalizationFactors(Backend& backend, const Normalization& normalization)
      : channels_(static_cast<int64_t>(normalization.mean.size())), factors_(backend, 2 * channels_ * sizeof(float)) {
    std::vector<float> factors;
    for (float std : normalization.std) factors.push_back(1 / (255 * std));
    for (int64_t c = 0; c < channels_; ++c) factors.push_back(-normalization.mean[c] / normalization.std[c]);
    check(backend.upload(factors_.data(), factors.data(), factors_.bytes()));
  }

  Tensor scale() const { return {factors_.f32(), {channels_}}; }
  Tensor shift() const { return {factors_.f32() + channels_, {channels_}}; }

 private:
  int64_t channels_;
  Buffer factors_;
};

}  // namespace margincore
