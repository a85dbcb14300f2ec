#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "reference/elementwise.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

// Around the width of a vector, a cache line, and the block that is given to a thread (2^14).
const int64_t kCounts[] = {1, 2, 15, 17, 127, 1009, 16'384, 32'769, 70'001};

StepBlock step_block(uint64_t seed, uint64_t step) {
  StepBlock block{};
  block.seed = seed;
  block.step = step;
  return block;
}

}  // namespace

TEST_CASE("relu_forward and relu_backward are exact, also in place") {
  for_each_case(kCounts, [](Backend& backend, DType dtype, int64_t count) {
    Random random(static_cast<uint64_t>(count));
    Floats x = as_stored(random.normals(count), dtype), dy = as_stored(random.normals(count), dtype);
    x[count / 2] = 0;  // where the derivative is 0
    const Floats expected_y = to_floats(reference::relu_forward(to_doubles(x)));
    const Floats expected_dx = to_floats(reference::relu_backward(to_doubles(dy), to_doubles(expected_y)));

    Device device(backend);
    const Tensor y = device.output({count}, dtype), dx = device.output({count}, dtype);
    device.call(backend.relu_forward(y, device.input(x, {count}, dtype)));
    device.call(backend.relu_backward(dx, device.input(dy, {count}, dtype), y));
    expect_same(device.read(y), expected_y);
    expect_same(device.read(dx), expected_dx);

    const Tensor value = device.inout(x, {count}, dtype), gradient = device.inout(dy, {count}, dtype);
    device.call(backend.relu_forward(value, value));
    device.call(backend.relu_backward(gradient, gradient, value));
    expect_same(device.read(value), expected_y);
    expect_same(device.read(gradient), expected_dx);

    const auto probes = Random(1).indices(count, 16);
    const auto loss = [&](const Doubles& at) { return dot(to_doubles(dy), reference::relu_forward(at)); };
    const Doubles slopes = central_differences(to_doubles(x), probes, 1e-9, loss);
    for (size_t i = 0; i < probes.size(); ++i)
      if (x[probes[i]] != 0) CHECK(expected_dx[probes[i]] == doctest::Approx(slopes[i]).epsilon(1e-3));
  });
}

TEST_CASE("scale, in place, is exact: one product") {
  for_each_case(kCounts, [](Backend& backend, int64_t count) {
    Random random(static_cast<uint64_t>(count));
    const Floats x = random.normals(count);
    for (const float factor : {1.0f, 0.5f, 1.0f / 3}) {
      Device device(backend);
      const Tensor scaled = device.inout(x, {count});
      device.call(backend.scale(scaled, factor));
      expect_same(device.read(scaled), to_floats(reference::scale(to_doubles(x), factor)));
    }
  });
}

TEST_CASE("shift_labels is exact") {
  for_each_case(kCounts, [](Backend& backend, int64_t count) {
    const Ints labels = Random(static_cast<uint64_t>(count)).integers(count, 0, 1'000'000);
    for (const int32_t first : {0, 7, 999'999}) {
      Ints expected;
      for (const int32_t label : labels) expected.push_back(label - first);
      Device device(backend);
      const Tensor own = device.output({count}, DType::I32);
      device.call(backend.shift_labels(own, device.input(labels, {count}), first));
      CHECK(device.read_ints(own) == expected);
    }
  });
}

TEST_CASE("relu lets NaN pass, so that it is found") {
  for (Backend* backend : backends()) {
    Floats x = Random(1).normals(100);
    x[3] = x[64] = x[99] = kNaN;
    Device device(*backend);
    const Tensor y = device.output({100});
    device.call(backend->relu_forward(y, device.input(x, {100})));
    const Floats result = device.read(y);
    for (size_t i = 0; i < x.size(); ++i) CHECK(std::isnan(result[i]) == std::isnan(x[i]));
  }
}

TEST_CASE("convert is exact to fp32, and to the nearest bf16, ties to even; NaN and infinities stay") {
  for (Backend* backend : backends()) {
    if (activation_types(*backend).size() == 1) continue;
    for (const int64_t count : kCounts) {
      CAPTURE(count);
      Floats x = Random(static_cast<uint64_t>(count)).normals(count);
      if (count > 100) {
        const Floats special = {1 + 0x1p-8f, 1 + 0x3p-8f, 1 + 0x1.2p-8f, -0.0f, 3.4e38f, INFINITY, -INFINITY, 1e-40f};
        std::copy(special.begin(), special.end(), x.begin());
      }
      Device device(*backend);
      const Tensor half = device.output({count}, DType::BF16), back = device.output({count});
      device.call(backend->convert(half, device.input(x, {count})));
      device.call(backend->convert(back, half));
      expect_same(device.read(half), as_stored(x, DType::BF16));
      expect_same(device.read(back), as_stored(x, DType::BF16));
      if (count <= 100) continue;
      const Floats found = device.read(back);
      CHECK(found[0] == 1);            // a tie: down to even
      CHECK(found[1] == 1 + 0x1p-6f);  // a tie: up to even
      CHECK(found[2] == 1 + 0x1p-7f);
      CHECK(std::signbit(found[3]));
      CHECK(found[4] == INFINITY);
      device.call(backend->convert(half, device.input(Floats(count, kNaN), {count})));
      device.call(backend->convert(back, half));
      for (float value : device.read(back)) CHECK(std::isnan(value));
    }
  }
}

TEST_CASE("add is exact, also in place") {
  for_each_case(kCounts, [](Backend& backend, DType dtype, int64_t count) {
    Random random(static_cast<uint64_t>(count));
    const Floats a = as_stored(random.normals(count), dtype), b = as_stored(random.normals(count), dtype);
    Floats expected;
    for (int64_t i = 0; i < count; ++i) expected.push_back(a[i] + b[i]);
    Device device(backend);
    const Tensor y = device.output({count}, dtype), in_place = device.inout(a, {count}, dtype);
    const Tensor second = device.input(b, {count}, dtype);
    device.call(backend.add(y, device.input(a, {count}, dtype), second));
    device.call(backend.add(in_place, in_place, second));
    expected = as_stored(expected, dtype);
    expect_same(device.read(y), expected);
    expect_same(device.read(in_place), expected);
  });
}

TEST_CASE("dropout") {
  const Dropout kDropouts[] = {{0, 0}, {0.1f, 1}, {0.5f, 2}, {0.75f, 1u << 16}};
  // The last needs more than 32 bits of seed and of step.
  const StepBlock kSteps[] = {step_block(0, 0), step_block(7, 1), step_block(0x123456789abcdefu, 4'000'000'001u)};
  for_each_case(kCounts, [&](Backend& backend, DType dtype, int64_t count) {
    for (const Dropout& dropout : kDropouts) {
      for (const StepBlock& block : kSteps) {
        CAPTURE(dropout.rate);
        CAPTURE(block.step);
        const Floats x = as_stored(Random(static_cast<uint64_t>(count)).normals(count), dtype);
        const Doubles expected = reference::dropout(to_doubles(x), dropout, block);
        Device device(backend);
        const StepBlock* step = device.constant(block);
        const Tensor y = device.output({count}, dtype), dx = device.output({count}, dtype);
        const Tensor in_place = device.inout(x, {count}, dtype);
        device.call(backend.dropout_forward(y, device.input(x, {count}, dtype), dropout, step));
        device.call(backend.dropout_backward(dx, device.input(x, {count}, dtype), dropout, step));
        device.call(backend.dropout_forward(in_place, in_place, dropout, step));
        expect_close(Op::Dropout, device.read(y), expected, dtype);
        expect_same(device.read(dx), device.read(y));  // the same mask and factor
        expect_same(device.read(in_place), device.read(y));
      }
    }
  });
}

TEST_CASE("dropout of a part of a batch is that part of the batch's") {
  const int64_t whole = 1000;
  for (Backend* backend : backends()) {
    for (const DType dtype : activation_types(*backend)) {
      const Floats x = as_stored(Random(1).normals(whole), dtype);
      const StepBlock block = step_block(7, 3);
      Device device(*backend);
      const StepBlock* step = device.constant(block);
      const Tensor y = device.output({whole}, dtype);
      device.call(backend->dropout_forward(y, device.input(x, {whole}, dtype), {0.4f, 2}, step));
      const Floats expected = device.read(y);
      for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 7}, {1, 999}, {4, 300}, {333, 667}, {998, 2}}) {
        CAPTURE(first);
        const Floats part(x.begin() + first, x.begin() + first + count);
        const Tensor found = device.output({count}, dtype);
        device.call(backend->dropout_forward(found, device.input(part, {count}, dtype), {0.4f, 2, first}, step));
        expect_same(device.read(found), Floats(expected.begin() + first, expected.begin() + first + count));
      }
    }
  }
}

TEST_CASE("dropout keeps about 1 - rate, and another mask for each step, stream and seed") {
  const int64_t count = 100'000;
  const Floats ones(count, 1);
  for (Backend* backend : backends()) {
    const auto mask = [&](const Dropout& dropout, const StepBlock& block) {
      Device device(*backend);
      const Tensor y = device.output({count});
      device.call(backend->dropout_forward(y, device.input(ones, {count}), dropout, device.constant(block)));
      return device.read(y);
    };
    for (const float rate : {0.1f, 0.5f, 0.75f}) {
      CAPTURE(rate);
      const Floats first = mask({rate, 0}, step_block(1, 0));
      const auto kept = static_cast<double>(count - std::count(first.begin(), first.end(), 0.0f));
      const double deviation = std::sqrt(rate * (1 - rate) / count);
      CHECK(std::abs(kept / count - (1 - rate)) < 5 * deviation);

      for (const Floats& other : {mask({rate, 0}, step_block(1, 1)), mask({rate, 1}, step_block(1, 0)),
                                  mask({rate, 0}, step_block(2, 0)), mask({rate, 0}, step_block(1ull << 32 | 1, 0))}) {
        double together = 0;
        for (int64_t i = 0; i < count; ++i) together += first[i] != 0 && other[i] != 0 ? 1 : 0;
        const double independent = (1 - rate) * (1 - rate);
        CHECK(std::abs(together / count - independent) < 5 * std::sqrt(independent * (1 - independent) / count));
      }
    }
  }
}

}  // namespace margincore::test
