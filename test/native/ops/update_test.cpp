#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>

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

/// Of parameters that are one group, with the momentum of the step.
struct SgdStep {
  float momentum, rate, decay;
  Sgd options;
};

struct AdamStep {
  float beta1, rate, decay;
  Adam options;
};

AdamStep adam_step(float beta1, float rate, float decay, int decoupled) {
  Adam options;
  options.decoupled = decoupled;
  return {beta1, rate, decay, options};
}

const SgdStep kSgds[] = {{0, 1, 0, {0}}, {0.9f, 1, 5e-4f, {0}}, {0.9f, 10, 5e-4f, {1}}, {0.5f, 0.1f, 0, {1}}};
const AdamStep kAdams[] = {adam_step(0.9f, 1, 0, 0), adam_step(0.85f, 1, 0.01f, 0), adam_step(0.9f, 1, 0.01f, 1),
                           adam_step(0.95f, 3, 0.1f, 1)};

/// Beside none.
const float kClips[] = {0.3f, 1e-4f};

/// What an update begins with.
struct Values {
  Floats parameters, gradients, first, second;

  int64_t count() const { return static_cast<int64_t>(parameters.size()); }
};

using Groups = std::vector<UpdateGroup>;

/// In device memory, without bf16.
UpdateOperands on_device(Device& device, const Values& values, const Groups& groups, const StepBlock& step,
                         std::optional<float> clip = {}) {
  const Shape shape{values.count()};
  return {.parameters = device.inout(values.parameters, shape),
          .bf16_twin = {},
          .first_moment = device.inout(values.first, shape),
          .second_moment = device.inout(values.second, shape),
          .gradients = {{}, device.input(values.gradients, shape)},
          .clip_factor = clip ? device.constant(*clip) : nullptr,
          .groups = device.constants(groups),
          .step = device.constant(step),
          .halted = device.constant(int32_t{0})};
}

UpdateOperands without_second_moment(UpdateOperands operands) {
  operands.second_moment = {};
  return operands;
}

/// What it left: parameters and moments.
std::vector<Floats> read(const Device& device, const UpdateOperands& operands) {
  std::vector<Floats> all = {device.read(operands.parameters), device.read(operands.first_moment)};
  if (operands.second_moment) all.push_back(device.read(operands.second_moment));
  return all;
}

/// update(i, group, gradient as it is clipped) for each parameter.
template <class Update>
void for_each_parameter(const Values& values, const Groups& groups, std::optional<float> clip, const Update& update) {
  auto group = groups.begin();
  for (int64_t i = 0; i < values.count(); ++i) {
    while (i >= group->end) ++group;
    update(i, *group, clip ? static_cast<double>(*clip) * values.gradients[i] : values.gradients[i]);
  }
}

void expect_sgd(const std::vector<Floats>& found, const Values& values, const Groups& groups, const StepBlock& step,
                Sgd options, std::optional<float> clip = {}) {
  Doubles parameters, velocities;
  for_each_parameter(values, groups, clip, [&](int64_t i, const UpdateGroup& group, double gradient) {
    const auto state = reference::sgd({values.parameters[i], values.first[i]}, gradient, options, group,
                                      step.learning_rate, step.momentum);
    parameters.push_back(state.parameter);
    velocities.push_back(state.velocity);
  });
  expect_close(Op::Sgd, found[0], parameters);
  expect_close(Op::Sgd, found[1], velocities);
}

void expect_adam(const std::vector<Floats>& found, const Values& values, const Groups& groups, const StepBlock& step,
                 Adam options, std::optional<float> clip = {}) {
  Doubles parameters, first, second;
  for_each_parameter(values, groups, clip, [&](int64_t i, const UpdateGroup& group, double gradient) {
    const auto state = reference::adam({values.parameters[i], values.first[i], values.second[i]}, gradient, options,
                                       group, step.learning_rate, step.momentum, static_cast<double>(step.step + 1));
    parameters.push_back(state.parameter);
    first.push_back(state.first_moment);
    second.push_back(state.second_moment);
  });
  expect_close(Op::Adam, found[0], parameters);
  expect_close(Op::Adam, found[1], first);
  expect_close(Op::Adam, found[2], second);
}

/// Groups of one parameter, of lengths that are no multiple of 4, and of some blocks; frozen, with decay and without.
const Groups kGroups = {{1, 1, 0.1f},        {17, 0, 0.1f},     {18, 0.5f, 0},     {64, 1, 0},
                        {1009, 10, 0.01f},   {1010, 0.1f, 0},   {1011, 0, 0},      {17'408, 1, 0.02f},
                        {17'411, 2, 0.005f}, {40'000, 0, 0.1f}, {70'001, 3, 0.03f}};

Values values_in(const Groups& groups) {
  Random random(1);
  const int64_t count = groups.back().end;
  return {random.normals(count), random.normals(count), random.normals(count), random.uniform(count, 0, 1)};
}

}  // namespace

TEST_CASE("sgd") {
  for (Backend* backend : backends()) {
    for (const int64_t count : kCounts) {
      for (const auto& [momentum, rate, decay, options] : kSgds) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(count);
        CAPTURE(momentum);
        CAPTURE(options.nesterov);
        Random random(static_cast<uint64_t>(count));
        const Values values{random.normals(count), random.normals(count), random.normals(count), Floats(count)};
        const Groups groups = {{count, rate, decay}};
        const StepBlock step = step_block(5, 0.1f, momentum);
        Device device(*backend);
        const UpdateOperands operands = without_second_moment(on_device(device, values, groups, step));
        device.call(backend->sgd(operands, options));
        expect_sgd(read(device, operands), values, groups, step, options);
      }
    }
  }
}

TEST_CASE("adam and adamw") {
  for (Backend* backend : backends()) {
    for (const int64_t count : kCounts) {
      for (const auto& [beta1, rate, decay, options] : kAdams) {
        for (const uint64_t steps : {0u, 1u, 1'000'000u}) {
          CAPTURE(std::string(backend->info().device));
          CAPTURE(count);
          CAPTURE(decay);
          CAPTURE(options.decoupled);
          CAPTURE(steps);
          Random random(static_cast<uint64_t>(count));
          Values values{random.normals(count), random.normals(count, 0.01), random.normals(count, 0.01),
                        random.uniform(count, 0, 1e-4)};
          if (steps == 0) values.first = values.second = Floats(count, 0);  // as training starts
          const Groups groups = {{count, rate, decay}};
          const StepBlock step = step_block(steps, 1e-3f, beta1);
          Device device(*backend);
          const UpdateOperands operands = on_device(device, values, groups, step);
          device.call(backend->adam(operands, options));
          expect_adam(read(device, operands), values, groups, step, options);
        }
      }
    }
  }
}

TEST_CASE("adam's step itself, on parameters of 0: where nothing rounds it away") {
  for (Backend* backend : backends()) {
    for (const auto& [beta1, rate, decay, options] : kAdams) {
      for (const uint64_t steps : {0u, 1u, 9u, 999u, 1'000'000u}) {
        CAPTURE(steps);
        const int64_t count = 1009;
        Random random(steps);
        // Gradients from 1e-12 up: where they are small, epsilon counts.
        const Floats zero(count, 0);
        Values values{zero, random.normals(count), zero, zero};
        for (float& value : values.gradients) value *= static_cast<float>(std::pow(10, random.between(-12, 2)));
        const Groups groups = {{count, rate, decay}};
        const StepBlock step = step_block(steps, 1e-3f, beta1);
        Device device(*backend);
        const UpdateOperands operands = on_device(device, values, groups, step);
        device.call(backend->adam(operands, options));
        expect_adam(read(device, operands), values, groups, step, options);
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
        const Floats zero(count, 0);
        const Values values{random.normals(count), random.normals(count), zero, zero};
        Device device(*backend);
        for (const auto& [momentum, rate, decay, options] : kSgds) {
          CAPTURE(decay);
          const Groups groups = {{count, rate, decay}};
          const StepBlock step = step_block(0, 0.1f, momentum);
          const UpdateOperands operands = without_second_moment(on_device(device, values, groups, step, clip));
          device.call(backend->sgd(operands, options));
          expect_sgd(read(device, operands), values, groups, step, options, clip);
        }
        for (const auto& [beta1, rate, decay, options] : kAdams) {
          CAPTURE(decay);
          CAPTURE(options.decoupled);
          const Groups groups = {{count, rate, decay}};
          const StepBlock step = step_block(0, 0.1f, beta1);
          const UpdateOperands operands = on_device(device, values, groups, step, clip);
          device.call(backend->adam(operands, options));
          expect_adam(read(device, operands), values, groups, step, options, clip);
        }
      }
    }
  }
}

TEST_CASE("each parameter is updated as its group says") {
  const Values values = values_in(kGroups);
  const StepBlock step = step_block(3, 0.1f, 0.9f);
  for (Backend* backend : backends()) {
    for (const std::optional<float> clip : {std::optional<float>(), std::optional(0.3f)}) {
      CAPTURE(std::string(backend->info().device));
      CAPTURE(clip.has_value());
      Device device(*backend);
      const auto expect_frozen = [&](const std::vector<Floats>& found) {
        for_each_parameter(values, kGroups, {}, [&](int64_t i, const UpdateGroup& group, double) {
          if ((found[0][i] == values.parameters[i]) != (group.rate_multiplier == 0)) FAIL("at parameter ", i);
        });
      };
      for (const Sgd options : {Sgd{0}, Sgd{1}}) {
        const UpdateOperands operands = without_second_moment(on_device(device, values, kGroups, step, clip));
        device.call(backend->sgd(operands, options));
        expect_sgd(read(device, operands), values, kGroups, step, options, clip);
        expect_frozen(read(device, operands));
      }
      for (const int decoupled : {0, 1}) {
        const Adam options{.decoupled = decoupled};
        const UpdateOperands operands = on_device(device, values, kGroups, step, clip);
        device.call(backend->adam(operands, options));
        expect_adam(read(device, operands), values, kGroups, step, options, clip);
        expect_frozen(read(device, operands));
      }
    }
  }
}

TEST_CASE("a clip factor of 1 gives the bits of none") {
  const Values values = values_in(kGroups);
  for (Backend* backend : backends()) {
    Device device(*backend);
    const StepBlock step = step_block(4, 0.1f, 0.9f);
    const auto updated = [&](std::optional<float> clip, const auto& update) {
      const UpdateOperands operands = on_device(device, values, kGroups, step, clip);
      device.call(update(operands));
      return read(device, operands);
    };
    for (const SgdStep& each : kSgds) {
      const auto sgd = [&](const UpdateOperands& operands) {
        return backend->sgd(without_second_moment(operands), each.options);
      };
      CHECK(updated(1, sgd) == updated({}, sgd));
    }
    for (const AdamStep& each : kAdams) {
      const auto adam = [&](const UpdateOperands& operands) { return backend->adam(operands, each.options); };
      CHECK(updated(1, adam) == updated({}, adam));
    }
  }
}

TEST_CASE("sgd and adam keep the bf16 twin of the parameters, or of the first ones") {
  for (Backend* backend : backends()) {
    if (activation_types(*backend).size() == 1) continue;
    for (const int64_t count : kCounts) {
      for (const int64_t others : {0, 3, 1009}) {
        if (others > 0 && count % 4 != 0) continue;
        for (const float clip : {1.0f, 0.3f}) {
          CAPTURE(count);
          CAPTURE(others);
          CAPTURE(clip);
          Groups groups = {{count, 1, 0.01f}};
          if (others > 0) groups.push_back({count + others, 0.5f, 0});
          const Values values = values_in(groups);
          Device device(*backend);
          const auto expect_twin = [&](const auto& update) {
            UpdateOperands operands = on_device(device, values, groups, step_block(0, 0.1f, 0.9f), clip);
            operands.bf16_twin = device.output({count}, DType::BF16);
            device.call(update(operands));
            Floats parameters = device.read(operands.parameters);
            CHECK(first_difference(parameters, values.parameters) != "");
            parameters.resize(count);
            expect_same(device.read(operands.bf16_twin), as_stored(parameters, DType::BF16));
          };
          expect_twin(
              [&](const UpdateOperands& operands) { return backend->sgd(without_second_moment(operands), {}); });
          expect_twin([&](const UpdateOperands& operands) { return backend->adam(operands, {}); });
        }
      }
    }
  }
}

TEST_CASE("gradients in bf16 give the bits that the same give in fp32") {
  for (Backend* backend : backends()) {
    if (backend->info().bf16_gradients == 0) continue;
    // All of them, and those of the first groups: where these end, more follow.
    for (const int64_t bf16 : {int64_t{64}, int64_t{17'408}, kGroups.back().end}) {
      for (const float clip : {1.0f, 0.3f}) {
        CAPTURE(bf16);
        CAPTURE(clip);
        Values values = values_in(kGroups);
        const Floats first = as_stored({values.gradients.begin(), values.gradients.begin() + bf16}, DType::BF16);
        const Floats rest(values.gradients.begin() + bf16, values.gradients.end());
        std::copy(first.begin(), first.end(), values.gradients.begin());
        Device device(*backend);
        const auto expect_bits = [&](const auto& update) {
          const UpdateOperands whole = on_device(device, values, kGroups, step_block(2, 0.1f, 0.9f), clip);
          UpdateOperands split = on_device(device, values, kGroups, step_block(2, 0.1f, 0.9f), clip);
          split.gradients = {device.input(first, {bf16}, DType::BF16),
                             rest.empty() ? Tensor() : device.input(rest, {static_cast<int64_t>(rest.size())})};
          device.call(update(whole));
          device.call(update(split));
          const std::vector<Floats> found = read(device, split), expected = read(device, whole);
          for (size_t i = 0; i < expected.size(); ++i) expect_same(found[i], expected[i]);
        };
        expect_bits([&](const UpdateOperands& operands) { return backend->sgd(without_second_moment(operands), {}); });
        expect_bits([&](const UpdateOperands& operands) { return backend->adam(operands, {}); });
      }
    }
  }
}

TEST_CASE("once halted, an update does nothing") {
  for (Backend* backend : backends()) {
    const Floats p = Random(1).normals(100), state = Random(2).normals(100), g(100, NAN);
    Device device(*backend);
    // `input`: none of them may change.
    const UpdateOperands operands{.parameters = device.input(p, {100}),
                                  .bf16_twin = {},
                                  .first_moment = device.input(state, {100}),
                                  .second_moment = device.input(state, {100}),
                                  .gradients = {{}, device.input(g, {100})},
                                  .clip_factor = nullptr,
                                  .groups = device.constants(Groups{{100, 1, 0.1f}}),
                                  .step = device.constant(step_block(0, 0.1f, 0.9f)),
                                  .halted = device.constant(int32_t{1})};
    device.call(backend->sgd(without_second_moment(operands), {.nesterov = 1}));
    device.call(backend->adam(operands, {.decoupled = 1}));
  }
}

}  // namespace margincore::test
