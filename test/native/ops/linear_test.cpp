#include <doctest/doctest.h>

#include "reference/matrices.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct LinearSizes {
  int64_t rows, in, out;
};

std::string to_string(const LinearSizes& s) {
  return std::to_string(s.rows) + " rows, " + std::to_string(s.in) + " to " + std::to_string(s.out);
}

const LinearSizes kCases[] = {{1, 1, 1},     {1, 17, 1},   {1, 1601, 130}, {2, 2, 10},     {3, 5, 7},
                              {127, 33, 17}, {128, 16, 1}, {20, 1600, 33}, {128, 64, 513}, {2, 128, 1009},
                              {300, 2, 513}, {700, 3, 16}, {600, 5, 64}};  // many rows for the bias

struct Operands {
  Floats x, w, bias, dy;

  Operands(const LinearSizes& s, DType dtype) {
    Random random(static_cast<uint64_t>(s.rows * 10'000 + s.in * 100 + s.out));
    x = as_stored(random.normals(s.rows * s.in), dtype);
    w = as_stored(random.normals(s.out * s.in), dtype);
    bias = random.normals(s.out);
    dy = as_stored(random.normals(s.rows * s.out), dtype);
  }
};

}  // namespace

TEST_CASE("linear_forward") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const LinearSizes& s) {
    const Operands o(s, dtype);
    for (const bool has_bias : {false, true}) {
      CAPTURE(has_bias);
      Device device(backend);
      const Tensor y = device.output({s.rows, s.out}, dtype);
      const Tensor bias = has_bias ? device.input(o.bias, {s.out}) : Tensor();
      device.call(backend.linear_forward(y, device.input(o.x, {s.rows, s.in}, dtype),
                                         device.input(o.w, {s.out, s.in}, dtype), bias));
      expect_close(has_bias ? Op::BiasedForward : Op::LinearForward, device.read(y),
                   reference::linear_forward(to_doubles(o.x), to_doubles(o.w),
                                             has_bias ? to_doubles(o.bias) : Doubles(), s.rows, s.in, s.out),
                   dtype);
    }
  });
}

TEST_CASE("linear_backward_data") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const LinearSizes& s) {
    const Operands o(s, dtype);
    Device device(backend);
    const Tensor dx = device.output({s.rows, s.in}, dtype);
    device.call(backend.linear_backward_data(dx, device.input(o.dy, {s.rows, s.out}, dtype),
                                             device.input(o.w, {s.out, s.in}, dtype)));
    const Doubles dy = to_doubles(o.dy), w = to_doubles(o.w);
    expect_close(Op::LinearBackwardData, device.read(dx), reference::linear_backward_data(dy, w, s.rows, s.in, s.out),
                 dtype);

    const auto probes = Random(1).indices(o.x.size(), 8);
    const auto loss = [&](const Doubles& x) {
      return dot(dy, reference::linear_forward(x, w, {}, s.rows, s.in, s.out));
    };
    expect_close(Op::LinearBackwardData, pick(device.read(dx), probes),
                 central_differences(to_doubles(o.x), probes, 0.5, loss), dtype);
  });
}

TEST_CASE("linear_backward_weight") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const LinearSizes& s) {
    const Operands o(s, dtype);
    for (const DType stored : weight_gradient_types(backend, dtype)) {
      for (const bool has_bias : {false, true}) {
        CAPTURE(has_bias);
        CAPTURE(size_of(stored));
        Device device(backend);
        const Tensor dw = device.output({s.out, s.in}, stored);
        const Tensor dbias = has_bias ? device.output({s.out}) : Tensor();
        device.call(backend.linear_backward_weight(dw, dbias, device.input(o.dy, {s.rows, s.out}, dtype),
                                                   device.input(o.x, {s.rows, s.in}, dtype)));
        const Doubles dy = to_doubles(o.dy), x = to_doubles(o.x);
        expect_close(Op::LinearBackwardWeight, device.read(dw),
                     reference::linear_backward_weight(dy, x, s.rows, s.in, s.out), stored);
        if (has_bias) expect_close(Op::BiasGradient, device.read(dbias), reference::column_sums(dy, s.rows, s.out));

        if (has_bias) continue;
        const auto probes = Random(2).indices(o.w.size(), 8);
        const auto loss = [&](const Doubles& w) {
          return dot(dy, reference::linear_forward(x, w, {}, s.rows, s.in, s.out));
        };
        expect_close(Op::LinearBackwardWeight, pick(device.read(dw), probes),
                     central_differences(to_doubles(o.w), probes, 0.5, loss), stored);
      }
    }
  });
}

TEST_CASE("a linear layer reads an image as one row per sample, in NHWC order") {
  for (Backend* backend : backends()) {
    const Floats x = Random(3).normals(2 * 3 * 4 * 5), w = Random(4).normals(6 * 60);
    Device device(*backend);
    const Tensor image = device.input(x, {2, 3, 4, 5}), matrix = device.input(x, {2, 60});
    const Tensor weights = device.input(w, {6, 60});
    const Tensor from_image = device.output({2, 6}), from_matrix = device.output({2, 6});
    device.call(backend->linear_forward(from_image, image, weights, {}));
    device.call(backend->linear_forward(from_matrix, matrix, weights, {}));
    expect_same(device.read(from_image), device.read(from_matrix));

    const Tensor dx_image = device.output({2, 3, 4, 5}), dx_matrix = device.output({2, 60});
    device.call(backend->linear_backward_data(dx_image, from_image, weights));
    device.call(backend->linear_backward_data(dx_matrix, from_image, weights));
    expect_same(device.read(dx_image), device.read(dx_matrix));

    const Tensor dw_image = device.output({6, 60}), dw_matrix = device.output({6, 60});
    device.call(backend->linear_backward_weight(dw_image, {}, from_image, image));
    device.call(backend->linear_backward_weight(dw_matrix, {}, from_image, matrix));
    expect_same(device.read(dw_image), device.read(dw_matrix));
  }
}

}  // namespace margincore::test
