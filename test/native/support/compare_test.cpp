// The comparisons can fail: without this, no other test says anything.
#include "support/compare.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "support/random.h"

namespace margincore::test {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const Tolerance kLoose{Op::Adam, DType::F32, "loose", 0.01, 0.001, 0.001, ""};

bool equal(const Floats& actual, const Doubles& expected, const Tolerance& tolerance = kLoose) {
  return compare(actual, expected, tolerance).equal;
}

/// The value with so many of its 23 bits: tf32 and fp16 have 10, bf16 7.
float rounded_to(int bits, float value) {
  const uint32_t unit = 1u << (23 - bits);
  return std::bit_cast<float>((std::bit_cast<uint32_t>(value) + unit / 2) & ~(unit - 1));
}

}  // namespace

TEST_CASE("compare accepts what is within its limits and nothing else") {
  CHECK(equal({}, {}));
  CHECK(equal({1, 2, 3}, {1, 2, 3}));
  CHECK(equal({1, 2, 1000.4f}, {1, 2, 1000}));
  CHECK_FALSE(equal({1, 2, 1020}, {1, 2, 1000}));  // relative and absolute
  CHECK_FALSE(equal({1, 2}, {1, 2, 3}));           // size
  CHECK_FALSE(equal({}, {1}));
  CHECK_FALSE(equal({0, 0, 0}, {1, 2, 3}));
  CHECK_FALSE(equal({1e-9f}, {0}));  // where nothing is expected, nothing is near
  CHECK_FALSE(equal({1, 3, 2}, {1, 2, 3}));
  CHECK_FALSE(equal({-1, 2, 3}, {1, 2, 3}));
}

TEST_CASE("compare finds a drift of all entries that no single entry shows") {
  const Doubles expected(1000, 1.0);
  CHECK(equal(Floats(1000, 1.0009f), expected));
  CHECK_FALSE(equal(Floats(1000, 1.002f), expected));
}

TEST_CASE("compare: NaN equals only NaN, an infinity only itself") {
  CHECK_FALSE(equal({1, kNaN}, {1, 2}));
  CHECK_FALSE(equal({1, 2}, {1, kNaN}));
  CHECK(equal({1, kNaN}, {1, kNaN}));
  CHECK_FALSE(equal({1, kInfinity}, {1, 2}));
  CHECK_FALSE(equal({1, 2}, {1, kInfinity}));
  CHECK_FALSE(equal({1, -kInfinity}, {1, kInfinity}));
  CHECK(equal({1, kInfinity}, {1, kInfinity}));
  CHECK_FALSE(equal({kNaN}, {kInfinity}));
}

TEST_CASE(
    "every row of the table accepts the rounded result, and refuses one wrong entry, a drift, and results of fewer "
    "bits") {
  const Floats values = Random(1).normals(10'000);
  const Doubles expected = to_doubles(values);
  for (const Tolerance& row : kTolerances) {
    INFO(std::string(row.name));
    CHECK(std::string(row.reason) != "");
    CHECK(&tolerance(row.op, row.dtype) == &row);
    CHECK(compare(values, expected, row).equal);

    Floats wrong = values;
    wrong[77] +=
        2.5f * static_cast<float>(row.relative * std::abs(values[77]) + row.absolute) + 1e-6f * std::abs(values[77]);
    CHECK_FALSE(compare(wrong, expected, row).equal);

    Floats drifted = values;
    for (float& value : drifted) value *= 1 + 3 * static_cast<float>(row.mean);
    CHECK_FALSE(compare(drifted, expected, row).equal);

    Floats coarse = values;
    for (float& value : coarse) value = row.dtype == DType::BF16 ? rounded_to(5, value) : rounded_to(10, value);
    CHECK_FALSE(compare(coarse, expected, row).equal);
  }
}

TEST_CASE("an op that the table does not have is an error") { CHECK_THROWS_AS(tolerance(Op::Adam, DType::U8), Error); }

TEST_CASE("relative_distance") {
  CHECK(relative_distance({1, 2}, {1, 2}) == 0);
  CHECK(relative_distance({3, 4.5f}, {3, 4}) == doctest::Approx(0.1));
  CHECK_FALSE(relative_distance({kNaN, 4}, {3, 4}) < 1e9);
  CHECK_FALSE(relative_distance({3}, {3, 4}) < 1e9);
  CHECK_FALSE(relative_distance({1}, {0}) < 1e9);
}

TEST_CASE("first_difference sees every bit") {
  CHECK(first_difference(Floats{1, 2}, Floats{1, 2}) == "");
  CHECK(first_difference(Floats{1, 2}, Floats{1, std::nextafter(2.0f, 3.0f)}) != "");
  CHECK(first_difference(Floats{0.0f}, Floats{-0.0f}) != "");
  CHECK(first_difference(Floats{kNaN}, Floats{kNaN}) == "");
  CHECK(first_difference(Floats{1}, Floats{1, 2}) == "1 entries instead of 2");
  CHECK(first_difference(Ints{1, 2}, Ints{1, 3}) == "entry 1 of 2 is 2 instead of 3");
  CHECK(first_difference(Bytes{1, 2}, Bytes{1}) == "2 entries instead of 1");
}

}  // namespace margincore::test
