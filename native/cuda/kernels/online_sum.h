// Sum of exponentials in one sweep (online softmax, Milakov & Gimelshein 2018): scaled by the largest exponent so far,
// and scaled anew where a larger one comes.
#pragma once

#include <cfloat>
#include <cmath>  // fmaxf

#include "cuda/device.h"

namespace margincore::cuda {

inline constexpr float kNothing = -FLT_MAX;  // e^(z - max) is 0 for it as for -infinity, but never NaN

/// sum_j e^z_j as sum * e^max.
struct OnlineSum {
  float max = kNothing, sum = 0;

  /// Scales anew at most once for all of `z`.
  template <int kWidth>
  MARGINCORE_DEVICE void add(const float (&z)[kWidth]) {
    float larger = max;
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; ++k) larger = fmaxf(larger, z[k]);  // passes NaN by; the sum does not
    if (larger > max) {
      sum *= device::exponential(max - larger);
      max = larger;
    }
    float more = 0;
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; ++k) more += device::exponential(z[k] - max);
    sum += more;
  }

  /// Over the group, the same in all its threads.
  template <class Group>
  MARGINCORE_DEVICE OnlineSum whole(const Group& group) const {
    const float largest = group.max(max);
    return {largest, group.sum(sum * device::exponential(max - largest))};
  }
};

}  // namespace margincore::cuda
