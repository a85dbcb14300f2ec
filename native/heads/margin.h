// The margin on the target class: psi(m1*theta + m2) - m3 as a function of c = cos(theta), with its derivative in c.
//
//   psi(u) = (-1)^k cos(u) - 2k   for u in [k*pi, (k+1)*pi]
//
// is continuous and strictly decreasing, so a margin never rewards the wrong side. Each struct below is one margin:
// the form of psi that is exact and cheap for its parameters. heads.h chooses among them.
//
// Sources: L-Softmax (Liu et al. 2016, eq. 6), A-Softmax (Liu et al. 2017, eq. 7), AM-Softmax (Wang et al. 2018,
// eq. 5), ArcFace (Deng et al. 2019, eq. 3 and 4).
#pragma once

#include <cmath>
#include <cstdint>

#include "base/host_device.h"

namespace margincore {

/// What ArcFace does where theta + m passes pi.
enum class Wrap : int32_t {
  Continue,  // psi: -2 - cos(theta + m); continuous and decreasing
  Linear,    // c - m*sin(m): InsightFace's and pytorch-metric-learning's rule; jumps at the switch
  None,      // plain cos(theta + m): rewards the wrong side there
};

/// Options of the margin; plain data, so that a kernel can take it by value. Angles in radians.
struct Margin {
  float m1 = 1, m2 = 0, m3 = 0;
  Wrap wrap = Wrap::Continue;
  int32_t easy = 0;   // margin only where c > 0
  int32_t exact = 1;  // 0: the derivative is taken as 1 ("detached")
};

template <class Real>
struct MarginValue {
  Real phi;      // factor that replaces c in the target logit
  Real dphi;     // d phi / d c
  bool past_pi;  // the margin's angle m1*theta + m2 lies beyond pi
};

template <class Real>
inline constexpr Real kPi = Real(3.141592653589793238462643383279503L);

/// Floor of sin(theta) in quotients: keeps |d phi / d c| <= 1 + sin(m)/kSineFloor at theta = 0 and pi.
template <class Real>
inline constexpr Real kSineFloor = Real(1e-4);

/// c itself.
struct NoMargin {
  template <class Real>
  MARGINCORE_HOST_DEVICE static MarginValue<Real> evaluate(const Margin&, Real c, Real) {
    return {c, Real(1), false};
  }
};

/// psi(m*theta) for integer m, without an inverse cosine: cos(m*theta) = T_m(c) and dT_m/dc = m*U_{m-1}(c), bounded by
/// m^2. That is also what T_m multiplies the rounding of c by near theta = 0 and pi: there cos(m*theta) is had by turning
/// the vector (c, sin(theta)) m times, which multiplies it by m.
struct MultiplicativeAngle {
  template <class Real>
  MARGINCORE_HOST_DEVICE static MarginValue<Real> evaluate(const Margin& margin, Real c, Real sine) {
    const int m = static_cast<int>(margin.m1);
    Real turned = c, turned_sine = sine;       // cosine and sine of j*theta
    Real chebyshev_before = 1, chebyshev = c;  // T_0, T_1
    Real second_before = 0, second = 1;        // U_{-1}, U_0
    int k = 0;
    for (int j = 1; j < m; ++j) {
      const Real next_turned = turned * c - turned_sine * sine;
      turned_sine = turned_sine * c + turned * sine;
      turned = next_turned;
      const Real next = 2 * c * chebyshev - chebyshev_before;
      chebyshev_before = chebyshev;
      chebyshev = next;
      const Real next_second = 2 * c * second - second_before;
      second_before = second;
      second = next_second;
      if (c < std::cos(Real(j) * kPi<Real> / Real(m))) k = j;
    }
    const Real sign = k % 2 == 0 ? Real(1) : Real(-1);
    const Real cosine = c * c > Real(0.5) ? turned : chebyshev;
    return {sign * cosine - Real(2 * k), sign * Real(m) * second, k > 0};
  }
};

/// psi(theta + m): cos(theta + m) = c*cos(m) - sin(theta)*sin(m).
struct AdditiveAngle {
  template <class Real>
  MARGINCORE_HOST_DEVICE static MarginValue<Real> evaluate(const Margin& margin, Real c, Real sine) {
    if (margin.easy && !(c > 0)) return {c, Real(1), false};
    const Real m = margin.m2;
    const Real cos_m = std::cos(m), sin_m = std::sin(m);
    const bool past_pi = c < -cos_m;  // theta + m > pi, for m in [0, pi]
    if (past_pi && margin.wrap == Wrap::Linear) return {c - m * sin_m, Real(1), true};
    const Real floored = sine > kSineFloor<Real> ? sine : kSineFloor<Real>;
    const Real cosine = c * cos_m - sine * sin_m;
    const Real slope = cos_m + sin_m * c / floored;
    if (past_pi && margin.wrap == Wrap::Continue) return {-2 - cosine, -slope, true};
    return {cosine, slope, past_pi};
  }
};

/// psi(m1*theta + m2) for any m1 > 0 and m2, by the angle itself.
struct GeneralAngle {
  template <class Real>
  MARGINCORE_HOST_DEVICE static MarginValue<Real> evaluate(const Margin& margin, Real c, Real sine) {
    const Real m1 = margin.m1;
    const Real u = m1 * std::atan2(sine, c) + Real(margin.m2);
    const Real k = std::floor(u / kPi<Real>);
    const Real sign = static_cast<int>(k) % 2 == 0 ? Real(1) : Real(-1);
    const Real floored = sine > kSineFloor<Real> ? sine : kSineFloor<Real>;
    return {sign * std::cos(u) - 2 * k, sign * m1 * std::sin(u) / floored, k > 0};
  }
};

}  // namespace margincore
