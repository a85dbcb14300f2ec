// e^x in fp32 as a formula that the compiler can vectorise (libm's expf is a call per element).
#pragma once

#include <bit>
#include <cstdint>

#include "base/host_device.h"

namespace margincore::MARGINCORE_ISA {

/// Relative error below 2e-7 for x in [-87, 88]; smaller x give about 1e-38, NaN stays NaN.
MARGINCORE_HOST_DEVICE float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  // x = n*ln2 + r with |r| <= ln2/2. Adding 1.5*2^23 rounds to the nearest integer, which then stands in the low bits.
  constexpr float kRound = 12582912.0f;
  const float shifted = x * 1.44269504088896341f + kRound;
  const float n = shifted - kRound;
  float r = x - n * 0.693359375f;  // ln2 in two parts, the first exact in few bits
  r -= n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;  // minimax polynomial of (e^r - 1 - r)/r^2 (Cephes)
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const uint32_t exponent = (std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRound)) << 23;
  return p * std::bit_cast<float>(exponent + 0x3f800000u);
}

}  // namespace margincore::MARGINCORE_ISA
