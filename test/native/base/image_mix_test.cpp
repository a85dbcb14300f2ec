#include "base/image_mix.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace margincore::test {

namespace {

constexpr int kSamples = 20000;

std::vector<ImageMix> draw(const Augmentation& augmentation, int32_t height, int32_t width, uint32_t epoch = 1) {
  std::vector<ImageMix> mixes;
  for (int sample = 0; sample < kSamples; ++sample)
    mixes.push_back(draw_mix(augmentation, 11, epoch, sample, 2, height, width));
  return mixes;
}

double mean_of(const std::vector<ImageMix>& mixes, const std::function<double(const ImageMix&)>& value) {
  double sum = 0;
  for (const ImageMix& mix : mixes) sum += value(mix);
  return sum / static_cast<double>(mixes.size());
}

}  // namespace

TEST_CASE(
    "shares are of the Beta distribution: mean 1/2, variance 1/(4(2 alpha + 1)), within five standard deviations") {
  for (const double alpha : {0.1, 0.2, 0.5, 1.0, 2.0, 8.0}) {
    CAPTURE(alpha);
    const auto mixes = draw({.mixup = static_cast<float>(alpha)}, 8, 8);
    const double variance = 1 / (4 * (2 * alpha + 1));
    // The fourth moment is variance^2 (3 - 6/(2 alpha + 3)).
    const double of_variance = variance * std::sqrt((2 - 6 / (2 * alpha + 3)) / kSamples);
    const double found = mean_of(mixes, [](const ImageMix& mix) { return (mix.share - 0.5) * (mix.share - 0.5); });
    CHECK(std::abs(mean_of(mixes, [](const ImageMix& mix) { return mix.share; }) - 0.5) <
          5 * std::sqrt(variance / kSamples));
    CHECK(std::abs(found - variance) < 5 * of_variance);
    for (const ImageMix& mix : mixes) {
      REQUIRE(mix.share >= 0);
      REQUIRE(mix.share <= 1);
      REQUIRE_FALSE(mix.is_cut);
    }
  }
}

TEST_CASE("shares are distributed as the Beta distributions that have a formula (Kolmogorov-Smirnov, p = 1e-6)") {
  const double bound = std::sqrt(std::log(2 / 1e-6) / 2 / kSamples);
  const auto expect_distribution = [&](float alpha, const std::function<double(double)>& distribution) {
    CAPTURE(alpha);
    std::vector<double> shares;
    for (const ImageMix& mix : draw({.mixup = alpha}, 8, 8)) shares.push_back(mix.share);
    std::sort(shares.begin(), shares.end());
    double farthest = 0;
    for (int i = 0; i < kSamples; ++i)
      farthest = std::max(farthest, std::abs(distribution(shares[i]) - (i + 0.5) / kSamples));
    CHECK(farthest < bound);
  };
  expect_distribution(0.5f, [](double x) { return 2 / std::acos(-1.0) * std::asin(std::sqrt(x)); });
  expect_distribution(1, [](double x) { return x; });
  expect_distribution(2, [](double x) { return x * x * (3 - 2 * x); });
}

TEST_CASE("small shares and large ones have their digits: of Beta(0.1, 0.1) as many lie below 1e-9 as should") {
  // The distribution near 0 is x^alpha / (alpha B(alpha, alpha)).
  const double alpha = 0.1, beta = std::exp(2 * std::lgamma(alpha) - std::lgamma(2 * alpha));
  const double expected = std::pow(1e-9, alpha) / (alpha * beta);
  const auto mixes = draw({.mixup = 0.1f}, 8, 8);
  const double found = mean_of(mixes, [](const ImageMix& mix) { return mix.share < 1e-9f ? 1 : 0; });
  CHECK(std::abs(found - expected) < 5 * std::sqrt(expected * (1 - expected) / kSamples));
}

TEST_CASE("a rectangle lies in the image, and the share is its own") {
  for (const int32_t side : {1, 2, 5, 32}) {
    for (const ImageMix& mix : draw({.cutmix = 1}, side, 2 * side + 1)) {
      REQUIRE(mix.is_cut);
      REQUIRE((mix.cut.top >= 0 && mix.cut.left >= 0 && mix.cut.height >= 0 && mix.cut.width >= 0));
      REQUIRE(mix.cut.top + mix.cut.height <= side);
      REQUIRE(mix.cut.left + mix.cut.width <= 2 * side + 1);
      REQUIRE(mix.share == doctest::Approx(double(mix.cut.height) * mix.cut.width / (side * (2 * side + 1))));
    }
  }
}

TEST_CASE("a rectangle of a uniform share of the area, about any place, loses at the edges what it should") {
  // A side r of 1, centred anywhere in it, keeps r - r^2/4; with r^2 uniform its square is on average 1/2 - 1/5 + 1/48.
  constexpr int32_t kSide = 4000;  // so that whole pixels matter little
  const auto mixes = draw({.cutmix = 1}, kSide, kSide);
  CHECK(mean_of(mixes, [](const ImageMix& mix) { return mix.share; }) == doctest::Approx(0.320833).epsilon(0.025));
  const auto middle = [](const ImageMix& mix) { return mix.cut.left + mix.cut.width / 2.0; };
  CHECK(mean_of(mixes, middle) == doctest::Approx(kSide / 2.0).epsilon(0.01));
}

TEST_CASE("of both kinds each sample has one, with probability 1/2; and none where it is alone") {
  const auto mixes = draw({.mixup = 1, .cutmix = 1}, 32, 32), next = draw({.mixup = 1, .cutmix = 1}, 32, 32, 2);
  const double bound = 5 * std::sqrt(0.25 / kSamples);
  CHECK(std::abs(mean_of(mixes, [](const ImageMix& mix) { return mix.is_cut ? 1 : 0; }) - 0.5) < bound);
  int changed = 0;
  for (int i = 0; i < kSamples; ++i) changed += mixes[i].is_cut != next[i].is_cut ? 1 : 0;
  CHECK(std::abs(double(changed) / kSamples - 0.5) < bound);
  for (const Augmentation& augmentation : {Augmentation{.mixup = 1}, Augmentation{.cutmix = 1}}) {
    const ImageMix alone = draw_mix(augmentation, 11, 1, 5, 1, 32, 32);
    CHECK(alone.share == 0);
    CHECK(alone.cut.height * alone.cut.width == 0);
  }
  CHECK(partner_of(0, all_mixed_rows(5)) == 4);
  CHECK(partner_of(3, all_mixed_rows(5)) == 2);
  CHECK_FALSE(mixes_images(Augmentation{}));
}

}  // namespace margincore::test
