// im2col of NHWC images: a row for each position of a convolution's kernel, with the pixels that it sees there, so
// that the convolution is a matmul. Pixels are runs of bytes, whatever their type.
#pragma once

#include "cpu/loops/parallel.h"

namespace margincore::MARGINCORE_ISA {

static void im2col(uint8_t* patches, const uint8_t* images, const Im2colSizes& p) {
  const int64_t run = p.kernel_width * p.pixel_bytes, patch = p.kernel_height * run;
  const auto clear = [](uint8_t* to, int64_t pixels, int64_t bytes) {
    if (pixels > 0) __builtin_memset(to, 0, static_cast<size_t>(pixels * bytes));
  };
  parallel_rows(p.batch * p.rows, p.columns * patch, [&](int64_t i) {
    const uint8_t* image = images + i / p.rows * p.height * p.width * p.pixel_bytes;
    const int64_t top = p.top + i % p.rows * p.stride;
    uint8_t* to = patches + i * p.columns * patch;
    for (int64_t column = 0; column < p.columns; ++column) {
      const int64_t left = p.left + column * p.stride, right = left + p.kernel_width;
      const int64_t begin = left > 0 ? left : 0, end = right < p.width ? right : p.width;
      for (int64_t y = top; y < top + p.kernel_height; ++y, to += run) {
        if (y < 0 || y >= p.height || begin >= end) {
          clear(to, p.kernel_width, p.pixel_bytes);
          continue;
        }
        clear(to, begin - left, p.pixel_bytes);
        __builtin_memcpy(to + (begin - left) * p.pixel_bytes, image + (y * p.width + begin) * p.pixel_bytes,
                         static_cast<size_t>((end - begin) * p.pixel_bytes));
        clear(to + (end - left) * p.pixel_bytes, right - end, p.pixel_bytes);
      }
    }
  });
}

/// Pixels in order to the places of `grid`: every stride-th of an image along both axes.
static void spread_pixels(uint8_t* images, const uint8_t* pixels, const PixelGrid& grid) {
  const int64_t bytes = grid.pixel_bytes;
  parallel_rows(grid.batch * grid.rows, grid.columns * bytes, [&](int64_t i) {
    const int64_t y = grid.top + i % grid.rows * grid.stride;
    uint8_t* to = images + ((i / grid.rows * grid.height + y) * grid.width + grid.left) * bytes;
    const uint8_t* from = pixels + i * grid.columns * bytes;
    for (int64_t column = 0; column < grid.columns; ++column)
      __builtin_memcpy(to + column * grid.stride * bytes, from + column * bytes, static_cast<size_t>(bytes));
  });
}

}  // namespace margincore::MARGINCORE_ISA
