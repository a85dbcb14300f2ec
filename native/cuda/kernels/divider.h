// Division by a number that is known at launch, as a product and a shift.
#pragma once

#include "cuda/device.h"

namespace margincore::cuda {

/// Of 0 <= n < 2^31 by 0 < d < 2^31. With d <= 2^s and factor = ceil(2^(31+s) / d), n * factor / 2^(31+s) is above n/d
/// by less than 1/d, so that it does not reach the next whole number.
struct Divider {
  uint32_t divisor, factor;
  int shift;

  Divider(int64_t by) : divisor(static_cast<uint32_t>(by)), shift(31) {
    while ((int64_t{1} << (shift - 31)) < by) ++shift;
    factor = static_cast<uint32_t>(((uint64_t{1} << shift) + divisor - 1) / divisor);
  }

  MARGINCORE_DEVICE int quotient(int n) const {
    return static_cast<int>(static_cast<uint64_t>(static_cast<uint32_t>(n)) * factor >> shift);
  }
  MARGINCORE_DEVICE int remainder(int n, int quotient) const { return n - quotient * static_cast<int>(divisor); }
};

}  // namespace margincore::cuda
