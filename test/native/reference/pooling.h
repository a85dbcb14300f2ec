// Max pooling of NHWC images. The place of the first maximum, row by row inside its window, takes the gradient; with a
// fused ReLU only if the maximum, and the bias where there is one, is above 0.
#pragma once

#include <string>

#include "backend/backend.h"
#include "support/arrays.h"

namespace margincore::test::reference {

struct PoolingSizes {
  int64_t batch, height, width, channels;
  Pool2d pool;

  int64_t out_height() const { return (height + 2 * pool.padding - pool.kernel) / pool.stride + 1; }
  int64_t out_width() const { return (width + 2 * pool.padding - pool.kernel) / pool.stride + 1; }

  Shape x() const { return {batch, height, width, channels}; }
  Shape y() const { return {batch, out_height(), out_width(), channels}; }
};

inline std::string to_string(const PoolingSizes& s) {
  return to_string(s.x()) + ", kernel " + std::to_string(s.pool.kernel) + ", stride " + std::to_string(s.pool.stride) +
         ", padding " + std::to_string(s.pool.padding);
}

/// visit(index in y, index in x, place inside the window) for every element of every window, padding left out.
template <class Visit>
void for_each_window_element(const PoolingSizes& s, const Visit& visit) {
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t p = 0; p < s.out_height(); ++p)
      for (int64_t q = 0; q < s.out_width(); ++q)
        for (int64_t c = 0; c < s.channels; ++c)
          for (int64_t place = 0; place < s.pool.kernel * s.pool.kernel; ++place) {
            const int64_t row = p * s.pool.stride - s.pool.padding + place / s.pool.kernel;
            const int64_t column = q * s.pool.stride - s.pool.padding + place % s.pool.kernel;
            if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
            visit(((n * s.out_height() + p) * s.out_width() + q) * s.channels + c,
                  ((n * s.height + row) * s.width + column) * s.channels + c, place);
          }
}

struct MaxPooled {
  Doubles y;
  Bytes position;
};

/// bias: (channels) or empty.
inline MaxPooled max_pool_forward(const PoolingSizes& s, const Doubles& x, const Doubles& bias = {}) {
  MaxPooled result{Doubles(s.y().count(), -INFINITY), Bytes(s.y().count(), kNoPosition)};
  for_each_window_element(s, [&](int64_t iy, int64_t ix, int64_t place) {
    if (result.position[iy] != kNoPosition && !(x[ix] > result.y[iy])) return;
    result.y[iy] = x[ix];
    result.position[iy] = static_cast<uint8_t>(place);
  });
  for (size_t i = 0; !bias.empty() && i < result.y.size(); ++i) result.y[i] += bias[i % bias.size()];
  for (size_t i = 0; s.pool.relu && i < result.y.size(); ++i) {
    if (result.y[i] > 0) continue;
    result.y[i] = 0;
    result.position[i] = kNoPosition;
  }
  return result;
}

inline Doubles max_pool_backward(const PoolingSizes& s, const Doubles& dy, const Bytes& position) {
  Doubles dx(s.x().count(), 0);
  for_each_window_element(s, [&](int64_t iy, int64_t ix, int64_t place) {
    if (position[iy] == place) dx[ix] += dy[iy];
  });
  return dx;
}

/// The gradient of the bias.
inline Doubles max_pool_bias_backward(const PoolingSizes& s, const Doubles& dy, const Bytes& position) {
  Doubles dbias(s.channels, 0);
  for (size_t i = 0; i < dy.size(); ++i)
    if (position[i] != kNoPosition) dbias[i % dbias.size()] += dy[i];
  return dbias;
}

}  // namespace margincore::test::reference
