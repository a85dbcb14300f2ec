// Activations in memory, float or BFloat16; arithmetic is float.
#pragma once

#include "base/bfloat16.h"
#include "cpu/loops/parallel.h"

namespace margincore::MARGINCORE_ISA {

[[gnu::always_inline]] inline float widen(float value) { return value; }
[[gnu::always_inline]] inline float widen(BFloat16 value) { return to_float(value); }

template <class T>
[[gnu::always_inline]] inline T narrow(float value);
template <>
[[gnu::always_inline]] inline float narrow<float>(float value) {
  return value;
}
template <>
[[gnu::always_inline]] inline BFloat16 narrow<BFloat16>(float value) {
  return to_bfloat16(value);
}

template <class To, class From>
static void convert(To* y, const From* x, int64_t count) {
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = narrow<To>(widen(x[i]));
  });
}

}  // namespace margincore::MARGINCORE_ISA
