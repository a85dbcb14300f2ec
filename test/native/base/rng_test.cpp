#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "base/rng.h"

namespace margincore::test {

namespace {

/// The paper's generator by its own operands: counter words c0…c3, key words k0, k1.
Random4 philox_words(const uint32_t (&c)[4], const uint32_t (&k)[2]) {
  return philox(k[0] | uint64_t{k[1]} << 32, static_cast<RandomPurpose>(c[3]), c[2], c[0] | uint64_t{c[1]} << 32);
}

}  // namespace

TEST_CASE("philox gives the known answers of its authors (Random123, philox4x32 with 10 rounds)") {
  struct KnownAnswer {
    uint32_t counter[4], key[2], result[4];
  };
  const KnownAnswer kAnswers[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const KnownAnswer& answer : kAnswers) {
    const Random4 found = philox_words(answer.counter, answer.key);
    for (int i = 0; i < 4; ++i) CHECK(found.value[i] == answer.result[i]);
  }
}

TEST_CASE("every operand of philox changes the draw") {
  using Words = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;
  std::set<Words> draws;
  int count = 0;
  for (const uint64_t seed : {uint64_t{1}, uint64_t{2}, uint64_t{1} << 32})
    for (const RandomPurpose purpose :
         {RandomPurpose::Weights, RandomPurpose::Shuffle, RandomPurpose::Dropout, RandomPurpose::Augmentation})
      for (const uint32_t stream : {0u, 1u, 1u << 16})
        for (const uint64_t index : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
          const Random4 r = philox(seed, purpose, stream, index);
          draws.emplace(r.value[0], r.value[1], r.value[2], r.value[3]);
          ++count;
        }
  CHECK(draws.size() == static_cast<size_t>(count));
}

TEST_CASE("uniform01 lies in [0, 1) and has the mean and variance of a uniform number") {
  CHECK(uniform01(0) == 0);
  CHECK(uniform01(0xffffffff) < 1);
  CHECK(uniform01(0xffffffff) == 1 - 0x1p-24f);
  CHECK(uniform01(0x80000000) == 0.5f);
  CHECK(uniform01(0xff) == 0);  // the low eight bits are not used

  double sum = 0, squares = 0;
  float least = 1, most = 0;
  const int draws = 100'000;
  for (int i = 0; i < draws; ++i) {
    for (const uint32_t word : philox(1, RandomPurpose::Weights, 0, i).value) {
      const float u = uniform01(word);
      least = std::min(least, u);
      most = std::max(most, u);
      sum += u;
      squares += double{u} * u;
    }
  }
  CHECK((least >= 0 && least < 1e-4f));
  CHECK((most < 1 && most > 1 - 1e-4f));
  const double count = 4.0 * draws, mean = sum / count;
  CHECK(std::abs(mean - 0.5) < 5 * std::sqrt(1 / 12.0 / count));
  CHECK(std::abs(squares / count - mean * mean - 1 / 12.0) < 1e-3);
}

}  // namespace margincore::test
