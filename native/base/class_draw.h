// Which classes a training step compares where it does not compare all of them (Partial FC: An et al. 2022, "Killing Two
// Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs by Partial FC"): those of the batch's labels, and
// of the others some at random. Unlike there, the same ones for any number of ranks: classes are drawn block by block, and
// ranks are cut between blocks. A block always gives the same number, labels before others, so that sizes never change.
#pragma once

#include "base/rng.h"

namespace margincore {

inline constexpr int64_t kMaxClassBlock = 4096;

/// Of `count` classes from number `first` on: `drawn` of each `block` neighbours, and of the last ones, perhaps fewer, `drawn_of_last`.
struct ClassDraw {
  int64_t first, count;  // first: a multiple of block
  int64_t block, drawn, drawn_of_last;

  MARGINCORE_HOST_DEVICE int64_t blocks() const { return (count + block - 1) / block; }
  MARGINCORE_HOST_DEVICE int64_t slots() const { return (blocks() - 1) * drawn + drawn_of_last; }
  MARGINCORE_HOST_DEVICE int64_t size_of(int64_t number) const {
    return number + 1 < blocks() ? block : count - number * block;
  }
  MARGINCORE_HOST_DEVICE int64_t drawn_of(int64_t number) const {
    return number + 1 < blocks() ? drawn : drawn_of_last;
  }
};

/// By what a block's classes are put in order, those with the lowest being drawn: labels first, then by a random number of 20
/// bits, and where these are alike by their place in the block. No two are alike.
MARGINCORE_HOST_DEVICE uint32_t label_key(int64_t place) { return static_cast<uint32_t>(place); }
MARGINCORE_HOST_DEVICE uint32_t random_key(int64_t place, uint32_t bits) {
  const uint32_t number = bits / kMaxClassBlock;
  return (number == 0 ? 1 : number) * static_cast<uint32_t>(kMaxClassBlock) + static_cast<uint32_t>(place);
}
/// The random bits of four neighbours: classes 4 * four to 4 * four + 3, counted among all.
MARGINCORE_HOST_DEVICE Random4 class_bits(uint64_t seed, uint64_t step, int64_t four) {
  return philox(seed, RandomPurpose::Classes, 0, (step << 32) + static_cast<uint64_t>(four));
}

/// Where a label is among the classes that were drawn, ascending; -1 of one that was not, or is none of the classes.
MARGINCORE_HOST_DEVICE int32_t place_among(const int32_t* drawn, int32_t label, const ClassDraw& draw) {
  if (label < 0 || label >= draw.count) return -1;
  const int64_t number = label / draw.block, end = number * draw.drawn + draw.drawn_of(number);
  int64_t low = number * draw.drawn, high = end;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (drawn[middle] < label) low = middle + 1;
    else high = middle;
  }
  return low < end && drawn[low] == label ? static_cast<int32_t>(low) : -1;
}

}  // namespace margincore
