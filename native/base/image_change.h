// What is drawn for one image (augmentation.h). It follows from (seed, epoch, sample number) alone, so an image of an epoch
// is the same in any batch, on any backend, and after resuming. Host and device; in fp32, so that a thread of a GPU has
// registers enough.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/augmentation.h"
#include "base/rng.h"

namespace margincore {

struct Rectangle {
  int32_t top, left, height, width;

  MARGINCORE_HOST_DEVICE bool contains(int32_t x, int32_t y) const {
    return y >= top && y < top + height && x >= left && x < left + width;
  }
};

/// What was drawn for one image. Without initial values: kernels have it in shared memory.
struct ImageChange {
  // Pixel (x, y) of the result shows the image at (xx x + xy y + x0, yx x + yy y + y0), in pixels from the middle of its
  // first one; but never beyond least and most.
  float xx, xy, x0, yx, yy, y0;
  float least_x, most_x, least_y, most_y;
  Padding padding;
  bool is_whole;  // all these places are middles of pixels, in rows as in the image
  float brightness, contrast, saturation;
  bool is_grey;
  Rectangle erased;
};

namespace augmentation {

/// Beyond every image: what is as far outside looks the same, and whole numbers are exact.
inline constexpr float kFar = 1 << 22;

/// Calls of the generator for one sample. What is drawn has its place, whatever else is switched on.
struct Draws {
  static constexpr uint64_t kPlace = 0, kAffine = 1, kColours = 2, kCrop = 3, kErase = 13, kSide = 23, kWhether = 24,
                            kMix = 25, kCut = 26, kAll = 32;
  static constexpr int kTries = 10;  // of a rectangle, as in torchvision

  uint64_t seed;
  uint32_t epoch;
  int64_t sample;

  MARGINCORE_HOST_DEVICE Random4 at(uint64_t place) const { return in_epoch(epoch, place); }
  /// The same in all epochs: flips alternate from there.
  MARGINCORE_HOST_DEVICE uint32_t side() const { return in_epoch(0, kSide).value[0] >> 31; }

 private:
  MARGINCORE_HOST_DEVICE Random4 in_epoch(uint32_t stream, uint64_t place) const {
    return philox(seed, RandomPurpose::Augmentation, stream, static_cast<uint64_t>(sample) * kAll + place);
  }
};

MARGINCORE_HOST_DEVICE float between(float least, float most, uint32_t bits) {
  return least + (most - least) * uniform01(bits);
}
MARGINCORE_HOST_DEVICE float to_both_sides(float most, uint32_t bits) { return between(-most, most, bits); }
/// In [0, count)
MARGINCORE_HOST_DEVICE int32_t below(int64_t count, uint32_t bits) {
  return static_cast<int32_t>(static_cast<uint64_t>(count) * bits >> 32);
}
MARGINCORE_HOST_DEVICE float factor(float spread, uint32_t bits) {
  const float least = 1 - spread;
  return between(least > 0 ? least : 0, 1 + spread, bits);
}

/// Sides of a rectangle: its area, and the ratio of one side to the other, of which the logarithm is uniform.
struct Sides {
  int32_t first, second;
};
MARGINCORE_HOST_DEVICE Sides draw_sides(float area, float ratio_least, float ratio_most, uint32_t bits) {
  const float ratio = std::exp(between(std::log(ratio_least), std::log(ratio_most), bits));
  return {static_cast<int32_t>(std::rint(std::sqrt(area * ratio))),
          static_cast<int32_t>(std::rint(std::sqrt(area / ratio)))};
}

/// RandomResizedCrop: the middle with the nearest allowed ratio, where no rectangle that was drawn fits.
MARGINCORE_HOST_DEVICE Rectangle draw_crop(const Augmentation& a, const Draws& draws, int32_t height, int32_t width) {
  for (int attempt = 0; attempt < Draws::kTries; ++attempt) {
    const Random4 random = draws.at(Draws::kCrop + attempt);
    const float area = float(height) * width * between(a.area_least, a.area_most, random.value[0]);
    const Sides sides = draw_sides(area, a.aspect_least, a.aspect_most, random.value[1]);
    const int32_t w = sides.first, h = sides.second;
    if (w > 0 && w <= width && h > 0 && h <= height)
      return {below(height - h + 1, random.value[2]), below(width - w + 1, random.value[3]), h, w};
  }
  const float aspect = float(width) / height;
  int32_t w = width, h = height;
  if (aspect < a.aspect_least) h = static_cast<int32_t>(std::rint(width / a.aspect_least));
  else if (aspect > a.aspect_most) w = static_cast<int32_t>(std::rint(height * a.aspect_most));
  h = h < 1 ? 1 : h;
  w = w < 1 ? 1 : w;
  return {(height - h) / 2, (width - w) / 2, h, w};
}

/// RandomErasing (Zhong et al. 2017), smaller than the image in both directions; nothing where none that was drawn is.
MARGINCORE_HOST_DEVICE Rectangle draw_erased(const Augmentation& a, const Draws& draws, int32_t height, int32_t width) {
  for (int attempt = 0; attempt < Draws::kTries; ++attempt) {
    const Random4 random = draws.at(Draws::kErase + attempt);
    const float area = float(height) * width * between(a.erase_area_least, a.erase_area_most, random.value[0]);
    const Sides sides = draw_sides(area, a.erase_aspect_least, a.erase_aspect_most, random.value[1]);
    const int32_t h = sides.first, w = sides.second;
    if (h < height && w < width)
      return {below(height - h + 1, random.value[2]), below(width - w + 1, random.value[3]), h, w};
  }
  return {0, 0, 0, 0};
}

MARGINCORE_HOST_DEVICE bool draw_flip(Flip flip, const Draws& draws, uint32_t bits) {
  if (flip == Flip::None) return false;
  if (flip == Flip::Random) return uniform01(bits) < 0.5f;
  return (draws.side() + draws.epoch) % 2 == 1;
}

/// A map of the plane's points; (x, y) becomes (xx x + xy y + x0, yx x + yy y + y0).
struct Map {
  float xx, xy, x0, yx, yy, y0;
};

/// RandomAffine about the image's middle, from the result's coordinates to the image's.
MARGINCORE_HOST_DEVICE Map draw_affine(const Augmentation& a, const Draws& draws, int32_t height, int32_t width) {
  if (!changes_shape(a)) return {1, 0, 0, 0, 1, 0};
  constexpr float kRadians = 3.14159265f / 180;
  const Random4 random = draws.at(Draws::kAffine), more = draws.at(Draws::kPlace);
  const float angle = to_both_sides(a.rotate, random.value[0]) * kRadians;
  const float right = std::rint(to_both_sides(a.translate * width, random.value[1]));
  const float down = std::rint(to_both_sides(a.translate * height, random.value[2]));
  const float scale = between(a.scale_least, a.scale_most, random.value[3]);
  const float slope = std::tan(to_both_sides(a.shear, more.value[3]) * kRadians);
  // The inverse of rotation * shear (x gains -slope y) * scale.
  const float sine = std::sin(angle), cosine = std::cos(angle);
  const float xx = (cosine - sine * slope) / scale, xy = (sine + cosine * slope) / scale;
  const float yx = -sine / scale, yy = cosine / scale;
  const float middle_x = (width - 1) / 2.0f, middle_y = (height - 1) / 2.0f;
  const float x = -middle_x - right, y = -middle_y - down;
  return {xx, xy, xx * x + xy * y + middle_x, yx, yy, yx * x + yy * y + middle_y};
}

MARGINCORE_HOST_DEVICE bool is_whole(float value) { return value == std::rint(value); }

}  // namespace augmentation

/// Of an image (height, width).
MARGINCORE_HOST_DEVICE ImageChange draw_change(const Augmentation& a, uint64_t seed, uint32_t epoch, int64_t sample,
                                               int32_t height, int32_t width) {
  using namespace augmentation;
  const Draws draws = {seed, epoch, sample};
  const Random4 place = draws.at(Draws::kPlace);
  const Map affine = draw_affine(a, draws, height, width);
  // From the flipped image to the one that was cut out, and from there to the whole.
  float x = 0, y = 0, step_x = 1, step_y = 1;
  ImageChange change;
  change.least_x = change.least_y = -kFar;
  change.most_x = change.most_y = kFar;
  if (crops_and_resizes(a)) {
    const Rectangle cut = draw_crop(a, draws, height, width);
    step_x = float(cut.width) / width;
    step_y = float(cut.height) / height;
    x = cut.left + step_x / 2 - 0.5f;
    y = cut.top + step_y / 2 - 0.5f;
    if (!changes_shape(a)) {  // what was cut out is all that is seen
      change.least_x = static_cast<float>(cut.left);
      change.most_x = static_cast<float>(cut.left + cut.width - 1);
      change.least_y = static_cast<float>(cut.top);
      change.most_y = static_cast<float>(cut.top + cut.height - 1);
    }
  } else if (a.crop_padding > 0) {
    y = static_cast<float>(below(2 * a.crop_padding + 1, place.value[0]) - a.crop_padding);
    x = static_cast<float>(below(2 * a.crop_padding + 1, place.value[1]) - a.crop_padding);
  }
  if (draw_flip(a.flip, draws, place.value[2])) {
    x += step_x * (width - 1);
    step_x = -step_x;
  }
  const Map map = {step_x * affine.xx, step_x * affine.xy, step_x * affine.x0 + x,
                   step_y * affine.yx, step_y * affine.yy, step_y * affine.y0 + y};
  change.xx = static_cast<float>(map.xx);
  change.xy = static_cast<float>(map.xy);
  change.x0 = static_cast<float>(map.x0);
  change.yx = static_cast<float>(map.yx);
  change.yy = static_cast<float>(map.yy);
  change.y0 = static_cast<float>(map.y0);
  change.padding = a.padding;
  change.is_whole = (map.xx == 1 || map.xx == -1) && map.xy == 0 && is_whole(map.x0) && map.yx == 0 && map.yy == 1 &&
                    is_whole(map.y0);

  const Random4 colours = draws.at(Draws::kColours), whether = draws.at(Draws::kWhether);
  change.brightness = factor(a.brightness, colours.value[0]);
  change.contrast = factor(a.contrast, colours.value[1]);
  change.saturation = factor(a.saturation, colours.value[2]);
  change.is_grey = uniform01(colours.value[3]) < a.grey;
  change.erased = uniform01(whether.value[0]) < a.erase ? draw_erased(a, draws, height, width) : Rectangle{0, 0, 0, 0};
  return change;
}

}  // namespace margincore
