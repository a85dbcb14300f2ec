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

/// From apart = |a^ - b^|^2 and together = |a^ + b^|^2: sin(theta) = sqrt(apart * together)/2, and cos(theta) =
/// (together - apart)/4, which near 0 and 180 degrees is 1 - apart/2 and together/2 - 1. Neither cancels, so small
/// angles are exact to their last digits.
template <class Real>
MARGINCORE_HOST_DEVICE Angle<Real> angle_between(Real apart, Real together) {
  const Real sine = Real(0.5) * std::sqrt(apart) * std::sqrt(together);
  const Real cosine = apart < Real(0.25)      ? 1 - Real(0.5) * apart
                      : together < Real(0.25) ? Real(0.5) * together - 1
                                              : Real(0.25) * (together - apart);
  return {cosine, sine > 1 ? 1 : sine};
}

}  // namespace margincore
