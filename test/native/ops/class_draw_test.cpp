#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "nn/head.h"
#include "reference/class_draw.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Sizes {
  int64_t classes, rows;
  double share;
};

std::string to_string(const Sizes& s) {
  return std::to_string(s.rows) + " rows, " + std::to_string(s.share) + " of " + std::to_string(s.classes) + " classes";
}

// One block and many, whole ones and a last one of a single class, of all sizes up to the largest; more rows than threads.
const Sizes kCases[] = {{1, 1, 0.5},        {3, 1, 0.9},       {40, 4, 0.5},        {97, 13, 0.4},   {1000, 300, 0.9},
                        {32'768, 300, 0.1}, {33'000, 7, 0.01}, {40'961, 513, 0.25}, {5000, 2, 0.001}};

/// Labels with room for them in each block.
Ints labels_for(const Sizes& sizes) {
  const ClassDraw draw = draw_of({0, sizes.classes}, sizes.classes, sizes.share);
  Random random(static_cast<uint64_t>(sizes.classes + sizes.rows));
  std::vector<std::set<int32_t>> of_block(draw.blocks());
  Ints labels;
  while (static_cast<int64_t>(labels.size()) < sizes.rows) {
    const int32_t label = random.integers(1, 0, static_cast<int32_t>(sizes.classes - 1))[0];
    std::set<int32_t>& taken = of_block[label / draw.block];
    if (taken.count(label) == 0 && static_cast<int64_t>(taken.size()) == draw.drawn_of(label / draw.block)) continue;
    taken.insert(label);
    labels.push_back(label);
  }
  return labels;
}

struct Drawn {
  Ints classes, places;
};

Drawn draw_on(Backend& backend, const Ints& labels, const ClassDraw& draw, uint64_t seed, uint64_t step) {
  Device device(backend);
  StepBlock block{};
  block.seed = seed;
  block.step = step;
  const auto rows = static_cast<int64_t>(labels.size());
  const Tensor drawn = device.output({draw.slots()}, DType::I32), places = device.output({rows}, DType::I32);
  device.call(backend.draw_classes(drawn, places, device.input(labels, {rows}), draw, device.constant(block)));
  return {device.read<int32_t>(drawn.i32(), draw.slots()), device.read<int32_t>(places.i32(), rows)};
}

}  // namespace

TEST_CASE("draw_classes: labels, and of the others those with the lowest numbers, in each block as many as its share") {
  for_each_case(kCases, [](Backend& backend, const Sizes& sizes) {
    const Ints labels = labels_for(sizes);
    const ClassDraw draw = draw_of({0, sizes.classes}, sizes.classes, sizes.share);
    for (const uint64_t step : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 33}) {
      const Drawn found = draw_on(backend, labels, draw, 7, step);
      CHECK(found.classes == reference::drawn_classes(labels, draw, 7, step));
      CHECK(found.places == reference::places_of(labels, found.classes));
      for (const int32_t place : found.places) CHECK(place >= 0);
    }
  });
}

TEST_CASE("draw_classes: ranks that are cut between blocks draw together what one process draws") {
  const Sizes sizes{40'961, 300, 0.25};
  const Ints labels = labels_for(sizes);
  const ClassDraw all = draw_of({0, sizes.classes}, sizes.classes, sizes.share);
  for (Backend* backend : backends()) {
    const Drawn one = draw_on(*backend, labels, all, 7, 3);
    Ints together;
    for (const auto& [first, end] : {std::pair<int64_t, int64_t>{0, 3}, {3, 4}, {4, all.blocks()}}) {
      const int64_t begin = first * all.block, count = std::min(end * all.block, sizes.classes) - begin;
      Ints own = labels;
      for (int32_t& label : own) label -= static_cast<int32_t>(begin);
      const ClassDraw draw = draw_of({begin, count}, sizes.classes, sizes.share);
      const Drawn part = draw_on(*backend, own, draw, 7, 3);
      CHECK(part.places == reference::places_of(own, part.classes));  // -1 of another rank's
      for (const int32_t class_number : part.classes) together.push_back(class_number + static_cast<int32_t>(begin));
    }
    CHECK(together == one.classes);
  }
}

TEST_CASE("draw_classes: each class as often as its share, others in each step and with each seed") {
  const ClassDraw draw = draw_of({0, 4000}, 4000, 0.3);  // blocks of 500
  for (Backend* backend : backends()) {
    const int steps = 200;
    std::vector<int> times(4000);
    Ints before;
    for (int step = 0; step < steps; ++step) {
      const Ints drawn = draw_on(*backend, {-1}, draw, 1, step).classes;
      CHECK(drawn != before);
      before = drawn;
      for (const int32_t each : drawn) ++times[each];
    }
    CHECK(draw_on(*backend, {-1}, draw, 2, steps - 1).classes != before);
    double squares = 0;  // chi-squared of 4000 classes, whose sum is fixed in each block
    for (const int count : times) squares += std::pow(count - 0.3 * steps, 2) / (steps * 0.3 * 0.7);
    CHECK(std::abs(squares - 4000) < 5 * std::sqrt(2.0 * 4000));
  }
}

TEST_CASE("gather_rows and scatter_rows") {
  const Matrix cases[] = {{1, 1}, {5, 1}, {9, 3}, {64, 36}, {1000, 130}, {7, 2048}, {3, 8193}};
  for_each_case(cases, [](Backend& backend, const Matrix& m) {
    Random random(static_cast<uint64_t>(m.rows * 10'000 + m.columns));
    const Floats x = random.normals(m.rows * m.columns);
    Ints rows;
    for (int64_t i = m.rows - 1; i >= 0; i -= 2) rows.push_back(static_cast<int32_t>(i));
    const auto count = static_cast<int64_t>(rows.size());
    Device device(backend);
    const Tensor y = device.output({count, m.columns}), places = device.input(rows, {count});
    device.call(backend.gather_rows(y, device.input(x, {m.rows, m.columns}), places));
    Floats gathered;
    for (const int32_t row : rows)
      gathered.insert(gathered.end(), x.begin() + row * m.columns, x.begin() + (row + 1) * m.columns);
    expect_same(device.read(y), gathered);

    const Floats part = random.normals(count * m.columns);
    const Tensor whole = device.inout(x, {m.rows, m.columns});
    device.call(backend.scatter_rows(whole, device.input(part, {count, m.columns}), places));
    Floats expected = x;
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(part.begin() + i * m.columns, m.columns, expected.begin() + rows[i] * m.columns);
    expect_same(device.read(whole), expected);
  });
}

}  // namespace margincore::test
