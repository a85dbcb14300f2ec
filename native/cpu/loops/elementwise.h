// ReLU, sums and dropout.
#pragma once

#include "base/rng.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

// Written as "below zero becomes zero", so that a NaN stays one and is found.
template <class T>
static void relu_forward(T* y, const T* x, int64_t count) {
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = narrow<T>(widen(x[i]) < 0 ? 0 : widen(x[i]));
  });
}

template <class T>
static void relu_backward(T* dx, const T* dy, const T* y, int64_t count) {
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float gradient = widen(dy[i]);  // loaded in any case: a loop without branches
      dx[i] = narrow<T>(widen(y[i]) > 0 ? gradient : 0);
    }
  });
}

template <class T>
static void add(T* y, const T* a, const T* b, int64_t count) {
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = narrow<T>(widen(a[i]) + widen(b[i]));
  });
}

/// Forward and backward are the same function of their operand: the mask is drawn again.
template <class T>
static void dropout(T* y, const T* x, int64_t count, Dropout dropout, const StepBlock* step) {
  // One draw gives four elements; its index holds the step, so that no step repeats another's mask.
  const uint64_t first = step->step << 32;
  const float scale = 1 / (1 - dropout.rate);
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 4) {
      const Random4 random =
          philox(step->seed, RandomPurpose::Dropout, dropout.stream, first + static_cast<uint64_t>(i / 4));
      for (int64_t lane = 0; lane < 4 && i + lane < end; ++lane)
        y[i + lane] = narrow<T>(uniform01(random.value[lane]) < dropout.rate ? 0 : widen(x[i + lane]) * scale);
    }
  });
}

}  // namespace margincore::MARGINCORE_ISA
