#include "nn/centroids.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "reference/rows.h"
#include "support/compare.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Sizes {
  int64_t count, size;
};

Doubles made(const Sizes& sizes, uint64_t seed) { return to_doubles(centroids(sizes.count, sizes.size, seed)); }

double cosine(const Doubles& rows, int64_t size, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t k = 0; k < size; ++k) sum += rows[i * size + k] * rows[j * size + k];
  return sum;
}

/// For each row the angle to its nearest other one, in degrees.
Doubles nearest_angles(const Doubles& rows, const Sizes& sizes) {
  Doubles angles;
  for (int64_t i = 0; i < sizes.count; ++i) {
    double nearest = -1;
    for (int64_t j = 0; j < sizes.count; ++j)
      if (j != i) nearest = std::max(nearest, cosine(rows, sizes.size, i, j));
    angles.push_back(std::acos(nearest) * 180 / 3.14159265358979323846);
  }
  return angles;
}

double least(const Doubles& values) { return *std::min_element(values.begin(), values.end()); }

/// sum_{i<j} 1/|c_i - c_j|^2, of rows taken by direction.
double energy(const Doubles& rows, const Sizes& sizes) {
  const Doubles unit = reference::unit_rows(rows, sizes.count, sizes.size);
  double sum = 0;
  for (int64_t i = 0; i < sizes.count; ++i)
    for (int64_t j = 0; j < i; ++j) sum += 1 / (2 - 2 * cosine(unit, sizes.size, i, j));
  return sum;
}

void expect_unit_rows(const Doubles& rows, const Sizes& sizes) {
  REQUIRE(rows.size() == static_cast<size_t>(sizes.count * sizes.size));
  for (double norm : reference::row_norms(rows, sizes.count, sizes.size)) CHECK(std::abs(norm - 1) < 1e-6);
}

}  // namespace

TEST_CASE("centroids with room for a simplex are one: every pair at cos = -1/(C - 1)") {
  for (const Sizes& sizes : {Sizes{2, 1}, {2, 7}, {3, 2}, {10, 9}, {10, 128}, {101, 100}}) {
    for (const uint64_t seed : {0ull, 1ull, 1ull << 40}) {
      CAPTURE(sizes.count);
      CAPTURE(sizes.size);
      CAPTURE(seed);
      const Doubles rows = made(sizes, seed);
      expect_unit_rows(rows, sizes);
      double worst = 0;
      for (int64_t i = 0; i < sizes.count; ++i)
        for (int64_t j = 0; j < i; ++j)
          worst =
              std::max(worst, std::abs(cosine(rows, sizes.size, i, j) + 1.0 / static_cast<double>(sizes.count - 1)));
      CHECK(worst < 1e-6);
    }
  }
}

TEST_CASE("a single centroid is a direction") {
  for (const Sizes& sizes : {Sizes{1, 1}, {1, 2}, {1, 128}}) expect_unit_rows(made(sizes, 1), sizes);
}

TEST_CASE("more than two centroids on a line are unit numbers all the same") {
  for (const Sizes& sizes : {Sizes{3, 1}, {10, 1}}) expect_unit_rows(made(sizes, 1), sizes);
}

TEST_CASE("centroids depend on the seed and on nothing else") {
  for (const Sizes& sizes : {Sizes{1, 5}, {3, 2}, {10, 16}, {10, 3}}) {
    CAPTURE(sizes.count);
    const Floats one = centroids(sizes.count, sizes.size, 1);
    expect_same(centroids(sizes.count, sizes.size, 1), one);
    CHECK(centroids(sizes.count, sizes.size, 2) != one);
    CHECK(centroids(sizes.count, sizes.size, 1ull << 32 | 1) != one);
  }
}

TEST_CASE("centroids without room for a simplex stand where the best arrangement is known to be") {
  struct Known {
    Sizes sizes;
    double degrees;
  };
  const double icosahedron = std::atan(2.0) * 180 / 3.14159265358979323846;  // 63.43
  for (const Known& known :
       {Known{{4, 2}, 90}, {{10, 2}, 36}, {{37, 2}, 360.0 / 37}, {{6, 3}, 90}, {{12, 3}, icosahedron}}) {
    for (const uint64_t seed : {1u, 2u, 3u}) {
      CAPTURE(known.sizes.count);
      CAPTURE(seed);
      const Doubles rows = made(known.sizes, seed);
      expect_unit_rows(rows, known.sizes);
      for (double angle : nearest_angles(rows, known.sizes)) CHECK(std::abs(angle - known.degrees) < 0.01);
    }
  }
}

TEST_CASE("centroids without room for a simplex: a minimum of the energy, far wider apart than random directions") {
  for (const Sizes& sizes : {Sizes{20, 8}, {50, 16}}) {
    CAPTURE(sizes.count);
    const Doubles rows = made(sizes, 1);
    expect_unit_rows(rows, sizes);
    Random random(1);
    const Doubles others =
        reference::unit_rows(to_doubles(random.normals(sizes.count * sizes.size)), sizes.count, sizes.size);
    CHECK(least(nearest_angles(rows, sizes)) > 1.5 * least(nearest_angles(others, sizes)));

    // In no direction does the energy fall, but for the rounding of the rows to fp32.
    const double here = energy(rows, sizes);
    for (int direction = 0; direction < 20; ++direction) {
      const Doubles step = to_doubles(random.normals(sizes.count * sizes.size, 0.01));
      Doubles moved = rows;
      for (size_t i = 0; i < moved.size(); ++i) moved[i] += step[i];
      CHECK(energy(moved, sizes) > here);
    }
  }
}

TEST_CASE("centroids are the same bits for any number of threads") {
  for (const Sizes& sizes : {Sizes{150, 149}, {150, 200}, {60, 8}}) {
    CAPTURE(sizes.count);
    const Floats one = centroids(sizes.count, sizes.size, 3);
    for (const int threads : {2, 5}) expect_same(centroids(sizes.count, sizes.size, 3, Work(threads)), one);
  }
}

TEST_CASE("a search for centroids ends when it has done its share of work, better than where it began") {
  const Sizes sizes{300, 32};
  const std::atomic<bool> never{false};
  Work work(2);
  const int64_t evaluation = 4 * sizes.count * sizes.count * sizes.size;
  work.begin(30 * evaluation, never);
  const Doubles rows = to_doubles(centroids(sizes.count, sizes.size, 1, work, 1));
  expect_unit_rows(rows, sizes);
  CHECK(work.fraction_done() == 1);
  CHECK(centroid_work(10'000, 512) == 30 * 4ll * 10'000 * 10'000 * 512);
  Random random(1);
  const Doubles others =
      reference::unit_rows(to_doubles(random.normals(sizes.count * sizes.size)), sizes.count, sizes.size);
  CHECK(least(nearest_angles(rows, sizes)) > 1.15 * least(nearest_angles(others, sizes)));
}

TEST_CASE("a search for centroids, and the making of a simplex, end soon after they are cancelled") {
  for (const Sizes& sizes : {Sizes{9000, 256}, {3000, 3000}}) {
    CAPTURE(sizes.size);
    std::atomic<bool> cancelled{false};
    double at = 0;
    Work work(2);
    work.begin(centroid_work(sizes.count, sizes.size), cancelled);
    std::thread later([&] {
      while (work.fraction_done() == 0) std::this_thread::yield();
      cancelled = true;
      at = work.fraction_done();
    });
    CHECK_THROWS_AS(centroids(sizes.count, sizes.size, 1, work), Error);
    later.join();
    // Each thread ends the piece that it has in hand, at most.
    CHECK(work.fraction_done() - at < 0.01);
  }
}

TEST_CASE("all the work that was announced is done in the end") {
  const std::atomic<bool> never{false};
  for (const Sizes& sizes : {Sizes{1, 3}, {2, 1}, {150, 149}, {70, 200}, {12, 3}, {200, 8}}) {
    CAPTURE(sizes.count);
    CAPTURE(sizes.size);
    Work work(2);
    const int64_t announced = centroid_work(sizes.count, sizes.size);
    work.begin(announced + 1, never);
    centroids(sizes.count, sizes.size, 1, work);
    CHECK(work.fraction_done() ==
          doctest::Approx(static_cast<double>(announced) / static_cast<double>(announced + 1)).epsilon(1e-12));
  }
}

}  // namespace margincore::test
