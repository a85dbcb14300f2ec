// The three convolutions over NHWC images and KRSC filters, as matmuls.
#pragma once

#include <cstdint>
#include <vector>

namespace margincore::cuda_sim {

struct Convolution {
  int64_t images, height, width, channels;  // x
  int64_t out_height, out_width, filters;   // y
  int64_t filter_height, filter_width;      // w: its channels are channels / groups
  int64_t padding_height, padding_width, stride_height, stride_width, dilation_height, dilation_width, groups;

  int64_t x_count() const { return images * height * width * channels; }
  int64_t y_count() const { return images * out_height * out_width * filters; }
  int64_t w_count() const { return filters * filter_height * filter_width * (channels / groups); }
};

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

Doubles convolve_forward(const Convolution& convolution, const Floats& x, const Floats& w);           // y
Doubles convolve_backward_data(const Convolution& convolution, const Floats& dy, const Floats& w);    // dx
Doubles convolve_backward_filter(const Convolution& convolution, const Floats& dy, const Floats& x);  // dw

}  // namespace margincore::cuda_sim
