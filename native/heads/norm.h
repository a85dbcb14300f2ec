// Directions of vectors and the angle between two of them, from sums that a backend has gathered.
#pragma once

#include <cmath>

#include "base/host_device.h"

namespace margincore {

/// 1/norm, and 0 for a vector of zeros, which has no direction. NaN stays NaN.
MARGINCORE_HOST_DEVICE float inverse_norm(float norm) { return norm > 1e-12f ? 1 / norm : norm != norm ? norm : 0; }

struct Angle {
  float cosine, sine;
};

/// From d = |a^ - b^|^2 and s = |a^ + b^|^2: sin(theta) = sqrt(d * s)/2, and cos(theta) = (s - d)/4, which near 0 and
/// 180 degrees is 1 - d/2 and s/2 - 1. Neither cancels, so small angles are exact to their last digits.
MARGINCORE_HOST_DEVICE Angle angle_between(float squared_difference, float squared_sum) {
  const float sine = 0.5f * std::sqrt(squared_difference) * std::sqrt(squared_sum);
  const float cosine = squared_difference < 0.25f ? 1 - 0.5f * squared_difference
                       : squared_sum < 0.25f      ? 0.5f * squared_sum - 1
                                                  : 0.25f * (squared_sum - squared_difference);
  return {cosine, sine > 1 ? 1 : sine};
}

}  // namespace margincore
