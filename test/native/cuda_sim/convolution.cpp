#include "convolution.h"

#include "matmul.h"

namespace margincore::cuda_sim {
namespace {

/// Calls action(column, x) for every place where a filter of this group meets the image: `column` in the matrix of
/// patches (a row per output pixel, a column per weight of a filter), `x` in the image's first channel of the group.
template <class Action>
void each_patch(const Convolution& c, Action action) {
  const int64_t channels = c.channels / c.groups;
  int64_t column = 0;
  for (int64_t p = 0; p < c.out_height; ++p)
    for (int64_t q = 0; q < c.out_width; ++q)
      for (int64_t r = 0; r < c.filter_height; ++r)
        for (int64_t s = 0; s < c.filter_width; ++s, column += channels) {
          const int64_t h = p * c.stride_height - c.padding_height + r * c.dilation_height;
          const int64_t w = q * c.stride_width - c.padding_width + s * c.dilation_width;
          if (h >= 0 && h < c.height && w >= 0 && w < c.width) action(column, (h * c.width + w) * c.channels);
        }
}

/// Sizes of the matmuls, per image and group.
struct Sizes {
  int64_t channels, filters, pixels, weights;
  explicit Sizes(const Convolution& c)
      : channels(c.channels / c.groups),
        filters(c.filters / c.groups),
        pixels(c.out_height * c.out_width),
        weights(c.filter_height * c.filter_width * channels) {}
};

Floats im2col(const Convolution& c, const float* x) {
  const Sizes size(c);
  Floats patches(size.pixels * size.weights);
  each_patch(c, [&](int64_t column, int64_t at) {
    for (int64_t i = 0; i < size.channels; ++i) patches[column + i] = x[at + i];
  });
  return patches;
}

/// Calls action(offsets of x, y, w) for every image and group.
template <class Action>
void each_image_and_group(const Convolution& c, Action action) {
  const Sizes size(c);
  for (int64_t n = 0; n < c.images; ++n)
    for (int64_t g = 0; g < c.groups; ++g)
      action(n * c.height * c.width * c.channels + g * size.channels, n * size.pixels * c.filters + g * size.filters,
             g * size.filters * size.weights);
}

}  // namespace

Doubles convolve_forward(const Convolution& c, const Floats& x, const Floats& w) {
  const Sizes size(c);
  Doubles y(c.y_count());
  each_image_and_group(c, [&](int64_t at_x, int64_t at_y, int64_t at_w) {
    const Floats rows = im2col(c, &x[at_x]);
    Doubles sums(size.pixels * size.filters);
    add_matmul(sums.data(), {rows.data(), size.weights, 1}, {&w[at_w], 1, size.weights}, size.pixels, size.filters,
               size.weights);
    for (int64_t pixel = 0; pixel < size.pixels; ++pixel)
      for (int64_t k = 0; k < size.filters; ++k) y[at_y + pixel * c.filters + k] = sums[pixel * size.filters + k];
  });
  return y;
}

Doubles convolve_backward_data(const Convolution& c, const Floats& dy, const Floats& w) {
  const Sizes size(c);
  Doubles dx(c.x_count());
  each_image_and_group(c, [&](int64_t at_x, int64_t at_y, int64_t at_w) {
    Doubles rows(size.pixels * size.weights);
    add_matmul(rows.data(), {&dy[at_y], c.filters, 1}, {&w[at_w], size.weights, 1}, size.pixels, size.weights,
               size.filters);
    each_patch(c, [&](int64_t column, int64_t at) {
      for (int64_t i = 0; i < size.channels; ++i) dx[at_x + at + i] += rows[column + i];
    });
  });
  return dx;
}

Doubles convolve_backward_filter(const Convolution& c, const Floats& dy, const Floats& x) {
  const Sizes size(c);
  Doubles dw(c.w_count());
  each_image_and_group(c, [&](int64_t at_x, int64_t at_y, int64_t at_w) {
    const Floats rows = im2col(c, &x[at_x]);
    add_matmul(&dw[at_w], {&dy[at_y], 1, c.filters}, {rows.data(), size.weights, 1}, size.filters, size.weights,
               size.pixels);
  });
  return dw;
}

}  // namespace margincore::cuda_sim
