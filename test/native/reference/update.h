// Optimizers as PyTorch's documentation defines them, for one element; and batch assembly.
#pragma once

#include <algorithm>
#include <cmath>

#include "backend/backend.h"
#include "support/arrays.h"

namespace margincore::test::reference {

/// By what PyTorch's clip_grad_norm_ multiplies gradients of that norm.
inline double clip_factor(double norm, double largest) { return std::min(1.0, largest / (norm + 1e-6)); }

struct SgdState {
  double parameter, velocity;
};

inline SgdState sgd(SgdState state, double gradient, const Sgd& options, const UpdateGroup& group, double rate,
                    double momentum) {
  const double g = gradient + group.weight_decay * state.parameter;
  const double velocity = momentum * state.velocity + g;
  const double change = options.nesterov ? g + momentum * velocity : velocity;
  return {state.parameter - rate * group.rate_multiplier * change, velocity};
}

struct AdamState {
  double parameter, first_moment, second_moment;
};

/// t counts from 1.
inline AdamState adam(AdamState state, double gradient, const Adam& options, const UpdateGroup& group, double rate,
                      double beta1, double t) {
  const double beta2 = options.beta2, decay = group.weight_decay;
  rate *= group.rate_multiplier;
  const double p = options.decoupled ? state.parameter * (1 - rate * decay) : state.parameter;
  const double g = options.decoupled ? gradient : gradient + decay * state.parameter;
  const double m = beta1 * state.first_moment + (1 - beta1) * g;
  const double v = beta2 * state.second_moment + (1 - beta2) * g * g;
  const double corrected_m = m / (1 - std::pow(beta1, t)), corrected_v = v / (1 - std::pow(beta2, t));
  return {p - rate * corrected_m / (std::sqrt(corrected_v) + options.epsilon), m, v};
}

/// Pixels of the samples `order`, as p * scale_c + shift_c.
inline Doubles gather_images(const Bytes& images, int64_t image_size, const Ints& order, const Doubles& scale,
                             const Doubles& shift) {
  Doubles batch;
  for (int32_t sample : order)
    for (int64_t i = 0; i < image_size; ++i) {
      const size_t channel = i % scale.size();
      batch.push_back(images[sample * image_size + i] * scale[channel] + shift[channel]);
    }
  return batch;
}

}  // namespace margincore::test::reference
