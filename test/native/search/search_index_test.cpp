// Exact search against fp64 cosines of every pair, on every backend, over several blocks and several batches of queries.
#include "search/search_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "support/backends.h"
#include "support/random.h"

namespace margincore::test {

namespace {

const std::atomic<bool> kNotCancelled{false};

BackendOptions options() { return {0, 2, 1, Precision::Fp32}; }

double length(const float* row, int64_t size) {
  return std::sqrt(
      std::inner_product(row, row + size, row, 0.0, std::plus<>(), [](float a, float b) { return double{a} * b; }));
}

double cosine(const float* a, const float* b, int64_t size) {
  const double product =
      std::inner_product(a, a + size, b, 0.0, std::plus<>(), [](float x, float y) { return double{x} * y; });
  return product / (length(a, size) * length(b, size));
}

/// The cosines of what was found are right, fall, and no row that was left out is nearer.
void expect_nearest(const Floats& rows, const Floats& queries, int64_t size, int64_t top, const Matches& found) {
  const int64_t count = static_cast<int64_t>(rows.size()) / size, asked = static_cast<int64_t>(queries.size()) / size;
  REQUIRE(static_cast<int64_t>(found.rows.size()) == asked * top);
  double worst = 0;
  for (int64_t q = 0; q < asked; ++q) {
    std::vector<double> exact(count);
    for (int64_t row = 0; row < count; ++row) exact[row] = cosine(&queries[q * size], &rows[row * size], size);
    std::vector<double> descending = exact;
    std::sort(descending.begin(), descending.end(), std::greater<>());
    std::vector<int32_t> seen;
    for (int64_t k = 0; k < top; ++k) {
      const int32_t row = found.rows[q * top + k];
      REQUIRE(row >= 0);
      REQUIRE(row < count);
      seen.push_back(row);
      worst =
          std::max({worst, std::abs(exact[row] - found.cosines[q * top + k]), std::abs(exact[row] - descending[k])});
    }
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
  }
  CHECK(worst < 1e-6);
}

}  // namespace

TEST_CASE("the nearest rows are those of the highest cosines") {
  struct Case {
    int64_t rows, size, queries, top;
  };
  // One row; fewer rows than a matmul takes; several blocks, and more queries than one batch has.
  for (const auto [rows, size, queries, top] : {Case{1, 3, 1, 1}, Case{300, 2, 5, 300}, Case{5000, 33, 131, 7}}) {
    for (const std::string& backend : backend_names()) {
      CAPTURE(backend);
      CAPTURE(rows);
      Random random(static_cast<uint64_t>(rows));
      // Lengths of all sizes: only the direction counts.
      Floats kept = random.normals(rows * size), asked = random.normals(queries * size);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t k = 0; k < size; ++k) kept[i * size + k] *= std::ldexp(1.0f, static_cast<int>(i % 20) - 10);
      SearchIndex index(backend, options(), size);
      // In two parts, of which the second crosses the end of a block.
      const auto middle = kept.begin() + rows / 3 * size;
      index.add(Floats(kept.begin(), middle));
      index.add(Floats(middle, kept.end()));
      CHECK(index.count() == rows);
      expect_nearest(kept, asked, size, top, index.search(asked, 0, top, kNotCancelled));
    }
  }
}

TEST_CASE("rows that are equal come in the order of their numbers") {
  for (const std::string& backend : backend_names()) {
    SearchIndex index(backend, options(), 2);
    Floats rows;
    for (int i = 0; i < 3000; ++i) rows.insert(rows.end(), {1.0f, i % 2 == 0 ? 0.0f : 1.0f});
    index.add(rows);
    const Matches found = index.search({2, 0}, 0, 4, kNotCancelled);
    CHECK(found.rows == std::vector<int32_t>{0, 2, 4, 6});
  }
}

TEST_CASE("the last row takes the place of one that is removed") {
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    constexpr int64_t kSize = 4, kRows = 600;  // three blocks
    Random random(5);
    Floats rows = random.normals(kRows * kSize);
    SearchIndex index(backend, options(), kSize);
    index.add(rows);
    index.remove({599, 3, 300, 3});
    CHECK(index.count() == 597);
    // 599 goes; 598 comes to 300; 597 comes to 3.
    const auto row = [&](int64_t i) { return rows.begin() + i * kSize; };
    std::copy(row(598), row(599), row(300));
    std::copy(row(597), row(598), row(3));
    rows.resize(597 * kSize);
    const Floats asked = random.normals(9 * kSize);
    expect_nearest(rows, asked, kSize, 20, index.search(asked, 0, 20, kNotCancelled));
    const Floats kept = index.read(250, 100);  // across the end of a block
    for (int64_t i = 0; i < 100; ++i) {
      CHECK(length(&kept[i * kSize], kSize) == doctest::Approx(1).epsilon(1e-6));
      CHECK(cosine(&kept[i * kSize], &rows[(250 + i) * kSize], kSize) == doctest::Approx(1).epsilon(1e-6));
    }
    CHECK_THROWS_WITH_AS(index.remove({597}), doctest::Contains("no row 597"), Error);
  }
}

TEST_CASE("an embedding without a direction is refused, and nothing is appended") {
  const float infinity = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
  for (const std::string& backend : backend_names()) {
    SearchIndex index(backend, options(), 2);
    index.add({1, 2});
    for (const float bad : {0.0f, infinity, none}) {
      CHECK_THROWS_WITH_AS(index.add({3, 4, bad, bad}, 10), doctest::Contains("row 11"), Error);
      CHECK(index.count() == 1);
      CHECK_THROWS_WITH_AS(index.search({bad, bad}, 7, 1, kNotCancelled), doctest::Contains("row 7"), Error);
    }
    CHECK_THROWS_AS(index.add({1, 2, 3}), Error);
    CHECK_THROWS_AS(index.search({1, 2}, 0, 2, kNotCancelled), Error);
  }
}

TEST_CASE("a search ends once it is cancelled") {
  const std::atomic<bool> cancelled{true};
  for (const std::string& backend : backend_names()) {
    SearchIndex index(backend, options(), 2);
    index.add({1, 2});
    CHECK_THROWS_AS(index.search({1, 2}, 0, 1, cancelled), Error);
  }
}

}  // namespace margincore::test
