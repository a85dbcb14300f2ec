#include <doctest/doctest.h>

#include <cmath>

#include "reference/matrices.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

const Matrix kCases[] = {{1, 1},     {1, 10}, {2, 17},  {128, 1},  {127, 255}, {128, 257}, {3, 1009},
                         {300, 513}, {5, 8},  {3, 516}, {2, 4100}, {3, 8195},  {700, 16},  {600, 64}};

Random random_for(const Matrix& m) { return Random(static_cast<uint64_t>(m.rows * 10'000 + m.columns)); }

}  // namespace

TEST_CASE("softmax") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    for (const double size : {1.0, 30.0}) {  // with 30, rows span e^-200
      CAPTURE(size);
      const Floats z = random.normals(m.rows * m.columns, size);
      Doubles expected = reference::softmax(to_doubles(z), m.rows, m.columns);
      Device device(backend);
      const Tensor p = device.output({m.rows, m.columns});
      device.call(backend.softmax(p, device.input(z, p.shape)));
      Floats found = device.read(p);
      // Below the smallest normal fp32 a probability has no digits to compare.
      for (size_t i = 0; i < found.size(); ++i) {
        if (expected[i] >= 1e-37) continue;
        CHECK(found[i] <= 2e-37f);
        found[i] = 0;
        expected[i] = 0;
      }
      expect_close(Op::Softmax, found, expected);
    }
  });
}

TEST_CASE("softmax of logits far from 0") {
  for (Backend* backend : backends()) {
    const Floats z = {1000, 1001, 999, -1000, -1001, -999};
    Device device(*backend);
    const Tensor p = device.output({2, 3});
    device.call(backend->softmax(p, device.input(z, {2, 3})));
    expect_close(Op::Softmax, device.read(p), reference::softmax(to_doubles(z), 2, 3));
  }
}

TEST_CASE("softmax shows a NaN in its row and in no other") {
  for (Backend* backend : backends()) {
    Floats z = Random(1).normals(2 * 37);
    z[5] = kNaN;
    Device device(*backend);
    const Tensor p = device.output({2, 37});
    device.call(backend->softmax(p, device.input(z, {2, 37})));
    const Floats found = device.read(p);
    for (size_t i = 0; i < found.size(); ++i) CHECK(std::isnan(found[i]) == (i < 37));
  }
}

TEST_CASE("scale_logits: each of row norms, column norms, scale and shift may be absent") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats z = random.normals(m.rows * m.columns), shift = random.normals(m.columns);
    const Floats scale = random.normals(m.columns);
    Floats row_norms = random.uniform(m.rows, 0.5, 2), column_norms = random.uniform(m.columns, 0.5, 2);
    if (m.rows > 1) row_norms[1] = 0;
    if (m.columns > 10) column_norms[3] = 0;
    for (int present = 0; present < 16; ++present) {
      CAPTURE(present);
      Device device(backend);
      const auto operand = [&](int bit, const Floats& values) {
        return (present & bit) != 0 ? device.input(values, {static_cast<int64_t>(values.size())}) : Tensor();
      };
      const auto expected = [&](int bit, const Floats& values) {
        return (present & bit) != 0 ? to_doubles(values) : Doubles();
      };
      const Tensor scaled = device.inout(z, {m.rows, m.columns});
      device.call(backend.scale_logits(scaled, operand(1, row_norms), operand(2, column_norms), operand(4, scale),
                                       operand(8, shift)));
      expect_close(Op::ScaleLogits, device.read(scaled),
                   reference::scale_logits(to_doubles(z), expected(1, row_norms), expected(2, column_norms),
                                           expected(4, scale), expected(8, shift), m.rows, m.columns));
    }
  });
}

TEST_CASE("scale_logits by a NaN norm is NaN: a bad class weight is found") {
  for (Backend* backend : backends()) {
    const Floats z = Random(1).normals(2 * 3);
    Device device(*backend);
    const Tensor scaled = device.inout(z, {2, 3});
    device.call(backend->scale_logits(scaled, {}, device.input(Floats{1, kNaN, 1}, {3}), {}, {}));
    const Floats found = device.read(scaled);
    for (size_t i = 0; i < found.size(); ++i) CHECK(std::isnan(found[i]) == (i % 3 == 1));
  }
}

}  // namespace margincore::test
