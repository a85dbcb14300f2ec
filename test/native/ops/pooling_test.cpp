#include <doctest/doctest.h>

#include <cmath>

#include "reference/pooling.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::PoolingSizes;

// batch, height, width, channels, {kernel, stride, padding}
const PoolingSizes kCases[] = {
    {1, 1, 1, 1, {1, 1, 0}},   {2, 4, 6, 3, {2, 2, 0}},    {1, 5, 7, 16, {2, 2, 0}},  // a row and a column left over
    {2, 9, 9, 33, {3, 2, 1}},  {1, 6, 6, 17, {3, 1, 1}},   {2, 7, 5, 65, {3, 1, 0}},  // windows overlap
    {1, 9, 9, 2, {5, 3, 2}},   {1, 16, 15, 1, {15, 1, 7}}, {1, 7, 7, 3, {2, 3, 0}},   // pixels between windows
    {127, 4, 4, 3, {2, 2, 0}}, {128, 3, 3, 1, {3, 3, 1}},  {20, 24, 24, 32, {2, 2, 0}},
    {3, 10, 7, 16, {2, 2, 1}}, {1, 4, 90, 32, {2, 2, 0}},  {2, 11, 12, 24, {2, 4, 1}},
};

/// All values differ (`levels` 0), or there are so few that windows have several maxima.
Floats values(const PoolingSizes& sizes, int levels = 0) {
  Random random(static_cast<uint64_t>(sizes.x().count()));
  if (levels == 0) return random.normals(sizes.x().count());
  const Ints drawn = random.integers(sizes.x().count(), -levels, levels);
  return Floats(drawn.begin(), drawn.end());
}

}  // namespace

/// Without and with the bias of the layer before, which is added to the maximum.
TEST_CASE("max_pool: values and places of the first maximum are exact; gradients") {
  for (Backend* backend : backends()) {
    for (const DType dtype : activation_types(*backend)) {
      for (PoolingSizes sizes : kCases) {
        for (const int choice : {0, 1, 2, 3, 4, 5, 6, 7}) {
          const int levels = choice % 2, relu = choice / 2 % 2, has_bias = choice / 4;
          sizes.pool.relu = relu;
          CAPTURE(std::string(backend->info().device));
          CAPTURE(size_of(dtype));
          CAPTURE(to_string(sizes));
          CAPTURE(relu);
          CAPTURE(has_bias);
          const Floats x = as_stored(values(sizes, levels), dtype);
          const Floats dy = as_stored(Random(5).normals(sizes.y().count()), dtype);
          const Floats bias = has_bias ? Random(7).normals(sizes.channels) : Floats();
          const auto pooled = [&](const Doubles& at) {
            return reference::max_pool_forward(sizes, at, to_doubles(bias));
          };
          const reference::MaxPooled expected = pooled(to_doubles(x));

          Device device(*backend);
          const Tensor y = device.output(sizes.y(), dtype), position = device.output(sizes.y(), DType::U8);
          const Tensor added = has_bias ? device.input(bias, {sizes.channels}) : Tensor();
          device.call(backend->max_pool_forward(y, position, device.input(x, sizes.x(), dtype), added, sizes.pool));
          expect_same(device.read(y), as_stored(to_floats(expected.y), dtype));
          expect_same(device.read_bytes(position), expected.position);

          const Tensor dx = device.output(sizes.x(), dtype);
          const Tensor dbias = has_bias ? device.output({sizes.channels}) : Tensor();
          device.call(backend->max_pool_backward(dx, dbias, device.input(dy, sizes.y(), dtype), position, sizes.pool));
          expect_close(Op::MaxPoolBackward, device.read(dx),
                       reference::max_pool_backward(sizes, to_doubles(dy), expected.position), dtype);
          if (has_bias)
            expect_close(Op::BiasGradient, device.read(dbias),
                         reference::max_pool_bias_backward(sizes, to_doubles(dy), expected.position));

          if (levels != 0 || dtype != DType::F32) continue;  // no derivative where there are several maxima
          const auto probes = Random(1).indices(x.size(), 16);
          const auto loss = [&](const Doubles& at) { return dot(to_doubles(dy), pooled(at).y); };
          const Doubles slopes = central_differences(to_doubles(x), probes, 1e-9, loss);
          const Floats found = device.read(dx);
          for (size_t i = 0; i < probes.size(); ++i)
            CHECK(std::abs(found[probes[i]] - slopes[i]) < 1e-3);  // a step of 1e-9 leaves no more digits
        }
      }
    }
  }
}

TEST_CASE("max_pool lets NaN pass, so that it is found") {
  for (Backend* backend : backends()) {
    for (const int relu : {0, 1}) {
      const PoolingSizes sizes{2, 6, 6, 19, {3, 2, 1, relu}};
      Floats x = values(sizes);
      for (size_t i : {0u, 5u, 400u, 1000u, 1367u}) x[i] = kNaN;
      Doubles is_nan(x.size());
      for (size_t i = 0; i < x.size(); ++i) is_nan[i] = std::isnan(x[i]) ? 1 : 0;
      const Doubles has_nan = reference::max_pool_forward(sizes, is_nan).y;

      Device device(*backend);
      const Tensor y = device.output(sizes.y()), position = device.output(sizes.y(), DType::U8);
      device.call(backend->max_pool_forward(y, position, device.input(x, sizes.x()), {}, sizes.pool));
      const Floats result = device.read(y);
      for (size_t i = 0; i < result.size(); ++i) CHECK(std::isnan(result[i]) == (has_nan[i] == 1));

      if (relu) continue;
      // Without a ReLU it takes the gradient, too.
      const Tensor dx = device.output(sizes.x());
      device.call(
          backend->max_pool_backward(dx, {}, device.input(to_floats(has_nan), sizes.y()), position, sizes.pool));
      const Floats gradient = device.read(dx);
      for (size_t i = 0; i < x.size(); ++i) CHECK((gradient[i] > 0) == std::isnan(x[i]));
    }
  }
}

TEST_CASE("max_pool: minus infinity is a value, padding is none") {
  const PoolingSizes sizes{1, 3, 3, 5, {3, 2, 1}};
  for (Backend* backend : backends()) {
    Device device(*backend);
    const Tensor y = device.output(sizes.y()), position = device.output(sizes.y(), DType::U8);
    const Floats x(sizes.x().count(), -INFINITY);
    device.call(backend->max_pool_forward(y, position, device.input(x, sizes.x()), {}, sizes.pool));
    expect_same(device.read(y), Floats(sizes.y().count(), -INFINITY));
    // The first place of each window that lies in the image.
    expect_same(device.read_bytes(position), Bytes{4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0});
  }
}

}  // namespace margincore::test
