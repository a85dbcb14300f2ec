// Images of a batch mixed with each other: mixup (Zhang et al. 2018), all of both images, and cutmix (Yun et al. 2019), a
// rectangle of the one in the other. Both images are changed by themselves before. A row's partner is the row before it, as in
// torchvision's MixUp and CutMix; what is drawn follows from (seed, epoch, sample number), so the result from these and the
// partner. Host and device, in fp32: alike but for rounding.
#pragma once

#include "base/changed_pixel.h"

namespace margincore {

/// What a row takes of its partner.
struct ImageMix {
  float share;    // of the partner, in the label as in the image
  bool is_cut;    // the partner is seen in a rectangle, or else all over
  Rectangle cut;  // which may be empty
};

namespace augmentation {

/// Beta(alpha, alpha), as 1/2 + T/(2 sqrt(2 alpha + T^2)) of Student's T with 2 alpha degrees of freedom, which
/// sqrt(2 alpha (u^(-1/alpha) - 1)) cos(2 pi v) has for uniform u and v (Bailey 1994; Devroye 1996, "Random variate
/// generation in one line of code"): for every alpha, without rejections. Uniform for alpha 1.
MARGINCORE_HOST_DEVICE float symmetric_beta(float alpha, uint32_t u, uint32_t v) {
  constexpr float kTurn = 6.28318531f;
  const float exponent = std::log(uniform01(u)) / alpha, cosine = std::cos(kTurn * uniform01(v));
  const float power = std::exp(exponent), along = -std::expm1(exponent) * cosine * cosine, sum = power + along;
  if (!(sum > 0)) return 0.5f;
  // The smaller of the number and 1 minus it: 1/2 (1 - sqrt(along/sum)), which would cancel.
  const float smaller = 0.5f * (power / sum) / (1 + std::sqrt(along / sum));
  return cosine > 0 ? 1 - smaller : smaller;
}

}  // namespace augmentation

MARGINCORE_HOST_DEVICE int64_t partner_of(int64_t row, const MixedRows& rows) {
  return row > 0 ? row - 1 : rows.before_first;
}

/// Of a row of a batch of so many; of a row alone nothing.
MARGINCORE_HOST_DEVICE ImageMix draw_mix(const Augmentation& a, uint64_t seed, uint32_t epoch, int64_t sample,
                                         int64_t rows, int32_t height, int32_t width) {
  using namespace augmentation;
  ImageMix mix = {0, true, {0, 0, 0, 0}};
  if (rows < 2) return mix;
  const Draws draws = {seed, epoch, sample};
  const Random4 random = draws.at(Draws::kMix);
  mix.is_cut = a.cutmix > 0 && (!(a.mixup > 0) || uniform01(random.value[2]) < 0.5f);
  mix.share = symmetric_beta(mix.is_cut ? a.cutmix : a.mixup, random.value[0], random.value[1]);
  if (!mix.is_cut) return mix;
  // A rectangle of the image's shape about a place in it, and what of that lies in the image.
  const Random4 place = draws.at(Draws::kCut);
  const float half = std::sqrt(mix.share) / 2;
  const int32_t down = static_cast<int32_t>(half * height), across = static_cast<int32_t>(half * width);
  const int32_t y = below(height, place.value[0]), x = below(width, place.value[1]);
  const int32_t top = y > down ? y - down : 0, left = x > across ? x - across : 0;
  const int32_t bottom = y + down < height ? y + down : height, right = x + across < width ? x + across : width;
  mix.cut = {top, left, bottom - top, right - left};
  mix.share = static_cast<float>(mix.cut.height * mix.cut.width) / static_cast<float>(height * width);
  return mix;
}

/// What pixel (x, y) takes of the partner's image; of the row's own it takes the rest of 1.
MARGINCORE_HOST_DEVICE float weight_of_partner(const ImageMix& mix, int32_t x, int32_t y) {
  if (!mix.is_cut) return mix.share;
  return mix.cut.contains(x, y) ? 1.0f : 0.0f;
}

}  // namespace margincore
