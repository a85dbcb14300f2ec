// Convolution, NHWC images and OHWI weights: y(n,p,q,k) = bias(k) + sum over (r,s,c) of x(n, p*stride + r - padding,
// q*stride + s - padding, c) * w(k,r,s,c). The three passes are one walk over the same products.
#pragma once

#include <string>

#include "backend/backend.h"
#include "support/arrays.h"

namespace margincore::test::reference {

struct ConvolutionSizes {
  int64_t batch, height, width, in_channels;
  int64_t out_channels, kernel_height, kernel_width;
  Conv2d conv;

  int64_t out_height() const { return (height + 2 * conv.padding - kernel_height) / conv.stride + 1; }
  int64_t out_width() const { return (width + 2 * conv.padding - kernel_width) / conv.stride + 1; }
  int64_t group_channels() const { return in_channels / conv.groups; }

  Shape x() const { return {batch, height, width, in_channels}; }
  Shape w() const { return {out_channels, kernel_height, kernel_width, group_channels()}; }
  Shape y() const { return {batch, out_height(), out_width(), out_channels}; }
};

inline std::string to_string(const ConvolutionSizes& s) {
  return to_string(s.x()) + " by " + to_string(s.w()) + ", stride " + std::to_string(s.conv.stride) + ", padding " +
         std::to_string(s.conv.padding) + ", groups " + std::to_string(s.conv.groups);
}

/// visit(index in y, index in x, index in w) for every product of the convolution.
template <class Visit>
void for_each_product(const ConvolutionSizes& s, const Visit& visit) {
  const int64_t group_outputs = s.out_channels / s.conv.groups;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t p = 0; p < s.out_height(); ++p)
      for (int64_t q = 0; q < s.out_width(); ++q)
        for (int64_t r = 0; r < s.kernel_height; ++r)
          for (int64_t t = 0; t < s.kernel_width; ++t) {
            const int64_t row = p * s.conv.stride + r - s.conv.padding;
            const int64_t column = q * s.conv.stride + t - s.conv.padding;
            if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
            for (int64_t k = 0; k < s.out_channels; ++k)
              for (int64_t c = 0; c < s.group_channels(); ++c) {
                const int64_t channel = k / group_outputs * s.group_channels() + c;
                visit(((n * s.out_height() + p) * s.out_width() + q) * s.out_channels + k,
                      ((n * s.height + row) * s.width + column) * s.in_channels + channel,
                      ((k * s.kernel_height + r) * s.kernel_width + t) * s.group_channels() + c);
              }
          }
}

inline Doubles conv2d_forward(const ConvolutionSizes& s, const Doubles& x, const Doubles& w, const Doubles& bias) {
  Doubles y(s.y().count(), 0);
  for_each_product(s, [&](int64_t iy, int64_t ix, int64_t iw) { y[iy] += x[ix] * w[iw]; });
  for (size_t i = 0; i < y.size() && !bias.empty(); ++i) y[i] += bias[i % s.out_channels];
  return y;
}

inline Doubles conv2d_backward_data(const ConvolutionSizes& s, const Doubles& dy, const Doubles& w) {
  Doubles dx(s.x().count(), 0);
  for_each_product(s, [&](int64_t iy, int64_t ix, int64_t iw) { dx[ix] += dy[iy] * w[iw]; });
  return dx;
}

inline Doubles conv2d_backward_filter(const ConvolutionSizes& s, const Doubles& dy, const Doubles& x) {
  Doubles dw(s.w().count(), 0);
  for_each_product(s, [&](int64_t iy, int64_t ix, int64_t iw) { dw[iw] += dy[iy] * x[ix]; });
  return dw;
}

inline Doubles conv2d_backward_bias(const ConvolutionSizes& s, const Doubles& dy) {
  Doubles dbias(s.out_channels, 0);
  for (size_t i = 0; i < dy.size(); ++i) dbias[i % s.out_channels] += dy[i];
  return dbias;
}

}  // namespace margincore::test::reference
