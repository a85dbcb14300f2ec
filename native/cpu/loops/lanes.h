// Neighbouring channels of NHWC images, as vectors.
#pragma once

#include <cstdint>

#include "base/bfloat16.h"

namespace margincore::MARGINCORE_ISA {

/// Channels are taken this many at a time, in registers: one vector of the instruction set. GCC takes wider ones apart
/// element by element where they are compared or converted.
inline constexpr int64_t kLanes = __BIGGEST_ALIGNMENT__ / sizeof(float);
typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));

// As floats, whatever their type in memory: kLanes neighbours, or a single one. By reference, since older instruction
// sets return no vector of this size.

template <class Lanes>
[[gnu::always_inline]] inline void load(Lanes& lanes, const float* from) {
  __builtin_memcpy(&lanes, from, sizeof lanes);
}
template <class Lanes>
[[gnu::always_inline]] inline void store(float* to, const Lanes& lanes) {
  __builtin_memcpy(to, &lanes, sizeof lanes);
}

typedef uint16_t Halves __attribute__((vector_size(kLanes * sizeof(uint16_t))));
typedef uint32_t Words __attribute__((vector_size(kLanes * sizeof(uint32_t))));

[[gnu::always_inline]] inline void load(float& lane, const BFloat16* from) { lane = to_float(*from); }
[[gnu::always_inline]] inline void load(Floats& lanes, const BFloat16* from) {
  Halves halves;
  __builtin_memcpy(&halves, from, sizeof halves);
  lanes = reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}
[[gnu::always_inline]] inline void store(BFloat16* to, float lane) { *to = to_bfloat16(lane); }
[[gnu::always_inline]] inline void store(BFloat16* to, const Floats& lanes) {
  Words bits = reinterpret_cast<Words>(lanes);
  round_to_bfloat16(bits);
  const Halves halves = __builtin_convertvector(bits, Halves);
  __builtin_memcpy(to, &halves, sizeof halves);
}

/// body.operator()<Floats>(c) for kLanes channels from c on, then <float>(c) for each that is left.
template <class Body>
[[gnu::always_inline]] inline void in_lanes(int64_t channels, const Body& body) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body.template operator()<Floats>(c);
  for (; c < channels; ++c) body.template operator()<float>(c);
}

}  // namespace margincore::MARGINCORE_ISA
