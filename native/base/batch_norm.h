// The formulas of batch norm for one element, as every backend computes them. x - mean is taken before anything is
// multiplied: where the mean is large beside the standard deviation, that difference is all that has digits.
#pragma once

#include <cmath>

#include "base/host_device.h"
#include "base/row_range.h"

namespace margincore {

MARGINCORE_HOST_DEVICE float inverse_deviation(float variance, float epsilon) { return 1 / sqrtf(variance + epsilon); }

/// gain = gamma / sqrt(variance + epsilon)
MARGINCORE_HOST_DEVICE float batch_normalized(float x, float mean, float gain, float beta) {
  return (x - mean) * gain + beta;
}

/// gradient: of the normalised element; its mean over the channel, and slope = inverse deviation^2 * the mean of
/// gradient * (x - mean), are what goes through the statistics. Where x is its own mean nothing but an exact 0 is left.
MARGINCORE_HOST_DEVICE float batch_norm_gradient(float gradient, float x, float mean, float gain, float mean_gradient,
                                                 float slope) {
  return gain * (gradient - mean_gradient - (x - mean) * slope);
}

struct BatchMoments {
  float mean, variance, unbiased_variance;
};

/// Of a channel of a batch that ranks share (Chan et al. 1983, "Algorithms for computing the sample variance"). parts: its mean
/// in the first rank's rows; `channels` behind it is its biased variance, and behind that the next rank's.
MARGINCORE_HOST_DEVICE BatchMoments merge_moments(const float* parts, int32_t ranks, int64_t channels, int64_t batch,
                                                  int64_t pixels) {
  const auto rows_of = [&](int32_t rank) {
    return static_cast<double>(rows_of_rank(batch, rank, ranks).count * pixels);
  };
  const auto rows = static_cast<double>(batch * pixels);
  double mean = 0, squares = 0;
  for (int32_t rank = 0; rank < ranks; ++rank) mean += rows_of(rank) / rows * parts[2 * rank * channels];
  for (int32_t rank = 0; rank < ranks; ++rank) {
    const double distance = parts[2 * rank * channels] - mean;
    squares += rows_of(rank) * (parts[(2 * rank + 1) * channels] + distance * distance);
  }
  return {static_cast<float>(mean), static_cast<float>(squares / rows),
          static_cast<float>(squares / (rows > 1 ? rows - 1 : 1))};
}

}  // namespace margincore
