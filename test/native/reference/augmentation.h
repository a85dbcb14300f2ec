// Random changes of images, step by step, as torchvision's transforms describe them: coordinates are taken back through
// the affine map, the flip and the crop one after another, and colours through one whole image after another.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/backend.h"
#include "support/arrays.h"

namespace margincore::test::reference {

/// Words of the generator for one sample in one epoch.
class AugmentationDraws {
 public:
  AugmentationDraws(uint64_t seed, uint32_t epoch, int64_t sample) : seed_(seed), epoch_(epoch), sample_(sample) {}

  double unit(int place, int word) const { return (bits(epoch_, place, word) >> 8) / 16777216.0; }
  double between(double least, double most, int place, int word) const {
    return least * (1 - unit(place, word)) + most * unit(place, word);
  }
  int64_t below(int64_t count, int place, int word) const {
    return static_cast<int64_t>(std::floor(static_cast<double>(count) * bits(epoch_, place, word) / 4294967296.0));
  }
  bool is_flipped(Flip flip) const {
    if (flip == Flip::None) return false;
    if (flip == Flip::Random) return unit(0, 2) < 0.5;
    const bool first = bits(0, 23, 0) >= 0x80000000u;
    return epoch_ % 2 == 0 ? first : !first;
  }

 private:
  uint32_t bits(uint32_t stream, int place, int word) const {
    return philox(seed_, RandomPurpose::Augmentation, stream, static_cast<uint64_t>(sample_ * 32 + place)).value[word];
  }

  uint64_t seed_;
  uint32_t epoch_;
  int64_t sample_;
};

struct Box {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

inline Box resized_crop(const Augmentation& a, const AugmentationDraws& draws, int64_t height, int64_t width) {
  for (int place = 3; place < 13; ++place) {
    const double area = draws.between(a.area_least, a.area_most, place, 0) * static_cast<double>(height * width);
    const double aspect =
        std::pow(a.aspect_least, 1 - draws.unit(place, 1)) * std::pow(a.aspect_most, draws.unit(place, 1));
    const int64_t w = std::lround(std::sqrt(area * aspect)), h = std::lround(std::sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return {draws.below(height - h + 1, place, 2), draws.below(width - w + 1, place, 3), h, w};
  }
  int64_t w = width, h = height;
  const double aspect = static_cast<double>(width) / static_cast<double>(height);
  if (aspect < a.aspect_least) h = std::lround(static_cast<double>(w) / a.aspect_least);
  if (aspect > a.aspect_most) w = std::lround(static_cast<double>(h) * a.aspect_most);
  w = std::max<int64_t>(w, 1);
  h = std::max<int64_t>(h, 1);
  return {(height - h) / 2, (width - w) / 2, h, w};
}

inline Box erased(const Augmentation& a, const AugmentationDraws& draws, int64_t height, int64_t width) {
  if (draws.unit(24, 0) >= a.erase) return {};
  for (int place = 13; place < 23; ++place) {
    const double area =
        draws.between(a.erase_area_least, a.erase_area_most, place, 0) * static_cast<double>(height * width);
    const double aspect =
        std::pow(a.erase_aspect_least, 1 - draws.unit(place, 1)) * std::pow(a.erase_aspect_most, draws.unit(place, 1));
    const int64_t h = std::lround(std::sqrt(area * aspect)), w = std::lround(std::sqrt(area / aspect));
    if (h < height && w < width)
      return {draws.below(height - h + 1, place, 2), draws.below(width - w + 1, place, 3), h, w};
  }
  return {};
}

/// A channel of an image, at any place of the plane.
struct Plane {
  const uint8_t* pixels;
  int64_t height, width, stride;
  Padding padding;

  static int64_t mirrored(int64_t i, int64_t size) {
    while (size > 1 && (i < 0 || i >= size)) i = i < 0 ? -i : 2 * (size - 1) - i;
    return size > 1 ? i : 0;
  }
  double at(int64_t x, int64_t y) const {
    const bool is_inside = x >= 0 && x < width && y >= 0 && y < height;
    if (!is_inside && padding == Padding::Zero) return 0;
    return pixels[(mirrored(y, height) * width + mirrored(x, width)) * stride];
  }
  double between(double x, double y) const {
    const double left = std::floor(x), top = std::floor(y), right = x - left, low = y - top;
    const auto column = static_cast<int64_t>(left), row = static_cast<int64_t>(top);
    const double above = at(column, row) * (1 - right) + at(column + 1, row) * right;
    const double below = at(column, row + 1) * (1 - right) + at(column + 1, row + 1) * right;
    return above * (1 - low) + below * low;
  }
};

/// Values of one image (H, W, C), in 0…255.
inline Doubles changed_image(const uint8_t* image, int64_t height, int64_t width, int64_t channels,
                             const Augmentation& a, uint64_t seed, uint32_t epoch, int64_t sample) {
  const AugmentationDraws draws(seed, epoch, sample);
  const bool resizes = a.area_least < 1;
  const bool is_affine = a.rotate > 0 || a.translate > 0 || a.shear > 0 || a.scale_least != 1 || a.scale_most != 1;
  const Box crop = resizes ? resized_crop(a, draws, height, width) : Box{0, 0, height, width};
  const bool is_flipped = draws.is_flipped(a.flip);
  const auto padding = static_cast<double>(a.crop_padding);

  const double pi = std::acos(-1.0);
  const double angle = draws.between(-a.rotate, a.rotate, 1, 0) * pi / 180;
  const double shear = draws.between(-a.shear, a.shear, 0, 3) * pi / 180;
  const double scale = draws.between(a.scale_least, a.scale_most, 1, 3);
  const double right = std::round(draws.between(-a.translate, a.translate, 1, 1) * static_cast<double>(width));
  const double down = std::round(draws.between(-a.translate, a.translate, 1, 2) * static_cast<double>(height));
  // A turn by the angle after x became x - tan(shear) y, times the scale; and what takes that back.
  const double xx = scale * std::cos(angle), xy = scale * (-std::tan(shear) * std::cos(angle) - std::sin(angle));
  const double yx = scale * std::sin(angle), yy = scale * (-std::tan(shear) * std::sin(angle) + std::cos(angle));
  const double determinant = xx * yy - xy * yx;

  Doubles values;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      auto u = static_cast<double>(x), v = static_cast<double>(y);
      if (is_affine) {
        const double middle_x = static_cast<double>(width - 1) / 2, middle_y = static_cast<double>(height - 1) / 2;
        const double dx = u - middle_x - right, dy = v - middle_y - down;
        u = (yy * dx - xy * dy) / determinant + middle_x;
        v = (-yx * dx + xx * dy) / determinant + middle_y;
      }
      if (is_flipped) u = static_cast<double>(width - 1) - u;
      if (resizes) {
        u = static_cast<double>(crop.left) + (u + 0.5) * static_cast<double>(crop.width) / static_cast<double>(width) -
            0.5;
        v = static_cast<double>(crop.top) + (v + 0.5) * static_cast<double>(crop.height) / static_cast<double>(height) -
            0.5;
        if (!is_affine) {
          u = std::clamp<double>(u, static_cast<double>(crop.left), static_cast<double>(crop.left + crop.width - 1));
          v = std::clamp<double>(v, static_cast<double>(crop.top), static_cast<double>(crop.top + crop.height - 1));
        }
      } else {
        u += static_cast<double>(draws.below(2 * a.crop_padding + 1, 0, 1)) - padding;
        v += static_cast<double>(draws.below(2 * a.crop_padding + 1, 0, 0)) - padding;
      }
      for (int64_t c = 0; c < channels; ++c)
        values.push_back(Plane{image + c, height, width, channels, a.padding}.between(u, v));
    }
  }

  const auto factor = [&](double spread, int word) {
    return draws.between(std::max(0.0, 1 - spread), 1 + spread, 2, word);
  };
  const auto clamped = [](double value) { return std::clamp(value, 0.0, 255.0); };
  const auto grey = [](const double* colour) { return 0.2989 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]; };
  for (double& value : values) value = clamped(value * factor(a.brightness, 0));
  if (a.contrast > 0) {
    const double f = factor(a.contrast, 1);
    const int64_t planes = channels == 3 ? 1 : channels;  // three are one colour
    for (int64_t plane = 0; plane < planes; ++plane) {
      double sum = 0;
      for (int64_t i = 0; i < height * width; ++i)
        sum += channels == 3 ? grey(&values[i * 3]) : values[i * channels + plane];
      const double mean = sum / static_cast<double>(height * width);
      for (int64_t i = 0; i < height * width; ++i)
        for (int64_t c = plane; c < channels; c += planes)
          values[i * channels + c] = clamped(f * values[i * channels + c] + (1 - f) * mean);
    }
  }
  if (channels == 3) {
    const double f = factor(a.saturation, 2);
    for (int64_t i = 0; i < height * width; ++i) {
      double* colour = &values[i * 3];
      const double own = grey(colour);
      for (int c = 0; c < 3; ++c) colour[c] = clamped(f * colour[c] + (1 - f) * own);
      if (draws.unit(2, 3) < a.grey) std::fill(colour, colour + 3, grey(colour));
    }
  }
  const Box hole = erased(a, draws, height, width);
  for (int64_t y = hole.top; y < hole.top + hole.height; ++y)
    for (int64_t x = hole.left; x < hole.left + hole.width; ++x)
      for (int64_t c = 0; c < channels; ++c) values[(y * width + x) * channels + c] = 0;
  return values;
}

struct Mix {
  double share = 0;  // of the partner
  bool is_cut = false;
  Box cut = {};
};

/// A row's share of the row before it: torchvision's MixUp and CutMix, with a share for each row.
inline Mix mix(const Augmentation& a, uint64_t seed, uint32_t epoch, int64_t sample, int64_t height, int64_t width) {
  const AugmentationDraws draws(seed, epoch, sample);
  Mix mix;
  mix.is_cut = a.mixup == 0 || (a.cutmix > 0 && draws.unit(25, 2) < 0.5);
  // Student's T with as many degrees of freedom, and the Beta distribution from that.
  const double freedom = 2 * static_cast<double>(mix.is_cut ? a.cutmix : a.mixup);
  const double t = std::sqrt(freedom * (std::pow(draws.unit(25, 0), -2 / freedom) - 1)) *
                   std::cos(2 * std::acos(-1.0) * draws.unit(25, 1));
  mix.share = 0.5 + t / std::sqrt(freedom + t * t) / 2;
  if (!mix.is_cut) return mix;
  const int64_t x = draws.below(width, 26, 1), y = draws.below(height, 26, 0);
  const double half = 0.5 * std::sqrt(mix.share);
  const auto half_width = static_cast<int64_t>(half * static_cast<double>(width));
  const auto half_height = static_cast<int64_t>(half * static_cast<double>(height));
  const int64_t left = std::clamp<int64_t>(x - half_width, 0, width), right = std::clamp(x + half_width, left, width);
  const int64_t top = std::clamp<int64_t>(y - half_height, 0, height),
                bottom = std::clamp(y + half_height, top, height);
  mix.cut = {top, left, bottom - top, right - left};
  mix.share = static_cast<double>(mix.cut.height * mix.cut.width) / static_cast<double>(height * width);
  return mix;
}

/// Values of an image (H, W, C) mixed with another's.
inline Doubles mixed(const Mix& mix, const Doubles& own, const Doubles& other, int64_t width, int64_t channels) {
  Doubles values = own;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto pixel = static_cast<int64_t>(i) / channels;
    const int64_t x = pixel % width - mix.cut.left, y = pixel / width - mix.cut.top;
    const bool is_inside = x >= 0 && x < mix.cut.width && y >= 0 && y < mix.cut.height;
    if (!mix.is_cut) values[i] = (1 - mix.share) * own[i] + mix.share * other[i];
    else if (is_inside) values[i] = other[i];
  }
  return values;
}

}  // namespace margincore::test::reference
