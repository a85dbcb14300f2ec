// Clipping of gradients by the norm of them all (Pascanu et al. 2013), in PyTorch's arrangement (clip_grad_norm_).
#pragma once

#include "base/host_device.h"

namespace margincore {

/// Gradients of that norm are multiplied by it, so that their norm is at most the largest.
MARGINCORE_HOST_DEVICE float clip_factor_of(double norm, double largest) {
  const double factor = largest / (norm + 1e-6);
  return factor < 1 ? static_cast<float>(factor) : 1;
}

}  // namespace margincore
