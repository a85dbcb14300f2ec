// The margin functions as the papers print them, by the angle itself. Written from the papers, not from native/heads/.
#pragma once

#include <cmath>

#include "heads/margin.h"

namespace margincore::test::reference {

inline constexpr double kPi = 3.14159265358979323846;
inline constexpr double kDegree = kPi / 180;

/// Number of the half turn that u lies in.
inline double half_turns(double u) { return std::floor(u / kPi); }

inline double sign_of_half_turn(double u) { return std::fmod(half_turns(u), 2) == 0 ? 1 : -1; }

/// L-Softmax, eq. 6: psi(u) = (-1)^k cos(u) - 2k for u in [k*pi, (k+1)*pi].
inline double psi(double u) { return sign_of_half_turn(u) * std::cos(u) - 2 * half_turns(u); }

inline double psi_slope(double u) { return -sign_of_half_turn(u) * std::sin(u); }

struct MarginPoint {
  double phi;            // takes the place of cos(theta) in the target logit
  double dphi;           // d phi / d cos(theta)
  bool past_pi = false;  // the margin is in force, and its angle beyond pi
};

/// For theta inside (0, pi). Wrap and easy margin are options of ArcFace, where u = theta + m2.
inline MarginPoint margin(const Margin& m, double theta) {
  const double m1 = m.m1, m2 = m.m2, m3 = m.m3;
  const double u = m1 * theta + m2, du_dc = -m1 / std::sin(theta);
  if (m1 == 1 && m2 == 0) return {std::cos(theta) - m3, 1};
  if (m1 == 1) {
    if (m.easy && theta >= kPi / 2) return {std::cos(theta) - m3, 1};
    if (m.wrap == Wrap::Linear && u > kPi) return {std::cos(theta) - m2 * std::sin(m2) - m3, 1, true};
    if (m.wrap == Wrap::None) return {std::cos(u) - m3, -std::sin(u) * du_dc, u > kPi};
  }
  return {psi(u) - m3, psi_slope(u) * du_dc, u > kPi};
}

}  // namespace margincore::test::reference
