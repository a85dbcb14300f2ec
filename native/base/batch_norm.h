// The formulas of batch norm for one element, as every backend computes them. x - mean is taken before anything is
// multiplied: where the mean is large beside the standard deviation, that difference is all that has digits.
#pragma once

#include <cmath>

#include "base/host_device.h"

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

}  // namespace margincore
