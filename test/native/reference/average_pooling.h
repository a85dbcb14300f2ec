// Average pooling of NHWC images: over the elements of a window that lie inside the image.
#pragma once

#include "reference/pooling.h"

namespace margincore::test::reference {

inline Doubles window_counts(const PoolingSizes& s) {
  Doubles counts(s.y().count(), 0);
  for_each_window_element(s, [&](int64_t iy, int64_t, int64_t) { counts[iy] += 1; });
  return counts;
}

inline Doubles average_pool_forward(const PoolingSizes& s, const Doubles& x) {
  const Doubles counts = window_counts(s);
  Doubles y(s.y().count(), 0);
  for_each_window_element(s, [&](int64_t iy, int64_t ix, int64_t) { y[iy] += x[ix] / counts[iy]; });
  return y;
}

inline Doubles average_pool_backward(const PoolingSizes& s, const Doubles& dy) {
  const Doubles counts = window_counts(s);
  Doubles dx(s.x().count(), 0);
  for_each_window_element(s, [&](int64_t iy, int64_t ix, int64_t) { dx[ix] += dy[iy] / counts[iy]; });
  return dx;
}

/// x (N, H, W, C) to y (N, C).
inline Doubles global_average_forward(const Shape& image, const Doubles& x) {
  const int64_t channels = image[3], pixels = image[1] * image[2];
  Doubles y(image[0] * channels, 0);
  for (size_t i = 0; i < x.size(); ++i)
    y[i / (pixels * channels) * channels + i % channels] += x[i] / static_cast<double>(pixels);
  return y;
}

inline Doubles global_average_backward(const Shape& image, const Doubles& dy) {
  const int64_t channels = image[3], pixels = image[1] * image[2];
  Doubles dx(image.count());
  for (size_t i = 0; i < dx.size(); ++i)
    dx[i] = dy[i / (pixels * channels) * channels + i % channels] / static_cast<double>(pixels);
  return dx;
}

}  // namespace margincore::test::reference
