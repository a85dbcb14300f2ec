// How blocks share the pixels of images that are changed at random (base/augmentation.h), and such a pixel.
#pragma once

#include "base/changed_pixel.h"
#include "cuda/kernels/divider.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

inline constexpr int kPixelsOfThread = 16;  // at most, where blocks share an image: a change is drawn once for so many

/// A number of pixels that threads of `parts` blocks share.
struct ImageShare {
  ImageSize size;
  int pixels;
  Divider by_width, by_parts;

  ImageShare(const ImageSize& size, int64_t parts)
      : size(size), pixels(size.height * size.width), by_width(size.width), by_parts(parts) {}
};

template <int kChannels>
MARGINCORE_DEVICE Pixel<kChannels> brightened(const uint8_t* image, const ImageChange& change, const ImageShare& share,
                                              int x, int y) {
  Pixel<kChannels> pixel = between<kChannels>(neighbours_of(change, share.size, x, y), image, share.size.channels);
  brighten(pixel, change);
  return pixel;
}

/// The mean grey of the brightened image, which contrast needs: by all threads of the block.
template <int kChannels>
MARGINCORE_DEVICE float mean_grey(const uint8_t* image, const ImageChange& change, const ImageShare& share,
                                  float* shared) {
  float sum = 0;
  MARGINCORE_ROLL
  for (int i = device::thread(); i < share.pixels; i += device::threads()) {
    const int y = share.by_width.quotient(i), x = share.by_width.remainder(i, y);
    sum += grey_of(brightened<kChannels>(image, change, share, x, y));
  }
  return block_sum(sum, shared) / static_cast<float>(share.pixels);
}

template <int kChannels>
MARGINCORE_DEVICE Pixel<kChannels> changed_pixel(const uint8_t* image, const ImageChange& change,
                                                 const ImageShare& share, int x, int y, float mean) {
  Pixel<kChannels> pixel = {};
  if (change.erased.contains(x, y)) return pixel;
  pixel = brightened<kChannels>(image, change, share, x, y);
  recolour(pixel, change, mean);
  return pixel;
}

}  // namespace margincore::cuda
