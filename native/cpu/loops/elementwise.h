// ReLU, sums and dropout.
#pragma once

#include <algorithm>

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

inline constexpr int64_t kDraws = 64;  // at once, so that they are made in vectors

/// The words of kDraws draws, from draw `first` on.
[[gnu::always_inline]] inline void draw_dropout(uint32_t (&words)[4 * kDraws], uint64_t seed, uint32_t stream,
                                                uint64_t first) {
#pragma omp simd
  for (int64_t i = 0; i < kDraws; ++i) {
    const Random4 random = philox(seed, RandomPurpose::Dropout, stream, first + static_cast<uint64_t>(i));
    words[4 * i] = random.value[0];  // without a loop, which would keep GCC from vectors
    words[4 * i + 1] = random.value[1];
    words[4 * i + 2] = random.value[2];
    words[4 * i + 3] = random.value[3];
  }
}

/// Forward and backward are the same function of their operand: the mask is drawn again.
template <class T>
static void dropout(T* y, const T* x, int64_t count, Dropout dropout, const StepBlock* step) {
  // One draw gives four elements; its index holds the step, so that no step repeats another's mask.
  const uint64_t first = step->step << 32;
  const float scale = 1 / (1 - dropout.rate);
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
    uint32_t words[4 * kDraws];
    for (int64_t at = begin, count_here; at < end; at += count_here) {
      const int64_t number = dropout.first + at, skipped = number % 4;
      draw_dropout(words, step->seed, dropout.stream, first + static_cast<uint64_t>(number / 4));
      count_here = std::min(end - at, 4 * kDraws - skipped);
      const uint32_t* random = words + skipped;
      float left[4 * kDraws];  // and narrowed apart: together GCC makes a branch of it
#pragma omp simd
      for (int64_t i = 0; i < count_here; ++i) {
        const float kept = widen(x[at + i]) * scale;  // in any case, for the same reason
        left[i] = uniform01(random[i]) < dropout.rate ? 0 : kept;
      }
#pragma omp simd
      for (int64_t i = 0; i < count_here; ++i) y[at + i] = narrow<T>(left[i]);
    }
  });
}

}  // namespace margincore::MARGINCORE_ISA
