#include <doctest/doctest.h>

#include <cmath>

#include "reference/prelu.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

const Shape kShapes[] = {
    {1, 1},          {1, 3},           {2, 5, 7, 16},    {1, 3, 5, 17},
    {127, 3, 3, 33}, {1, 1009},        {3, 7, 5, 1},     {2, 2, 3, 1100},  // more channels than a block has threads
    {127, 8, 8, 3},  {20, 24, 24, 32}, {1, 300, 300, 1},                   // more pixels than a thread takes
};

struct Case {
  Shape shape;
  int64_t slopes;
};

std::string to_string(const Case& c) { return to_string(c.shape) + " with " + std::to_string(c.slopes) + " slopes"; }

/// One slope per channel, and one for all.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Shape& shape : kShapes) {
    const int64_t channels = shape[shape.rank - 1];
    all.push_back({shape, channels});
    if (channels > 1) all.push_back({shape, 1});
  }
  return all;
}

struct Operands {
  Floats x, dy, slope;

  Operands(const Shape& shape, DType dtype, int64_t slopes) {
    Random random(static_cast<uint64_t>(shape.count()));
    x = as_stored(random.normals(shape.count()), dtype);
    dy = as_stored(random.normals(shape.count()), dtype);
    slope = random.normals(slopes, 0.5);
    if (shape.count() > 2) x[1] = 0;
  }
};

}  // namespace

TEST_CASE("prelu_forward, also in place") {
  for_each_case(cases(), [](Backend& backend, DType dtype, const Case& c) {
    const Shape& shape = c.shape;
    const int64_t slopes = c.slopes;
    const Operands o(shape, dtype, slopes);
    const Doubles expected = reference::prelu_forward(to_doubles(o.x), to_doubles(o.slope));
    Device device(backend);
    const Tensor y = device.output(shape, dtype), in_place = device.inout(o.x, shape, dtype);
    const Tensor slope = device.input(o.slope, {slopes});
    device.call(backend.prelu_forward(y, device.input(o.x, shape, dtype), slope));
    device.call(backend.prelu_forward(in_place, in_place, slope));
    expect_close(Op::PRelu, device.read(y), expected, dtype);
    expect_same(device.read(in_place), device.read(y));
  });
}

TEST_CASE("prelu_backward, also in place") {
  for_each_case(cases(), [](Backend& backend, DType dtype, const Case& c) {
    const Shape& shape = c.shape;
    const int64_t slopes = c.slopes;
    const Operands o(shape, dtype, slopes);
    const Doubles x = to_doubles(o.x), dy = to_doubles(o.dy), slope = to_doubles(o.slope);
    const reference::PReluGradients expected = reference::prelu_backward(dy, x, slope);
    Device device(backend);
    const Tensor dx = device.output(shape, dtype), dslope = device.output({slopes}), again = device.output({slopes});
    const Tensor in = device.input(o.x, shape, dtype), factors = device.input(o.slope, {slopes});
    const Tensor in_place = device.inout(o.dy, shape, dtype);
    device.call(backend.prelu_backward(dx, dslope, device.input(o.dy, shape, dtype), in, factors));
    device.call(backend.prelu_backward(in_place, again, in_place, in, factors));
    expect_close(Op::PRelu, device.read(dx), expected.dx, dtype);
    expect_close(Op::PReluSlope, device.read(dslope), expected.dslope);
    expect_same(device.read(in_place), device.read(dx));
    expect_same(device.read(again), device.read(dslope));

    std::vector<size_t> probes = Random(1).indices(x.size(), 16);
    std::erase_if(probes, [&](size_t i) { return std::abs(x[i]) < 1e-6; });  // no derivative at 0
    const auto of_x = [&](const Doubles& at) { return dot(dy, reference::prelu_forward(at, slope)); };
    const Doubles slopes_of_x = central_differences(x, probes, 1e-7, of_x);
    const Floats found = pick(device.read(dx), probes);
    for (size_t i = 0; i < probes.size(); ++i)
      CHECK(std::abs(found[i] - slopes_of_x[i]) < (dtype == DType::F32 ? 1e-4 : 4.7e-3 * (1 + std::abs(found[i]))));
    const auto chosen = Random(2).indices(slope.size(), 16);
    const auto of_slope = [&](const Doubles& at) { return dot(dy, reference::prelu_forward(x, at)); };
    expect_close(Op::PReluSlope, pick(device.read(dslope), chosen),
                 central_differences(slope, chosen, 0.5, of_slope));  // linear in the slope: any step is exact
  });
}

TEST_CASE("prelu lets NaN pass, so that it is found") {
  for (Backend* backend : backends()) {
    for (const int64_t slopes : {20, 1}) {
      const Shape shape{2, 3, 3, 20};
      Floats x = Random(1).normals(shape.count());
      for (size_t i : {0u, 45u, 359u}) x[i] = kNaN;
      Device device(*backend);
      const Tensor y = device.output(shape), dx = device.output(shape), dslope = device.output({slopes});
      const Tensor in = device.input(x, shape), slope = device.input(Floats(slopes, 0.25f), {slopes});
      device.call(backend->prelu_forward(y, in, slope));
      device.call(backend->prelu_backward(dx, dslope, in, in, slope));
      const Floats result = device.read(y), gradient = device.read(dx), sums = device.read(dslope);
      for (size_t i = 0; i < x.size(); ++i) {
        CHECK(std::isnan(result[i]) == std::isnan(x[i]));
        CHECK(std::isnan(gradient[i]) == std::isnan(x[i]));
      }
      for (int64_t c = 0; c < slopes; ++c) CHECK(std::isnan(sums[c]) == (slopes == 1 || c == 0 || c == 5 || c == 19));
    }
  }
}

}  // namespace margincore::test
