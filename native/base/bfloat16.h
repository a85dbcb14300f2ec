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

/// A float's bits become those of the nearest bfloat16, ties to even; a NaN stays one. Of a number, or of a vector of
/// them (not every instruction set can return one).
template <class Bits>
MARGINCORE_HOST_DEVICE void round_to_bfloat16(Bits& bits) {
  bits = (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

MARGINCORE_HOST_DEVICE BFloat16 to_bfloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  round_to_bfloat16(bits);
  return {static_cast<uint16_t>(bits)};
}

}  // namespace margincore
