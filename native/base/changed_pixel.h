// One pixel of a changed image (image_change.h): where it comes from, bilinear between four pixels, and its colours.
// A backend adds the loops over pixels. Channels are taken kChannels at a time: 3 of a colour image, otherwise one.
#pragma once

#include "base/image_change.h"

namespace margincore {

/// (height, width, channels)
struct ImageSize {
  int32_t height, width, channels;
};

/// Values in 0…255.
template <int kChannels>
struct Pixel {
  float value[kChannels];
};

/// Pixels by their numbers in the image, with their shares of a value between them; black has share 0.
struct Neighbours {
  int32_t pixel[4];
  float share[4];
};

namespace augmentation {

struct Place {
  float x, y;
};

MARGINCORE_HOST_DEVICE float within(float value, float least, float most) {
  return value < least ? least : value > most ? most : value;
}

MARGINCORE_HOST_DEVICE Place place_of(const ImageChange& c, int32_t x, int32_t y) {
  const float fx = static_cast<float>(x), fy = static_cast<float>(y);
  return {within(c.xx * fx + c.xy * fy + c.x0, c.least_x, c.most_x),
          within(c.yx * fx + c.yy * fy + c.y0, c.least_y, c.most_y)};
}

MARGINCORE_HOST_DEVICE int32_t mirrored(int32_t i, int32_t size) {
  if (size == 1) return 0;
  const int32_t period = 2 * (size - 1), place = (i < 0 ? -i : i) % period;
  return place < size ? place : period - place;
}

/// Inside [0, size), or -1 for what is black.
MARGINCORE_HOST_DEVICE int32_t padded(int32_t i, int32_t size, Padding padding) {
  if (i >= 0 && i < size) return i;
  return padding == Padding::Reflect ? mirrored(i, size) : -1;
}

}  // namespace augmentation

/// Of pixel (x, y) of the result.
MARGINCORE_HOST_DEVICE Neighbours neighbours_of(const ImageChange& change, const ImageSize& size, int32_t x,
                                                int32_t y) {
  using namespace augmentation;
  const Place place = place_of(change, x, y);
  const float left = std::floor(place.x), top = std::floor(place.y);
  const float right_share = place.x - left, low_share = place.y - top;
  const auto column = static_cast<int32_t>(left), row = static_cast<int32_t>(top);
  const int32_t columns[2] = {padded(column, size.width, change.padding),
                              padded(column + 1, size.width, change.padding)};
  const int32_t rows[2] = {padded(row, size.height, change.padding), padded(row + 1, size.height, change.padding)};
  const float column_shares[2] = {1 - right_share, right_share}, row_shares[2] = {1 - low_share, low_share};
  Neighbours result;
  for (int i = 0; i < 4; ++i) {
    const int32_t at_row = rows[i / 2], at_column = columns[i % 2];
    const bool is_black = at_row < 0 || at_column < 0;
    result.pixel[i] = is_black ? 0 : at_row * size.width + at_column;
    result.share[i] = is_black ? 0 : row_shares[i / 2] * column_shares[i % 2];
  }
  return result;
}

/// image: the first of the channels that are taken.
template <int kChannels>
MARGINCORE_HOST_DEVICE Pixel<kChannels> between(const Neighbours& near, const uint8_t* image, int32_t channels) {
  Pixel<kChannels> result;
  for (int c = 0; c < kChannels; ++c) {
    float sum = 0;
    for (int i = 0; i < 4; ++i) sum += near.share[i] * static_cast<float>(image[int64_t{near.pixel[i]} * channels + c]);
    result.value[c] = sum;
  }
  return result;
}

/// Of a colour, as ITU-R BT.601 weighs it.
template <int kChannels>
MARGINCORE_HOST_DEVICE float grey_of(const Pixel<kChannels>& pixel) {
  if constexpr (kChannels == 3) return 0.2989f * pixel.value[0] + 0.587f * pixel.value[1] + 0.114f * pixel.value[2];
  else return pixel.value[0];
}

/// factor * value + (1 - factor) * other, as far as there is such a value
MARGINCORE_HOST_DEVICE float blend(float value, float other, float factor) {
  return augmentation::within(factor * value + (1 - factor) * other, 0, 255);
}

template <int kChannels>
MARGINCORE_HOST_DEVICE void brighten(Pixel<kChannels>& pixel, const ImageChange& change) {
  for (int c = 0; c < kChannels; ++c) pixel.value[c] = blend(pixel.value[c], 0, change.brightness);
}

/// What follows on `brighten`. mean_grey: of the brightened image.
template <int kChannels>
MARGINCORE_HOST_DEVICE void recolour(Pixel<kChannels>& pixel, const ImageChange& change, float mean_grey) {
  for (int c = 0; c < kChannels; ++c) pixel.value[c] = blend(pixel.value[c], mean_grey, change.contrast);
  if constexpr (kChannels == 3) {
    const float grey = grey_of(pixel);
    for (int c = 0; c < kChannels; ++c) pixel.value[c] = blend(pixel.value[c], grey, change.saturation);
    if (!change.is_grey) return;
    const float all = grey_of(pixel);
    for (int c = 0; c < kChannels; ++c) pixel.value[c] = all;
  }
}

}  // namespace margincore
