// The only place that chooses a margin. A head is a set of values for the pipeline (native/nn/head.h); its margin is
// picked here from m1, m2 and m3, so every combination that a user asks for has one formula and one gradient.
#pragma once

#include "heads/margin.h"

namespace margincore {

/// The margin in force at this step: `ramp` goes from 0 (no margin) to 1 during margin warm-up.
MARGINCORE_HOST_DEVICE Margin ramped(Margin margin, float ramp) {
  margin.m1 = 1 + (margin.m1 - 1) * ramp;
  margin.m2 *= ramp;
  margin.m3 *= ramp;
  return margin;
}

MARGINCORE_HOST_DEVICE bool has_margin(const Margin& margin) {
  return margin.m1 != 1 || margin.m2 != 0 || margin.m3 != 0;
}

/// psi(m1*theta + m2) - m3 and its derivative in c, for c in [-1, 1] and sine = sin(theta) >= 0.
template <class Real>
MARGINCORE_HOST_DEVICE MarginValue<Real> evaluate_margin(const Margin& margin, Real c, Real sine) {
  MarginValue<Real> value;
  if (margin.m2 == 0 && margin.m1 == 1) {
    value = NoMargin::evaluate<Real>(margin, c, sine);
  } else if (margin.m2 == 0 && margin.m1 == static_cast<float>(static_cast<int>(margin.m1))) {
    value = MultiplicativeAngle::evaluate<Real>(margin, c, sine);
  } else if (margin.m1 == 1) {
    value = AdditiveAngle::evaluate<Real>(margin, c, sine);
  } else {
    value = GeneralAngle::evaluate<Real>(margin, c, sine);
  }
  value.phi -= Real(margin.m3);
  return value;
}

}  // namespace margincore
