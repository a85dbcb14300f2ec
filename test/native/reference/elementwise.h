// ReLU and dropout.
#pragma once

#include "backend/backend.h"
#include "support/arrays.h"

namespace margincore::test::reference {

inline Doubles relu_forward(Doubles x) {
  for (double& value : x)
    if (value < 0) value = 0;
  return x;
}

inline Doubles relu_backward(Doubles dy, const Doubles& y) {
  for (size_t i = 0; i < dy.size(); ++i)
    if (!(y[i] > 0)) dy[i] = 0;
  return dy;
}

inline Doubles scale(Doubles x, double factor) {
  for (double& value : x) value *= factor;
  return x;
}

/// Element i of step t takes word i mod 4 of the draw with index t * 2^32 + i / 4.
inline bool is_dropped(size_t i, const Dropout& dropout, const StepBlock& step) {
  const Random4 random = philox(step.seed, RandomPurpose::Dropout, dropout.stream, (step.step << 32) + i / 4);
  return uniform01(random.value[i % 4]) < dropout.rate;
}

/// Forward and backward alike.
inline Doubles dropout(Doubles x, const Dropout& dropout, const StepBlock& step) {
  for (size_t i = 0; i < x.size(); ++i) x[i] = is_dropped(i, dropout, step) ? 0 : x[i] / (1.0 - dropout.rate);
  return x;
}

}  // namespace margincore::test::reference
