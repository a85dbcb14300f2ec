#include <doctest/doctest.h>

#include <cmath>

#include "reference/update.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

TEST_CASE("gradient_norm") {
  for (Backend* backend : backends()) {
    for (const int64_t count : {1, 17, 1009, 32'768, 32'769, 200'003}) {
      for (const double size : {1e-15, 1.0, 1e14}) {  // the extremes that squares in fp32 allow
        CAPTURE(std::string(backend->info().device));
        CAPTURE(count);
        CAPTURE(size);
        const Floats g = Random(static_cast<uint64_t>(count)).normals(count, size);
        Device device(*backend);
        StepBlock block{};
        block.report_index = 2;
        const StepReport untouched{1, 2, 3, 4, 5};
        StepReport* reports = device.variable(std::vector<StepReport>(4, untouched));
        int32_t* halted = device.variable(Ints{0});
        device.call(backend->gradient_norm(reports, halted, nullptr, {{}, device.input(g, {count})}, nullptr, 0,
                                           device.constant(block)));

        const auto found = device.read<StepReport>(reports, 4);
        expect_close(Op::GradientNorm, {found[2].gradient_norm}, {std::sqrt(dot(to_doubles(g), to_doubles(g)))});
        CHECK(device.read<int32_t>(halted, 1)[0] == 0);
        CHECK((found[2].loss == 1 && found[2].correct == 2));
        for (int other : {0, 1, 3}) CHECK(found[other].gradient_norm == 3);
      }
    }
  }
}

TEST_CASE("gradient_norm says by how much gradients are clipped") {
  for (Backend* backend : backends()) {
    for (const int64_t count : {1, 1009, 200'003}) {
      // Norms below, about and far above the largest; of 0, and where the 1e-6 beside the norm counts.
      for (const auto& [size, largest] :
           {std::pair{1.0, 1e6}, {1.0, 1.0}, {1e3, 0.5}, {1e14, 1e-3}, {0.0, 1.0}, {1e-7, 1e-7}, {1.0, 1e-30}}) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(count);
        CAPTURE(size);
        CAPTURE(largest);
        const Floats g = Random(static_cast<uint64_t>(count)).normals(count, size);
        Device device(*backend);
        StepReport* report = device.variable(std::vector<StepReport>(1));
        int32_t* halted = device.variable(Ints{0});
        float* factor = device.variable(Floats{kNaN});
        device.call(backend->gradient_norm(report, halted, factor, {{}, device.input(g, {count})}, nullptr, largest,
                                           device.constant(StepBlock{})));

        const double norm = std::sqrt(dot(to_doubles(g), to_doubles(g)));
        expect_close(Op::GradientNorm, {device.read<StepReport>(report, 1)[0].gradient_norm}, {norm});
        expect_close(Op::GradientNorm, {device.read<float>(factor, 1)[0]}, {reference::clip_factor(norm, largest)});
        CHECK(device.read<int32_t>(halted, 1)[0] == 0);
      }
    }
  }
}

TEST_CASE("gradient_norm halts on a single value that is not finite, wherever it stands") {
  const int64_t count = 100'003;
  for (Backend* backend : backends()) {
    for (const float bad : {kNaN, INFINITY, -INFINITY}) {
      for (const int64_t place : {int64_t{0}, int64_t{32'768}, count - 1}) {
        CAPTURE(bad);
        CAPTURE(place);
        Floats g = Random(1).normals(count);
        g[place] = bad;
        Device device(*backend);
        StepReport* report = device.variable(std::vector<StepReport>(1));
        int32_t* halted = device.variable(Ints{0});
        device.call(backend->gradient_norm(report, halted, nullptr, {{}, device.input(g, {count})}, nullptr, 0,
                                           device.constant(StepBlock{})));
        CHECK(device.read<int32_t>(halted, 1)[0] == 1);
        CHECK_FALSE(std::isfinite(device.read<StepReport>(report, 1)[0].gradient_norm));
      }
    }
  }
}

TEST_CASE("gradient_norm of gradients in bf16, and of others in fp32 behind them") {
  for (Backend* backend : backends()) {
    if (backend->info().bf16_gradients == 0) continue;
    for (const int64_t count : {4, 1008, 200'004}) {
      for (const int64_t others : {0, 1, 1009, 70'001}) {
        CAPTURE(count);
        CAPTURE(others);
        const Floats first = as_stored(Random(1).normals(count), DType::BF16), rest = Random(2).normals(others);
        Device device(*backend);
        StepReport* report = device.variable(std::vector<StepReport>(1));
        int32_t* halted = device.variable(Ints{0});
        const Gradients gradients{device.input(first, {count}, DType::BF16),
                                  others == 0 ? Tensor() : device.input(rest, {others})};
        device.call(
            backend->gradient_norm(report, halted, nullptr, gradients, nullptr, 0, device.constant(StepBlock{})));
        const double squares = dot(to_doubles(first), to_doubles(first)) + dot(to_doubles(rest), to_doubles(rest));
        expect_close(Op::GradientNorm, {device.read<StepReport>(report, 1)[0].gradient_norm}, {std::sqrt(squares)});
        CHECK(device.read<int32_t>(halted, 1)[0] == 0);
      }
    }
  }
}

TEST_CASE("gradient_norm halts on a value in bf16 that is not finite, wherever it stands") {
  const int64_t count = 100'000;
  for (Backend* backend : backends()) {
    if (backend->info().bf16_gradients == 0) continue;
    for (const float bad : {kNaN, INFINITY}) {
      for (const int64_t place : {int64_t{0}, count - 1}) {
        CAPTURE(bad);
        CAPTURE(place);
        Floats g = Random(1).normals(count);
        g[place] = bad;
        Device device(*backend);
        StepReport* report = device.variable(std::vector<StepReport>(1));
        int32_t* halted = device.variable(Ints{0});
        const Gradients gradients{device.input(g, {count}, DType::BF16), device.input(Floats{1, 2}, {2})};
        device.call(
            backend->gradient_norm(report, halted, nullptr, gradients, nullptr, 0, device.constant(StepBlock{})));
        CHECK(device.read<int32_t>(halted, 1)[0] == 1);
      }
    }
  }
}

TEST_CASE("gradient_norm leaves a halt that came before as it is") {
  for (Backend* backend : backends()) {
    Device device(*backend);
    StepReport* report = device.variable(std::vector<StepReport>(1));
    int32_t* halted = device.variable(Ints{1});
    device.call(backend->gradient_norm(report, halted, nullptr, {{}, device.input(Floats{1, 2}, {2})}, nullptr, 0,
                                       device.constant(StepBlock{})));
    CHECK(device.read<int32_t>(halted, 1)[0] == 1);
  }
}

TEST_CASE("gradient_norm takes in what ranks have by themselves, of which gradient_squares are the squares") {
  for (Backend* backend : backends()) {
    for (const int64_t count : {1, 1009, 200'003}) {
      CAPTURE(std::string(backend->info().device));
      CAPTURE(count);
      const Floats shared = Random(1).normals(33), own = Random(2).normals(count), others = Random(3).normals(count, 2);
      const auto squares = [](const Floats& values) { return dot(to_doubles(values), to_doubles(values)); };
      Device device(*backend);
      StepTotals* totals = device.variable(std::vector<StepTotals>{{1, 2, kNaN}});
      device.call(backend->gradient_squares(totals, {{}, device.input(own, {count})}));
      const StepTotals found = device.read<StepTotals>(totals, 1)[0];
      CHECK((found.logit_squares == 1 && found.center_loss == 2));
      expect_close(Op::GradientNorm, {std::sqrt(found.gradient_squares)}, {std::sqrt(squares(own))});

      const float all = found.gradient_squares + static_cast<float>(squares(others));
      StepReport* report = device.variable(std::vector<StepReport>(1));
      int32_t* halted = device.variable(Ints{0});
      float* factor = device.variable(Floats{kNaN});
      device.call(backend->gradient_norm(report, halted, factor, {{}, device.input(shared, {33})},
                                         device.constant(StepTotals{5, 6, all}), 0.5, device.constant(StepBlock{})));
      const double norm = std::sqrt(squares(shared) + squares(own) + squares(others));
      expect_close(Op::GradientNorm, {device.read<StepReport>(report, 1)[0].gradient_norm}, {norm});
      expect_close(Op::GradientNorm, {device.read<float>(factor, 1)[0]}, {reference::clip_factor(norm, 0.5)});
      CHECK(device.read<int32_t>(halted, 1)[0] == 0);

      device.call(backend->gradient_norm(report, halted, factor, {{}, device.input(shared, {33})},
                                         device.constant(StepTotals{0, 0, kNaN}), 0.5, device.constant(StepBlock{})));
      CHECK(device.read<int32_t>(halted, 1)[0] == 1);
    }
  }
}

}  // namespace margincore::test
