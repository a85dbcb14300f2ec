// Which classes a step compares, written for reading: of each block labels first, then those with the lowest random numbers.
#pragma once

#include <algorithm>
#include <set>
#include <tuple>

#include "base/class_draw.h"
#include "support/arrays.h"

namespace margincore::test::reference {

inline Ints drawn_classes(const Ints& labels, const ClassDraw& draw, uint64_t seed, uint64_t step) {
  const std::set<int32_t> wanted(labels.begin(), labels.end());
  Ints drawn;
  for (int64_t begin = 0; begin < draw.count; begin += draw.block) {
    std::vector<std::tuple<bool, uint32_t, int32_t>> order;  // labels before others, by random number, by place
    for (int64_t j = begin; j < std::min(begin + draw.block, draw.count); ++j) {
      const auto number = static_cast<uint64_t>(draw.first + j);
      const uint32_t bits =
          philox(seed, RandomPurpose::Classes, 0, step * (uint64_t{1} << 32) + number / 4).value[number % 4];
      order.emplace_back(wanted.count(static_cast<int32_t>(j)) == 0, std::max(bits >> 12, 1u), static_cast<int32_t>(j));
    }
    std::sort(order.begin(), order.end());
    order.resize(begin + draw.block < draw.count ? draw.drawn : draw.drawn_of_last);
    Ints of_block;
    for (const auto& [other, bits, j] : order) of_block.push_back(j);
    std::sort(of_block.begin(), of_block.end());
    drawn.insert(drawn.end(), of_block.begin(), of_block.end());
  }
  return drawn;
}

/// Where each label is among them, or -1.
inline Ints places_of(const Ints& labels, const Ints& drawn) {
  Ints places;
  for (const int32_t label : labels) {
    const auto found = std::find(drawn.begin(), drawn.end(), label);
    places.push_back(found == drawn.end() ? -1 : static_cast<int32_t>(found - drawn.begin()));
  }
  return places;
}

}  // namespace margincore::test::reference
