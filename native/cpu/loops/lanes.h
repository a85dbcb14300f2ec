// Neighbouring channels of NHWC images, as vectors.
#pragma once

#include <cstdint>

namespace margincore::MARGINCORE_ISA {

/// Channels are taken this many at a time, in registers.
inline constexpr int64_t kLanes = 16;
typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));

/// body.operator()<Floats>(c) for kLanes channels from c on, then <float>(c) for each that is left.
template <class Body>
[[gnu::always_inline]] inline void in_lanes(int64_t channels, const Body& body) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body.template operator()<Floats>(c);
  for (; c < channels; ++c) body.template operator()<float>(c);
}

}  // namespace margincore::MARGINCORE_ISA
