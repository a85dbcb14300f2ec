#include "reference/centers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Sizes {
  int64_t rows, classes, size;
};

std::string to_string(const Sizes& s) {
  return std::to_string(s.rows) + " of " + std::to_string(s.classes) + " classes, size " + std::to_string(s.size);
}

// One sample, one class, fewer samples than classes, and more columns than one block of 256.
const Sizes kCases[] = {{1, 1, 1}, {1, 3, 17}, {5, 1, 2}, {3, 1009, 33}, {128, 10, 513}, {127, 10, 2}, {64, 100, 257}};

struct Problem {
  Floats x, centers;
  Ints labels;
};

Problem make_problem(const Sizes& sizes) {
  Random random(static_cast<uint64_t>(sizes.rows * 10'000 + sizes.size));
  return {random.normals(sizes.rows * sizes.size, 2), random.normals(sizes.classes * sizes.size),
          random.integers(sizes.rows, 0, sizes.classes - 1)};
}

/// One call of center_loss, into the second of three reports.
struct Call {
  Device device;
  Tensor dx;
  StepReport* reports;
  int32_t* halted;

  Call(Backend& backend, const Sizes& sizes, const Problem& p, float weight, const StepReport& before, int32_t halt = 0)
      : device(backend),
        dx(device.output({sizes.rows, sizes.size})),
        reports(device.variable(std::vector<StepReport>(3, before))),
        halted(device.variable(Ints{halt})) {
    StepBlock block{};
    block.report_index = 1;
    device.call(backend.center_loss(dx, nullptr, reports, halted, device.input(p.x, dx.shape),
                                    device.input(p.centers, {sizes.classes, sizes.size}),
                                    device.input(p.labels, {sizes.rows}), weight, device.constant(block)));
  }

  StepReport report(int index = 1) const { return device.read<StepReport>(reports, 3)[index]; }
  bool is_halted() const { return device.read<int32_t>(halted, 1)[0] != 0; }
};

bool same(const StepReport& a, const StepReport& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

StepReport with_loss(float loss) {
  StepReport report{};
  report.loss = loss;
  return report;
}

}  // namespace

TEST_CASE("center_loss: the loss is added to the report, the gradient is that of its differences") {
  for_each_case(kCases, [](Backend& backend, const Sizes& sizes) {
    const Problem p = make_problem(sizes);
    for (const float weight : {0.01f, 1.0f, 3.0f}) {
      CAPTURE(weight);
      const Doubles x = to_doubles(p.x), centers = to_doubles(p.centers);
      const Call call(backend, sizes, p, weight, {0, 3, 4, 5, 6});
      expect_close(Op::CenterLoss, {call.report().loss},
                   {reference::center_loss(x, centers, p.labels, weight, sizes.size)});
      const Floats dx = call.device.read(call.dx);
      expect_close(Op::CenterGradient, dx, reference::center_gradient(x, centers, p.labels, weight, sizes.size));
      const auto probes = Random(1).indices(x.size(), 16);
      expect_close(Op::CenterGradient, pick(dx, probes), central_differences(x, probes, 1e-2, [&](const Doubles& at) {
                     return reference::center_loss(at, centers, p.labels, weight, sizes.size);
                   }));
      CHECK_FALSE(call.is_halted());

      // Nothing else of the reports may change.
      StepReport only_loss = call.report();
      only_loss.loss = 0;
      for (const StepReport& report : {only_loss, call.report(0), call.report(2)}) CHECK(same(report, {0, 3, 4, 5, 6}));
    }
  });
}

TEST_CASE("center_loss adds to what the report holds") {
  for (Backend* backend : backends()) {
    const Sizes sizes{5, 3, 17};
    const Problem p = make_problem(sizes);
    const float loss = Call(*backend, sizes, p, 0.5f, {}).report().loss;
    CHECK(Call(*backend, sizes, p, 0.5f, with_loss(2.5f)).report().loss == loss + 2.5f);
  }
}

TEST_CASE("center_loss halts where the loss is then not finite, and takes no halt back") {
  const Sizes sizes{5, 3, 17};
  Problem p = make_problem(sizes);
  p.labels = {0, 1, 1, 0, 1};  // class 2 has no sample
  for (Backend* backend : backends()) {
    CHECK(Call(*backend, sizes, p, 1, with_loss(kNaN)).is_halted());  // the softmax had found it
    CHECK(Call(*backend, sizes, p, 1, {}, 1).is_halted());
    for (const float bad : {kNaN, INFINITY, -INFINITY, 1e30f}) {  // the last has no square
      CAPTURE(bad);
      Problem broken = p;
      broken.x[sizes.size + 3] = bad;
      CHECK(Call(*backend, sizes, broken, 1, {}).is_halted());
      broken = p;
      broken.centers[sizes.size + 16] = bad;
      CHECK(Call(*backend, sizes, broken, 1, {}).is_halted());
      broken = p;
      broken.centers[2 * sizes.size] = bad;
      CHECK_FALSE(Call(*backend, sizes, broken, 1, {}).is_halted());
    }
  }
}

TEST_CASE("center_update: classes with many samples, with one and with none") {
  for_each_case(kCases, [](Backend& backend, const Sizes& sizes) {
    const Problem p = make_problem(sizes);
    for (const float rate : {0.0f, 0.5f, 1.0f}) {
      CAPTURE(rate);
      Device device(backend);
      const Tensor centers = device.inout(p.centers, {sizes.classes, sizes.size});
      device.call(backend.center_update(centers, device.input(p.x, {sizes.rows, sizes.size}),
                                        device.input(p.labels, {sizes.rows}), rate, device.constant(int32_t{0})));
      const Floats moved = device.read(centers);
      const Doubles expected =
          reference::center_update(to_doubles(p.centers), to_doubles(p.x), p.labels, rate, sizes.size);
      expect_close(Op::CenterUpdate, moved, expected);
      // A class without a sample stays where it is, bit for bit.
      for (size_t i = 0; i < moved.size(); ++i)
        if (expected[i] == p.centers[i]) CHECK(moved[i] == p.centers[i]);

      // `input`: once halted, no centre may change.
      device.call(backend.center_update(device.input(p.centers, centers.shape),
                                        device.input(Floats(p.x.size(), NAN), {sizes.rows, sizes.size}),
                                        device.input(p.labels, {sizes.rows}), rate, device.constant(int32_t{1})));
    }
  });
}

TEST_CASE("center_update moves a centre towards the mean of its samples, by n/(1 + n) of the way at rate 1") {
  for (Backend* backend : backends()) {
    Device device(*backend);
    const Tensor centers = device.inout(Floats{0, 0, 8, 8}, {2, 2});
    device.call(backend->center_update(centers, device.input(Floats{1, 2, 3, 6, 5, 4}, {3, 2}),
                                       device.input(Ints{0, 0, 0}, {3}), 1, device.constant(int32_t{0})));
    expect_same(device.read(centers), Floats{2.25f, 3, 8, 8});
  }
}

TEST_CASE("center_loss and center_update: centres sharded among ranks, each with the whole batch") {
  const Sizes sizes{9, 5, 17};
  const int64_t cut = 2;  // the second rank's centres begin
  for (Backend* backend : backends()) {
    CAPTURE(std::string(backend->info().device));
    Problem p = make_problem(sizes);
    p.labels = {0, 4, 1, 4, 3, 1, 0, 2, 2};
    const Doubles x = to_doubles(p.x), centers = to_doubles(p.centers);
    const StepReport untouched{1, 2, 3, 4, 5};
    float loss = 0;
    Floats gradient(p.x.size()), moved;
    for (const auto& [begin, end] : {std::pair{int64_t{0}, cut}, {cut, sizes.classes}}) {
      Device device(*backend);
      Ints labels = p.labels;
      for (int32_t& label : labels) label -= static_cast<int32_t>(begin);
      const Floats own(p.centers.begin() + begin * sizes.size, p.centers.begin() + end * sizes.size);
      const Tensor dx = device.output({sizes.rows, sizes.size});
      const Tensor input = device.input(p.x, dx.shape), own_labels = device.input(labels, {sizes.rows});
      const Tensor held = device.inout(own, {end - begin, sizes.size});
      StepTotals* totals = device.variable(std::vector<StepTotals>{{7, kNaN, 8}});
      StepReport* report = device.variable(std::vector<StepReport>{untouched});
      int32_t* halted = device.variable(Ints{0});
      device.call(backend->center_loss(dx, totals, report, halted, input, held, own_labels, 0.5f,
                                       device.constant(StepBlock{})));
      const StepTotals found = device.read<StepTotals>(totals, 1)[0];
      CHECK((found.logit_squares == 7 && found.gradient_squares == 8));
      CHECK(same(device.read<StepReport>(report, 1)[0], untouched));
      loss += found.center_loss;
      const Floats part = device.read(dx);
      for (size_t i = 0; i < gradient.size(); ++i) gradient[i] += part[i];
      device.call(backend->center_update(held, input, own_labels, 0.5f, device.constant(int32_t{0})));
      const Floats after = device.read(held);
      moved.insert(moved.end(), after.begin(), after.end());
    }
    expect_close(Op::CenterLoss, {loss}, {reference::center_loss(x, centers, p.labels, 0.5, sizes.size)});
    expect_close(Op::CenterGradient, gradient, reference::center_gradient(x, centers, p.labels, 0.5, sizes.size));
    expect_close(Op::CenterUpdate, moved, reference::center_update(centers, x, p.labels, 0.5, sizes.size));
  }
}

}  // namespace margincore::test
