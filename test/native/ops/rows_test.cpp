#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "reference/rows.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

// Lengths that are multiples of four and others, around what a warp and a block keep in registers.
const Matrix kCases[] = {{1, 1},    {1, 2},    {3, 17},   {2, 1009},   {127, 33},  {128, 512}, {1009, 2},
                         {3, 4},    {5, 36},   {5, 130},  {3, 513},    {3, 516},   {3, 2048},  {2, 8189},
                         {2, 8192}, {2, 8193}, {2, 8196}, {1, 40'000}, {1, 40'001}};

/// A row of zeros in every matrix of more than two rows.
Floats values(Random& random, const Matrix& m) {
  Floats x = random.normals(m.rows * m.columns);
  if (m.rows > 2) std::fill_n(x.begin() + m.columns, m.columns, 0.0f);
  return x;
}

Random random_for(const Matrix& m) { return Random(static_cast<uint64_t>(m.rows * 100'000 + m.columns)); }

Floats norms_of(const Floats& x, const Matrix& m) {
  return to_floats(reference::row_norms(to_doubles(x), m.rows, m.columns));
}

/// scale * x_i / norms_i, of rows as many as norms: how these are rounded is no part of it.
Doubles scaled_by(const Floats& x, double scale, const Floats& norms) {
  const size_t columns = x.size() / norms.size();
  Doubles y = to_doubles(x);
  for (size_t i = 0; i < y.size(); ++i) {
    const double norm = norms[i / columns];
    y[i] = norm > 0 ? scale * y[i] / norm : 0;
  }
  return y;
}

}  // namespace

TEST_CASE("row_norms") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats x = values(random, m);
    Device device(backend);
    const Tensor norms = device.output({m.rows});
    device.call(backend.row_norms(norms, device.input(x, {m.rows, m.columns})));
    expect_close(Op::RowNorms, device.read(norms), reference::row_norms(to_doubles(x), m.rows, m.columns));
  });
}

TEST_CASE("l2_scale_forward, also in place, with the norms of what it reads and of what it writes") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats x = values(random, m);
    for (const float scale : {1.0f, 30.0f, 0.1f}) {
      CAPTURE(scale);
      Device device(backend);
      const Shape shape{m.rows, m.columns};
      const Tensor y = device.output(shape), norms = device.output({m.rows}), y_norms = device.output({m.rows});
      const Tensor in_place = device.inout(x, shape), again = device.output({m.rows});
      const Tensor norms_alone = device.output({m.rows}), y_norms_alone = device.output({m.rows});
      const Tensor in = device.input(x, shape);
      device.call(backend.l2_scale_forward(y, norms, y_norms, in, device.constant(scale)));
      device.call(backend.l2_scale_forward(in_place, again, {}, in_place, device.constant(scale)));
      device.call(backend.row_norms(norms_alone, in));
      device.call(backend.row_norms(y_norms_alone, y));
      const Floats found_norms = device.read(norms);
      expect_close(Op::RowNorms, found_norms, reference::row_norms(to_doubles(x), m.rows, m.columns));
      expect_close(Op::L2ScaleForward, device.read(y), scaled_by(x, scale, found_norms));
      expect_same(device.read(norms), device.read(norms_alone));
      expect_same(device.read(y_norms), device.read(y_norms_alone));
      expect_same(device.read(in_place), device.read(y));
      expect_same(device.read(again), device.read(norms));
    }
  });
}

TEST_CASE("scale_rows divides by norms that are given, also in place") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats x = random.normals(m.rows * m.columns);
    Floats norms = random.normals(m.rows);
    for (float& norm : norms) norm = std::abs(norm) + 0.1f;
    if (m.rows > 2) norms[1] = 0;
    Device device(backend);
    const Shape shape{m.rows, m.columns};
    const Tensor y = device.output(shape), in_place = device.inout(x, shape), given = device.input(norms, {m.rows});
    device.call(backend.scale_rows(y, device.input(x, shape), given, device.constant(3.0f)));
    device.call(backend.scale_rows(in_place, in_place, given, device.constant(3.0f)));
    expect_close(Op::L2ScaleForward, device.read(y), scaled_by(x, 3, norms));
    expect_same(device.read(in_place), device.read(y));
  });
}

TEST_CASE("l2_scale_backward, also in place") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats x = values(random, m), dy = random.normals(m.rows * m.columns);
    const double scale = 16;
    Device device(backend);
    const Shape shape{m.rows, m.columns};
    const Tensor dx = device.output(shape), dscale = device.output({1}), in_place = device.inout(dy, shape);
    const Tensor x_on_device = device.input(x, shape), norms = device.input(norms_of(x, m), {m.rows});
    const float* factor = device.constant(static_cast<float>(scale));
    device.call(backend.l2_scale_backward(dx, dscale, device.input(dy, shape), x_on_device, norms, factor));
    device.call(backend.l2_scale_backward(in_place, {}, in_place, x_on_device, norms, factor));

    const Doubles at = to_doubles(x), up = to_doubles(dy);
    if (m.columns > 1)  // a single column has one direction only: the gradient is 0 but for rounding
      expect_close(Op::L2ScaleBackward, device.read(dx),
                   reference::l2_scale_backward(up, at, scale, m.rows, m.columns));
    expect_same(device.read(in_place), device.read(dx));
    expect_close(Op::ScaleGradient, device.read(dscale),
                 {reference::l2_scale_backward_scale(up, at, m.rows, m.columns)});

    // A row of zeros has no derivative; its gradient is 0 by rule.
    const Floats gradient = device.read(dx);
    for (int64_t j = m.columns; m.rows > 2 && j < 2 * m.columns; ++j) CHECK(gradient[j] == 0);
    const auto probes = Random(1).indices(m.columns, 16);  // in the first row
    if (m.columns == 1) return;
    const auto loss = [&](const Doubles& x) {
      return dot(up, reference::l2_scale_forward(x, scale, m.rows, m.columns));
    };
    expect_close(Op::L2ScaleBackward, pick(device.read(dx), probes), central_differences(at, probes, 1e-4, loss));
    const auto loss_of_scale = [&](const Doubles& s) {
      return dot(up, reference::l2_scale_forward(at, s[0], m.rows, m.columns));
    };
    expect_close(Op::ScaleGradient, device.read(dscale), central_differences({scale}, {0}, 0.5, loss_of_scale));
  });
}

TEST_CASE("remove_radial takes away the part along x and nothing else") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    if (m.columns == 1) return;  // nothing is left but rounding
    const Floats x = values(random, m), gradient = random.normals(m.rows * m.columns);
    Device device(backend);
    const Shape shape{m.rows, m.columns};
    const Tensor dx = device.inout(gradient, shape);
    device.call(backend.remove_radial(dx, device.input(x, shape), device.input(norms_of(x, m), {m.rows})));
    expect_close(Op::RemoveRadial, device.read(dx),
                 reference::remove_radial(to_doubles(gradient), to_doubles(x), m.rows, m.columns));

    // It is the derivative of what depends on x by direction only: of sum(gradient * |x_i| x^_i), |x_i| held fixed.
    const Doubles up = to_doubles(gradient), norms = reference::row_norms(to_doubles(x), m.rows, m.columns);
    const auto loss = [&](const Doubles& at) {
      const Doubles unit = reference::unit_rows(at, m.rows, m.columns);
      double sum = 0;
      for (size_t i = 0; i < unit.size(); ++i) sum += up[i] * norms[i / m.columns] * unit[i];
      return sum;
    };
    const auto probes = Random(1).indices(m.columns, 16);
    expect_close(Op::RemoveRadial, pick(device.read(dx), probes),
                 central_differences(to_doubles(x), probes, 1e-4, loss));
  });
}

TEST_CASE("a row with a NaN is NaN after normalisation, and no other is") {
  const Shape shape{3, 37};
  for (Backend* backend : backends()) {
    Floats x = Random(1).normals(shape.count());
    x[40] = kNaN;
    Device device(*backend);
    const Tensor rows = device.input(x, shape), norms = device.output({3}), y = device.output(shape);
    device.call(backend->l2_scale_forward(y, norms, {}, rows, device.constant(1.0f)));
    const Floats found = device.read(y);
    for (size_t i = 0; i < found.size(); ++i) CHECK(std::isnan(found[i]) == (i / 37 == 1));
  }
}

TEST_CASE("add_scaled_rows") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats y = random.normals(m.rows * m.columns), x = values(random, m), coefficients = random.normals(m.rows);
    Device device(backend);
    const Shape shape{m.rows, m.columns};
    const Tensor sum = device.inout(y, shape);
    device.call(backend.add_scaled_rows(sum, device.input(x, shape), device.input(coefficients, {m.rows})));
    expect_close(Op::AddScaledRows, device.read(sum),
                 reference::add_scaled_rows(to_doubles(y), to_doubles(x), to_doubles(coefficients), m.columns));
  });
}

}  // namespace margincore::test
