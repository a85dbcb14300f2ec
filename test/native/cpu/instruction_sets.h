// The sets of loops that this processor can run, and what a set gives on random numbers.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "cpu/loops.h"
#include "support/compare.h"

namespace margincore::test {

inline constexpr int64_t kRows = 13, kColumns = 1009, kCount = kRows * kColumns;

inline bool runs_here(const Loops& loops) {
  __builtin_cpu_init();
  if (&loops == &x86_64_v4::loops)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  if (&loops == &x86_64_v3::loops)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  return true;
}

inline bool report_skip(const Loops& loops) {
  const bool runs = runs_here(loops);
  if (!runs) std::printf("skipped: loops for %s: this processor does not have it\n", loops.instruction_set);
  return !runs;
}

/// Results of loops, one by one.
struct Results {
  struct Rounded {
    Op op;
    Floats values;
    DType dtype = DType::F32;
  };
  struct Exact {
    std::string name;
    Floats values;
    DType dtype = DType::F32;
  };
  std::vector<Rounded> rounded;
  std::vector<Exact> exact;

  /// `expected`: the same from another set, perhaps not yet rounded to the type that this one has.
  void expect_agreement(const Results& expected) const {
    REQUIRE(expected.exact.size() == exact.size());
    REQUIRE(expected.rounded.size() == rounded.size());
    for (size_t i = 0; i < exact.size(); ++i) {
      CAPTURE(exact[i].name);
      expect_same(exact[i].values, as_stored(expected.exact[i].values, exact[i].dtype));
    }
    for (size_t i = 0; i < rounded.size(); ++i)
      expect_close(rounded[i].op, rounded[i].values, to_doubles(expected.rounded[i].values), rounded[i].dtype);
  }
};

}  // namespace margincore::test
