#include <doctest/doctest.h>

#include <cmath>

#include "reference/average_pooling.h"
#include "support/cases.h"
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
    {1, 1, 9, 40, {3, 2, 2}},  {2, 2, 2, 24, {3, 1, 1}},  // most of a window is padding; every window has the image
    {127, 4, 4, 3, {2, 2, 0}}, {128, 3, 3, 1, {3, 3, 1}},  {20, 14, 14, 32, {2, 2, 0}},
};

const Shape kImages[] = {
    {1, 1, 1, 1},   {2, 3, 5, 3},  {1, 7, 7, 16},   {1, 1, 9, 17},  {2, 8, 3, 33},
    {127, 2, 3, 3}, {3, 5, 5, 64}, {20, 7, 7, 200}, {1, 37, 29, 4}, {2, 2, 2, 2056},  // more than a block has threads
};

Floats values(const Shape& shape, DType dtype) {
  return as_stored(Random(static_cast<uint64_t>(shape.count())).normals(shape.count()), dtype);
}

/// Differences of a forward pass that is linear, so that any step is exact.
template <class Forward>
void expect_differences(const Floats& dx, const Floats& dy, const Floats& x, DType dtype, const Forward& forward) {
  const auto probes = Random(1).indices(x.size(), 16);
  const auto loss = [&](const Doubles& at) { return dot(to_doubles(dy), forward(at)); };
  expect_close(Op::AveragePoolBackward, pick(dx, probes), central_differences(to_doubles(x), probes, 0.5, loss), dtype);
}

}  // namespace

TEST_CASE("average_pool") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const PoolingSizes& sizes) {
    const Floats x = values(sizes.x(), dtype), dy = values(sizes.y(), dtype);
    Device device(backend);
    const Tensor y = device.output(sizes.y(), dtype), dx = device.output(sizes.x(), dtype);
    device.call(backend.average_pool_forward(y, device.input(x, sizes.x(), dtype), sizes.pool));
    device.call(backend.average_pool_backward(dx, device.input(dy, sizes.y(), dtype), sizes.pool));
    expect_close(Op::AveragePoolForward, device.read(y), reference::average_pool_forward(sizes, to_doubles(x)), dtype);
    expect_close(Op::AveragePoolBackward, device.read(dx), reference::average_pool_backward(sizes, to_doubles(dy)),
                 dtype);
    expect_differences(device.read(dx), dy, x, dtype,
                       [&](const Doubles& at) { return reference::average_pool_forward(sizes, at); });
  });
}

TEST_CASE("average_pool: padding does not count, so the average of ones is 1 everywhere") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const PoolingSizes& sizes) {
    Device device(backend);
    const Tensor y = device.output(sizes.y(), dtype);
    const Floats ones(sizes.x().count(), 1);
    device.call(backend.average_pool_forward(y, device.input(ones, sizes.x(), dtype), sizes.pool));
    for (float average : device.read(y)) CHECK(std::abs(average - 1) < 1e-6);
  });
}

TEST_CASE("average_pool lets NaN pass, so that it is found") {
  for (Backend* backend : backends()) {
    const PoolingSizes sizes{2, 6, 6, 19, {3, 2, 1}};
    const auto with_nan = [](Floats numbers) {
      for (size_t i : {size_t{0}, size_t{5}, numbers.size() / 2, numbers.size() - 1}) numbers[i] = kNaN;
      return numbers;
    };
    const Floats x = with_nan(values(sizes.x(), DType::F32)), dy = with_nan(values(sizes.y(), DType::F32));
    const Doubles expected_y = reference::average_pool_forward(sizes, to_doubles(x));
    const Doubles expected_dx = reference::average_pool_backward(sizes, to_doubles(dy));
    Device device(*backend);
    const Tensor y = device.output(sizes.y()), dx = device.output(sizes.x());
    device.call(backend->average_pool_forward(y, device.input(x, sizes.x()), sizes.pool));
    device.call(backend->average_pool_backward(dx, device.input(dy, sizes.y()), sizes.pool));
    const Floats result = device.read(y), gradient = device.read(dx);
    for (size_t i = 0; i < result.size(); ++i) CHECK(std::isnan(result[i]) == std::isnan(expected_y[i]));
    for (size_t i = 0; i < gradient.size(); ++i) CHECK(std::isnan(gradient[i]) == std::isnan(expected_dx[i]));
  }
}

TEST_CASE("global_average_pool") {
  for_each_case(kImages, [](Backend& backend, DType dtype, const Shape& image) {
    const Shape averages{image[0], image[3]};
    const Floats x = values(image, dtype), dy = values(averages, dtype);
    Device device(backend);
    const Tensor y = device.output(averages, dtype), dx = device.output(image, dtype);
    device.call(backend.global_average_pool_forward(y, device.input(x, image, dtype)));
    device.call(backend.global_average_pool_backward(dx, device.input(dy, averages, dtype)));
    expect_close(Op::AveragePoolForward, device.read(y), reference::global_average_forward(image, to_doubles(x)),
                 dtype);
    expect_close(Op::AveragePoolBackward, device.read(dx), reference::global_average_backward(image, to_doubles(dy)),
                 dtype);
    expect_differences(device.read(dx), dy, x, dtype,
                       [&](const Doubles& at) { return reference::global_average_forward(image, at); });
  });
}

TEST_CASE("global_average_pool lets NaN pass, so that it is found") {
  for (Backend* backend : backends()) {
    const Shape image{2, 3, 3, 20}, averages{2, 20};
    Floats x = values(image, DType::F32), dy = values(averages, DType::F32);
    x[25] = x[359] = dy[3] = kNaN;
    Device device(*backend);
    const Tensor y = device.output(averages), dx = device.output(image);
    device.call(backend->global_average_pool_forward(y, device.input(x, image)));
    device.call(backend->global_average_pool_backward(dx, device.input(dy, averages)));
    const Floats result = device.read(y), gradient = device.read(dx);
    for (size_t i = 0; i < result.size(); ++i) CHECK(std::isnan(result[i]) == (i == 5 || i == 39));
    for (size_t i = 0; i < gradient.size(); ++i) CHECK(std::isnan(gradient[i]) == (i < 180 && i % 20 == 3));
  }
}

}  // namespace margincore::test
