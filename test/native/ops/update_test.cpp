#include <doctest/doctest.h>

#include <cmath>

#include "reference/update.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

const int64_t kCounts[] = {1, 17, 1009, 16'384, 70'001};

StepBlock step_block(uint64_t step, float learning_rate, float momentum) {
  StepBlock block{};
  block.step = step;
  block.learning_rate = learning_rate;
  block.momentum = momentum;
  return block;
}

/// With the momentum of the step.
struct SgdStep {
  float momentum;
  Sgd options;
};

SgdStep sgd_step(float momentum, int nesterov, float decay, float multiplier) {
  return {momentum, {nesterov, decay, multiplier}};
}

struct AdamStep {
  float beta1;
  Adam options;
};

AdamStep adam_step(float beta1, float decay, int decoupled, float multiplier) {
  Adam options;
  options.weight_decay = decay;
  options.decoupled = decoupled;
  options.rate_multiplier = multiplier;
  return {beta1, options};
}

const SgdStep kSgds[] = {sgd_step(0, 0, 0, 1), sgd_step(0.9f, 0, 5e-4f, 1), sgd_step(0.9f, 1, 5e-4f, 10),
                         sgd_step(0.5f, 1, 0, 0.1f)};
const AdamStep kAdams[] = {adam_step(0.9f, 0, 0, 1), adam_step(0.85f, 0.01f, 0, 1), adam_step(0.9f, 0.01f, 1, 1),
                           adam_step(0.95f, 0.1f, 1, 3)};

/// Beside none.
const float kClips[] = {0.3f, 1e-4f};

}  // namespace

TEST_CASE("sgd") {
  for (Backend* backend : backends()) {
    for (const int64_t count : kCounts) {
      for (const auto& [momentum, options] : kSgds) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(count);
        CAPTURE(momentum);
        CAPTURE(options.nesterov);
        Random random(static_cast<uint64_t>(count));
        const Floats p = random.normals(count), v = random.normals(count), g = random.normals(count);
        Device device(*backend);
        const Tensor parameters = device.inout(p, {count}), velocity = device.inout(v, {count});
        device.call(backend->sgd(parameters, {}, velocity, device.input(g, {count}), nullptr, options,
                                 device.constant(step_block(5, 0.1f, momentum)), device.constant(int32_t{0})));
        Doubles expected_p, expected_v;
        for (int64_t i = 0; i < count; ++i) {
          const auto state = reference::sgd({p[i], v[i]}, g[i], options, 0.1f, momentum);
          expected_p.push_back(state.parameter);
          expected_v.push_back(state.velocity);
        }
        expect_close(Op::Sgd, device.read(parameters), expected_p);
        expect_close(Op::Sgd, device.read(velocity), expected_v);
      }
    }
  }
}

TEST_CASE("sgd and adam of clipped gradients") {
  for (Backend* backend : backends()) {
    for (const int64_t count : {17, 1009, 70'001}) {
      for (const float clip : kClips) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(count);
        CAPTURE(clip);
        Random random(static_cast<uint64_t>(count));
        const Floats p = random.normals(count), g = random.normals(count), zero(count, 0);
        Device device(*backend);
        const Tensor gradients = device.input(g, {count});
        const float* factor = device.constant(clip);
        const int32_t* running = device.constant(int32_t{0});
        for (const auto& [momentum, options] : kSgds) {
          const StepBlock* step = device.constant(step_block(0, 0.1f, momentum));
          CAPTURE(options.weight_decay);
          const Tensor parameters = device.inout(p, {count}), velocity = device.inout(zero, {count});
          device.call(backend->sgd(parameters, {}, velocity, gradients, factor, options, step, running));
          Doubles expected_p, expected_v;
          for (int64_t i = 0; i < count; ++i) {
            const auto state = reference::sgd({p[i], 0}, static_cast<double>(clip) * g[i], options, 0.1f, momentum);
            expected_p.push_back(state.parameter);
            expected_v.push_back(state.velocity);
          }
          expect_close(Op::Sgd, device.read(parameters), expected_p);
          expect_close(Op::Sgd, device.read(velocity), expected_v);
        }
        for (const auto& [beta1, options] : kAdams) {
          CAPTURE(options.weight_decay);
          CAPTURE(options.decoupled);
          const StepBlock* step = device.constant(step_block(0, 0.1f, beta1));
          const Tensor parameters = device.inout(p, {count});
          const Tensor first = device.inout(zero, {count}), second = device.inout(zero, {count});
          device.call(backend->adam(parameters, {}, first, second, gradients, factor, options, step, running));
          Doubles expected_p, expected_m, expected_v;
          for (int64_t i = 0; i < count; ++i) {
            const auto state = reference::adam({p[i], 0, 0}, static_cast<double>(clip) * g[i], options, 0.1f, beta1, 1);
            expected_p.push_back(state.parameter);
            expected_m.push_back(state.first_moment);
            expected_v.push_back(state.second_moment);
          }
          expect_close(Op::Adam, device.read(parameters), expected_p);
          expect_close(Op::Adam, device.read(first), expected_m);
          expect_close(Op::Adam, device.read(second), expected_v);
        }
      }
    }
  }
}

TEST_CASE("a clip factor of 1 gives the bits of none") {
  for (Backend* backend : backends()) {
    const int64_t count = 70'001;
    const Floats p = Random(1).normals(count), g = Random(2).normals(count), m = Random(3).uniform(count, 0, 1);
    Device device(*backend);
    const Tensor gradients = device.input(g, {count});
    const float* one = device.constant(1.0f);
    const StepBlock* step = device.constant(step_block(4, 0.1f, 0.9f));
    const int32_t* running = device.constant(int32_t{0});
    for (const auto& [momentum, options] : kSgds) {
      const auto updated = [&](const float* factor) {
        const Tensor parameters = device.inout(p, {count}), velocity = device.inout(m, {count});
        device.call(backend->sgd(parameters, {}, velocity, gradients, factor, options, step, running));
        return std::vector{device.read(parameters), device.read(velocity)};
      };
      CHECK(updated(one) == updated(nullptr));
    }
    for (const auto& [beta1, options] : kAdams) {
      const auto updated = [&](const float* factor) {
        const Tensor parameters = device.inout(p, {count});
        const Tensor first = device.inout(m, {count}), second = device.inout(m, {count});
        device.call(backend->adam(parameters, {}, first, second, gradients, factor, options, step, running));
        return std::vector{device.read(parameters), device.read(first), device.read(second)};
      };
      CHECK(updated(one) == updated(nullptr));
    }
  }
}

TEST_CASE("adam and adamw") {
  for (Backend* backend : backends()) {
    for (const int64_t count : kCounts) {
      for (const auto& [beta1, options] : kAdams) {
        for (const uint64_t step : {0u, 1u, 1'000'000u}) {
          CAPTURE(std::string(backend->info().device));
          CAPTURE(count);
          CAPTURE(options.weight_decay);
          CAPTURE(options.decoupled);
          CAPTURE(step);
          Random random(static_cast<uint64_t>(count));
          const Floats p = random.normals(count), g = random.normals(count, 0.01);
          Floats m = random.normals(count, 0.01), v = random.uniform(count, 0, 1e-4);
          if (step == 0) m = v = Floats(count, 0);  // as training starts
          Device device(*backend);
          const Tensor parameters = device.inout(p, {count});
          const Tensor first = device.inout(m, {count}), second = device.inout(v, {count});
          device.call(backend->adam(parameters, {}, first, second, device.input(g, {count}), nullptr, options,
                                    device.constant(step_block(step, 1e-3f, beta1)), device.constant(int32_t{0})));
          // The change is compared, not the parameter beside which it is small.
          Doubles expected_p, expected_m, expected_v, expected_change;
          Floats change;
          const Floats found = device.read(parameters);
          for (int64_t i = 0; i < count; ++i) {
            const auto state =
                reference::adam({p[i], m[i], v[i]}, g[i], options, 1e-3f, beta1, static_cast<double>(step + 1));
            expected_p.push_back(state.parameter);
            expected_m.push_back(state.first_moment);
            expected_v.push_back(state.second_moment);
          }
          expect_close(Op::Adam, found, expected_p);
          expect_close(Op::Adam, device.read(first), expected_m);
          expect_close(Op::Adam, device.read(second), expected_v);
        }
      }
    }
  }
}

TEST_CASE("adam's step itself, on parameters of 0: where nothing rounds it away") {
  for (Backend* backend : backends()) {
    for (const auto& [beta1, options] : kAdams) {
      for (const uint64_t step : {0u, 1u, 9u, 999u, 1'000'000u}) {
        CAPTURE(step);
        const int64_t count = 1009;
        Random random(step);
        // Gradients from 1e-12 up: where they are small, epsilon counts.
        Floats g = random.normals(count), zero(count, 0);
        for (float& value : g) value *= static_cast<float>(std::pow(10, random.between(-12, 2)));
        Device device(*backend);
        const Tensor parameters = device.inout(zero, {count});
        device.call(backend->adam(parameters, {}, device.inout(zero, {count}), device.inout(zero, {count}),
                                  device.input(g, {count}), nullptr, options,
                                  device.constant(step_block(step, 1e-3f, beta1)), device.constant(int32_t{0})));
        Doubles expected;
        for (float gradient : g)
          expected.push_back(
              reference::adam({0, 0, 0}, gradient, options, 1e-3f, beta1, static_cast<double>(step + 1)).parameter);
        expect_close(Op::Adam, device.read(parameters), expected);
      }
    }
  }
}

TEST_CASE("sgd and adam keep the parameters' bf16 twin, where there is one") {
  for (Backend* backend : backends()) {
    if (activation_types(*backend).size() == 1) continue;
    for (const int64_t count : kCounts) {
      for (const float clip : {1.0f, 0.3f}) {
        CAPTURE(count);
        CAPTURE(clip);
        const Floats p = Random(1).normals(count), g = Random(2).normals(count), zero(count, 0);
        Device device(*backend);
        const Tensor gradient = device.input(g, {count});
        const float* factor = device.constant(clip);
        const StepBlock* step = device.constant(step_block(0, 0.1f, 0.9f));
        const int32_t* running = device.constant(int32_t{0});
        const Tensor by_sgd = device.inout(p, {count}), by_adam = device.inout(p, {count});
        const Tensor sgd_twin = device.output({count}, DType::BF16), adam_twin = device.output({count}, DType::BF16);
        const Tensor velocity = device.inout(zero, {count});
        const Tensor first = device.inout(zero, {count}), second = device.inout(zero, {count});
        device.call(backend->sgd(by_sgd, sgd_twin, velocity, gradient, factor, kSgds[1].options, step, running));
        device.call(
            backend->adam(by_adam, adam_twin, first, second, gradient, factor, kAdams[1].options, step, running));
        expect_same(device.read(sgd_twin), as_stored(device.read(by_sgd), DType::BF16));
        expect_same(device.read(adam_twin), as_stored(device.read(by_adam), DType::BF16));
        CHECK(first_difference(device.read(by_sgd), p) != "");
      }
    }
  }
}

TEST_CASE("once halted, an update does nothing") {
  for (Backend* backend : backends()) {
    const Floats p = Random(1).normals(100), state = Random(2).normals(100), g(100, NAN);
    Device device(*backend);
    const int32_t* halted = device.constant(int32_t{1});
    const StepBlock* step = device.constant(step_block(0, 0.1f, 0.9f));
    // `input`: none of them may change.
    device.call(backend->sgd(device.input(p, {100}), {}, device.input(state, {100}), device.input(g, {100}), nullptr,
                             sgd_step(0.9f, 1, 0.1f, 1).options, step, halted));
    device.call(backend->adam(device.input(p, {100}), {}, device.input(state, {100}), device.input(state, {100}),
                              device.input(g, {100}), nullptr, adam_step(0.9f, 0.1f, 1, 1).options, step, halted));
  }
}

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
        device.call(
            backend->gradient_norm(reports, halted, nullptr, device.input(g, {count}), 0, device.constant(block)));

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
        device.call(backend->gradient_norm(report, halted, factor, device.input(g, {count}), largest,
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
        device.call(
            backend->gradient_norm(report, halted, nullptr, device.input(g, {count}), 0, device.constant(StepBlock{})));
        CHECK(device.read<int32_t>(halted, 1)[0] == 1);
        CHECK_FALSE(std::isfinite(device.read<StepReport>(report, 1)[0].gradient_norm));
      }
    }
  }
}

TEST_CASE("gradient_norm leaves a halt that came before as it is") {
  for (Backend* backend : backends()) {
    Device device(*backend);
    StepReport* report = device.variable(std::vector<StepReport>(1));
    int32_t* halted = device.variable(Ints{1});
    device.call(backend->gradient_norm(report, halted, nullptr, device.input(Floats{1, 2}, {2}), 0,
                                       device.constant(StepBlock{})));
    CHECK(device.read<int32_t>(halted, 1)[0] == 1);
  }
}

}  // namespace margincore::test
