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

/// From apart = |a^ - b^|^2 and together = |a^ + b^|^2: sin(theta) = sqrt(apart * together)/2, and cos(theta) =
/// (together - apart)/4, which near 0 and 180 degrees is 1 - apart/2 and together/2 - 1. Neither cancels, so small
/// angles are exact to their last digits.
MARGINCORE_HOST_DEVICE Angle angle_between(float apart, float together) {
  const float sine = 0.5f * std::sqrt(apart) * std::sqrt(together);
  const float cosine = apart < 0.25f      ? 1 - 0.5f * apart
                       : together < 0.25f ? 0.5f * together - 1
                                          : 0.25f * (together - apart);
  return {cosine, sine > 1 ? 1 : sine};
}

}  // namespace margincore
