// PReLU of x (…, C) with slopes (C), or one for all.
#pragma once

#include "support/arrays.h"

namespace margincore::test::reference {

inline Doubles prelu_forward(Doubles x, const Doubles& slope) {
  for (size_t i = 0; i < x.size(); ++i)
    if (!(x[i] > 0)) x[i] *= slope[i % slope.size()];
  return x;
}

struct PReluGradients {
  Doubles dx, dslope;
};

inline PReluGradients prelu_backward(const Doubles& dy, const Doubles& x, const Doubles& slope) {
  PReluGradients result{dy, Doubles(slope.size(), 0)};
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] > 0) continue;
    result.dx[i] *= slope[i % slope.size()];
    result.dslope[i % slope.size()] += dy[i] * x[i];
  }
  return result;
}

}  // namespace margincore::test::reference
