#include "nn/optimizer.h"

#include <doctest/doctest.h>

#include "support/backends.h"
#include "support/compare.h"

namespace margincore::test {

namespace {

struct Group {
  const char* name;
  ParameterGroup group;
  bool decays, head;
};

const Group kGroups[] = {
    {"a.weight", ParameterGroup::BackboneDecay, true, false},
    {"a.bias", ParameterGroup::BackboneNoDecay, false, false},
    {"head.weight", ParameterGroup::HeadDecay, true, true},
    {"head.bias", ParameterGroup::HeadNoDecay, false, true},
};

using Type = OptimizerSpec::Type;

OptimizerSpec optimizer(Type type, float decay, float head_rate) {
  OptimizerSpec spec;
  spec.type = type;
  spec.weight_decay = decay;
  spec.head_rate = head_rate;
  return spec;
}

/// What an update reads, on the device.
struct Step {
  Buffer block, halted;

  Step(Backend& backend, const Optimizer& optimizer, float rate)
      : block(backend, sizeof(StepBlock)), halted(backend, sizeof(int32_t)) {
    StepBlock values{};
    values.learning_rate = rate;
    values.momentum = optimizer.momentum();
    check(backend.upload(block.data(), &values, sizeof values));
    check(backend.zero(halted.data(), sizeof(int32_t)));
  }

  void run(Backend& backend, const Optimizer& optimizer, const Parameters& parameters) const {
    optimizer.update(backend, parameters, static_cast<const StepBlock*>(block.data()),
                     static_cast<const int32_t*>(halted.data()));
  }
};

}  // namespace

TEST_CASE("an optimizer decays weights only, and gives the head its own rate") {
  // kDecay * kStart is not 1: what AdamW takes off would be what Adam does.
  constexpr float kRate = 0.125f, kStart = 2, kDecay = 0.25f, kHeadRate = 4;
  for (Backend* backend : backends()) {
    for (const Type type : {Type::Sgd, Type::Adam, Type::AdamW}) {
      CAPTURE(static_cast<int>(type));
      ParameterTable table;
      for (const Group& group : kGroups)
        table.add({group.name, {5}, group.group, {Initializer::Kind::Constant, kStart}});
      table.arrange();
      Parameters parameters(*backend, table, 0);
      parameters.allocate_gradients();  // zeros: what changes, decay has changed
      const Optimizer update(*backend, optimizer(type, kDecay, kHeadRate), parameters);
      CHECK(update.bytes() == (type == Type::Sgd ? 1 : 2) * parameters.value_bytes());

      Step(*backend, update, kRate).run(*backend, update, parameters);
      for (const Group& group : kGroups) {
        CAPTURE(std::string(group.name));
        const float rate = kRate * (group.head ? kHeadRate : 1);
        // Adam's first step is its rate, whatever the gradient's size; that of the others follows the decay.
        const float change = !group.decays ? 0 : type == Type::Adam ? rate : rate * kDecay * kStart;
        for (float value : parameters.read_value(group.name)) CHECK(value == doctest::Approx(kStart - change));
      }
    }
  }
}

TEST_CASE("an optimizer leaves state alone, and needs no memory for it") {
  for (Backend* backend : backends()) {
    for (const Type type : {Type::Sgd, Type::Adam, Type::AdamW}) {
      CAPTURE(static_cast<int>(type));
      ParameterTable table;
      table.add({"state", {100}, ParameterGroup::State, {Initializer::Kind::Constant, 3}});
      table.add({"weight", {5}, ParameterGroup::HeadDecay, {Initializer::Kind::Constant, 2}});
      table.arrange();
      Parameters parameters(*backend, table, 0);
      parameters.allocate_gradients();
      const Optimizer update(*backend, optimizer(type, 0.5f, 1), parameters);
      CHECK(update.bytes() == (type == Type::Sgd ? 1 : 2) * parameters.gradient_bytes());
      Step(*backend, update, 0.125f).run(*backend, update, parameters);
      expect_same(parameters.read_value("state"), Floats(100, 3));
      for (float value : parameters.read_value("weight")) CHECK(value < 2);
    }
  }
}

}  // namespace margincore::test
