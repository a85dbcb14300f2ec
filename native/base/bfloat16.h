// bfloat16: the upper half of an fp32 number. Storage only; arithmetic is done in fp32.
#pragma once

#include <bit>
#include <cstdint>

#include "base/host_device.h"

namespace margincore {

struct BFloat16 {
  uint16_t bits;
};

MARGINCORE_HOST_DEVICE float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

/// To the nearest, ties to even; a NaN stays one.
MARGINCORE_HOST_DEVICE BFloat16 to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

}  // namespace margincore
