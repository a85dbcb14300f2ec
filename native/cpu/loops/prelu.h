// PReLU: below zero a slope per channel, or one for all, which is as one channel. The slopes' gradient is summed over
// chunks of rows whose size depends on the shape alone, then over the chunks: the same bits for any number of threads.
#pragma once

#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

/// Written so that a NaN stays one and is found.
[[gnu::always_inline]] inline float prelu(float x, float slope) { return x > 0 ? x : slope * x; }

template <class T>
static void prelu_forward(T* y, const T* x, const float* slope, int64_t rows, int64_t channels) {
  if (channels == 1) {
    const float only = slope[0];
    parallel_ranges(rows, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) y[i] = narrow<T>(prelu(widen(x[i]), only));
    });
    return;
  }
  parallel_rows(rows, channels, [&](int64_t row) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c)
      y[row * channels + c] = narrow<T>(prelu(widen(x[row * channels + c]), slope[c]));
  });
}

/// dx of one element, whose dslope is added to `sum`.
template <class T>
[[gnu::always_inline]] inline T prelu_backward_element(float& sum, float gradient, float x, float slope) {
  sum += x > 0 ? 0 : gradient * x;
  return narrow<T>(x > 0 ? gradient : slope * gradient);
}

/// Gradients of one row, whose dslope is added to `sums`.
template <class T>
[[gnu::always_inline]] inline void prelu_backward_row(T* dx, float* sums, const T* dy, const T* x, const float* slope,
                                                      int64_t channels) {
#pragma omp simd
  for (int64_t c = 0; c < channels; ++c)
    dx[c] = prelu_backward_element<T>(sums[c], widen(dy[c]), widen(x[c]), slope[c]);
}

/// Gradients of neighbouring elements with one slope; returns its dslope. Few enough for fp32.
template <class T>
[[gnu::always_inline]] inline float prelu_backward_range(T* dx, const T* dy, const T* x, float slope, int64_t begin,
                                                         int64_t end) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = begin; i < end; ++i) dx[i] = prelu_backward_element<T>(sum, widen(dy[i]), widen(x[i]), slope);
  return sum;
}

/// chunk_sums: (prelu_chunks(rows, channels), channels) scratch.
template <class T>
static void prelu_backward(T* dx, float* dslope, float* chunk_sums, const T* dy, const T* x, const float* slope,
                           int64_t rows, int64_t channels) {
  const int64_t chunks = prelu_chunks(rows, channels), chunk_rows = prelu_chunk_rows(rows, channels);
  parallel_rows(chunks, chunk_rows * channels, [&](int64_t chunk) {
    const int64_t begin = chunk * chunk_rows;
    const int64_t end = begin + chunk_rows < rows ? begin + chunk_rows : rows;
    float* sums = chunk_sums + chunk * channels;
    if (channels == 1) {
      constexpr int64_t kElements = 1024;
      double total = 0;
      for (int64_t i = begin; i < end; i += kElements)
        total += prelu_backward_range(dx, dy, x, slope[0], i, i + kElements < end ? i + kElements : end);
      *sums = static_cast<float>(total);
      return;
    }
    for (int64_t c = 0; c < channels; ++c) sums[c] = 0;
    for (int64_t i = begin * channels; i < end * channels; i += channels)
      prelu_backward_row(dx + i, sums, dy + i, x + i, slope, channels);
  });
  for (int64_t c = 0; c < channels; ++c) dslope[c] = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) dslope[c] += chunk_sums[chunk * channels + c];
  }
}

}  // namespace margincore::MARGINCORE_ISA
