#include "base/image_change.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace margincore::test {

namespace {

constexpr int kSamples = 20000;

std::vector<ImageChange> draw(const Augmentation& augmentation, int32_t height, int32_t width, uint32_t epoch = 1) {
  std::vector<ImageChange> changes;
  for (int sample = 0; sample < kSamples; ++sample)
    changes.push_back(draw_change(augmentation, 11, epoch, sample, height, width));
  return changes;
}

/// Uniform in [least, most]: all values lie there, but for rounding, and each tenth has its share, within five standard
/// deviations of a binomial count.
template <class Value>
void expect_uniform(const std::vector<ImageChange>& changes, double least, double most, const Value& value,
                    double rounding = 1e-5) {
  std::vector<int> tenths(10);
  for (const ImageChange& change : changes) {
    const double place = (value(change) - least) / (most - least);
    REQUIRE(place >= -rounding);
    REQUIRE(place <= 1 + rounding);
    ++tenths[std::clamp(static_cast<int>(place * 10), 0, 9)];
  }
  const double expected = kSamples / 10.0, deviation = std::sqrt(expected * 0.9);
  for (const int count : tenths) CHECK(std::abs(count - expected) < 5 * deviation);
}

/// As often as this probability, within five standard deviations.
void expect_share(int64_t count, double probability) {
  const double deviation = std::sqrt(kSamples * probability * (1 - probability));
  CHECK(std::abs(static_cast<double>(count) - kSamples * probability) < 5 * deviation);
}

template <class Test>
int64_t count_of(const std::vector<ImageChange>& changes, const Test& test) {
  return std::count_if(changes.begin(), changes.end(), test);
}

}  // namespace

TEST_CASE("all crops are equally likely, in both directions") {
  const auto changes = draw({.crop_padding = 2}, 6, 9);
  std::vector<int> counts(25);
  for (const ImageChange& change : changes) {
    REQUIRE(change.is_whole);
    REQUIRE(std::abs(change.x0) <= 2);
    REQUIRE(std::abs(change.y0) <= 2);
    ++counts[static_cast<int>((change.y0 + 2) * 5 + change.x0 + 2)];
  }
  for (const int count : counts) expect_share(count, 1 / 25.0);
}

TEST_CASE("half of the images are flipped, independently of the epoch before; or all of them every second epoch") {
  const auto is_flipped = [](const ImageChange& change) { return change.xx < 0; };
  for (const Flip flip : {Flip::Random, Flip::Alternating}) {
    const auto first = draw({.flip = flip}, 4, 4, 0), second = draw({.flip = flip}, 4, 4, 1),
               third = draw({.flip = flip}, 4, 4, 2);
    int64_t changed = 0, changed_twice = 0;
    for (int i = 0; i < kSamples; ++i) {
      changed += is_flipped(first[i]) != is_flipped(second[i]);
      changed_twice += is_flipped(first[i]) != is_flipped(third[i]);
    }
    expect_share(count_of(first, is_flipped), 0.5);
    expect_share(count_of(second, is_flipped), 0.5);
    if (flip == Flip::Random) {
      expect_share(changed, 0.5);
    } else {
      CHECK(changed == kSamples);
      CHECK(changed_twice == 0);
    }
  }
}

TEST_CASE("angles, scales and factors are uniform in their ranges") {
  const auto angle = [](const ImageChange& c) { return std::atan2(-c.yx, c.yy) * 180 / 3.141592653589793; };
  expect_uniform(draw({.rotate = 30}, 8, 8), -30, 30, angle);
  expect_uniform(draw({.scale_least = 0.5f, .scale_most = 2}, 8, 8), 0.5, 2,
                 [](const ImageChange& c) { return 1 / c.xx; });
  expect_uniform(draw({.shear = 20}, 8, 8), -20, 20,
                 [](const ImageChange& c) { return std::atan(c.xy) * 180 / 3.141592653589793; });
  const auto colours = draw({.brightness = 0.4f, .contrast = 0.7f, .saturation = 3}, 8, 8);
  expect_uniform(colours, 0.6, 1.4, [](const ImageChange& c) { return c.brightness; });
  expect_uniform(colours, 0.3, 1.7, [](const ImageChange& c) { return c.contrast; });
  expect_uniform(colours, 0, 4, [](const ImageChange& c) { return c.saturation; });
}

TEST_CASE("an image is shifted by whole pixels up to its share of the sides") {
  const auto changes = draw({.translate = 0.25f}, 8, 12);
  for (const ImageChange& change : changes) {
    REQUIRE(change.is_whole);
    REQUIRE(std::abs(change.x0) <= 3);
    REQUIRE(std::abs(change.y0) <= 2);
  }
  expect_share(count_of(changes, [](const ImageChange& c) { return c.x0 == 3; }), 1 / 12.0);  // half a pixel of six
  expect_share(count_of(changes, [](const ImageChange& c) { return c.x0 == 0; }), 1 / 6.0);
  expect_share(count_of(changes, [](const ImageChange& c) { return c.y0 == -2; }), 1 / 8.0);
}

TEST_CASE("what is cut out or erased has an area and an aspect in their ranges, and lies anywhere in the image") {
  constexpr int kSide = 200;  // so that whole pixels matter little
  const auto crops =
      draw({.area_least = 0.1f, .area_most = 0.5f, .aspect_least = 0.5f, .aspect_most = 2}, kSide, kSide);
  const auto area = [](const ImageChange& c) { return c.xx * c.yy; };
  expect_uniform(crops, 0.1, 0.5, area, 0.02);
  for (const ImageChange& crop : crops) {
    REQUIRE(crop.xx / crop.yy > 0.5 * 0.97);
    REQUIRE(crop.xx / crop.yy < 2 * 1.03);
    REQUIRE(crop.least_x >= 0);
    REQUIRE(crop.least_y >= 0);
    REQUIRE(crop.most_x <= kSide - 1);
    REQUIRE(crop.most_y <= kSide - 1);
  }
  const auto wider = [](const ImageChange& c) { return c.xx > c.yy; };
  expect_share(count_of(crops, wider), 0.5);

  const auto erased = draw({.erase = 0.3f, .erase_area_least = 0.05f, .erase_area_most = 0.2f}, kSide, kSide);
  const auto is_erased = [](const ImageChange& c) { return c.erased.height > 0; };
  expect_share(count_of(erased, is_erased), 0.3);
  for (const ImageChange& change : erased) {
    const Rectangle& hole = change.erased;
    REQUIRE(hole.top + hole.height <= kSide);
    REQUIRE(hole.left + hole.width <= kSide);
    if (!is_erased(change)) continue;
    const double share = static_cast<double>(hole.width) * hole.height / (kSide * kSide);
    REQUIRE(share > 0.05 * 0.95);
    REQUIRE(share < 0.2 * 1.05);
  }
}

TEST_CASE("a share of the images becomes grey, and with nothing switched on nothing is changed") {
  expect_share(count_of(draw({.grey = 0.2f}, 4, 4), [](const ImageChange& c) { return c.is_grey; }), 0.2);
  CHECK_FALSE(is_on(Augmentation{}));
  for (const ImageChange& change : draw({}, 5, 6)) {
    REQUIRE(change.is_whole);
    REQUIRE(change.x0 == 0);
    REQUIRE(change.y0 == 0);
    REQUIRE(change.xx == 1);
    REQUIRE(change.brightness == 1);
    REQUIRE(change.contrast == 1);
    REQUIRE(change.saturation == 1);
    REQUIRE_FALSE(change.is_grey);
    REQUIRE(change.erased.height == 0);
  }
}

}  // namespace margincore::test
