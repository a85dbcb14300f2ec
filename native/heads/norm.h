// Directions of vectors and the angle between two of them, from sums that a backend has gathered.
#pragma once

#include <cmath>

#include "base/host_device.h"

namespace margincore {

/// 1/norm, and 0 for a vector of zeros, which has no direction. NaN stays NaN.
template <class Real>
MARGINCORE_HOST_DEVICE Real inverse_norm(Real norm) {
  return norm > Real(1e-12f) ? 1 / norm : norm != norm ? norm : 0;
}

template <class Real>
struct Angle {
  Real cosine, sine;
};

/// From d = |a^ - b^|^2 and s = |a^ + b^|^2: sin(theta) = sqrt(d * s)/2, and cos(theta) = (s - d)/4, which near 0 and
/// 180 degrees is 1 - d/2 and s/2 - 1. Neither cancels, so small angles are exact to their last digits.
template <class Real>
MARGINCORE_HOST_DEVICE Angle<Real> angle_between(Real squared_difference, Real squared_sum) {
  const Real sine = Real(0.5) * std::sqrt(squared_difference) * std::sqrt(squared_sum);
  const Real cosine = squared_difference < Real(0.25) ? 1 - Real(0.5) * squared_difference
                      : squared_sum < Real(0.25)      ? Real(0.5) * squared_sum - 1
                                                      : Real(0.25) * (squared_sum - squared_difference);
  return {cosine, sine > 1 ? 1 : sine};
}

}  // namespace margincore
