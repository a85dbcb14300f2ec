// inverse_norm of heads/norm.h for inner loops, which have no room for a division.
#pragma once

#include "cuda/device.h"
#include "heads/norm.h"

namespace margincore::cuda {

MARGINCORE_DEVICE float quick_inverse_norm(float norm) {
  const float inverse = device::reciprocal(norm);  // as 1/norm, for it is above 1e-12 where this is used
  return norm > 1e-12f ? inverse : norm != norm ? norm : 0;
}

}  // namespace margincore::cuda
