// Comparing arrays: each comparison is one check, whose message says what is worst and where.
#pragma once

#include <string>

#include "support/arrays.h"
#include "support/tolerances.h"

namespace margincore::test {

struct Comparison {
  bool equal;
  std::string message;
  double used;  // the largest share of a limit that was used; above 1: not equal
};

/// NaN equals NaN and nothing else; an infinity equals itself.
Comparison compare(const Floats& actual, const Doubles& expected, const Tolerance& tolerance);

/// Relative Frobenius distance |actual - expected| / |expected|; NaN if any entry is.
double relative_distance(const Floats& actual, const Doubles& expected);

/// Checks with the limits of the table, and remembers how much of them was used. `dtype`: what was computed in.
void expect_close(Op op, const Floats& actual, const Doubles& expected, DType dtype = DType::F32);

/// The first difference between two arrays that must be the same bit for bit, or "".
std::string first_difference(const Floats& actual, const Floats& expected);
std::string first_difference(const Ints& actual, const Ints& expected);
std::string first_difference(const Bytes& actual, const Bytes& expected);

template <class T>
void expect_same(const std::vector<T>& actual, const std::vector<T>& expected);

void expect_finite(const Floats& values);

/// For each row of the table that was used: the largest share of its limits. To keep the table honest.
std::string limits_used();

}  // namespace margincore::test
