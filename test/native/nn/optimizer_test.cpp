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

}  // namespace

TEST_CASE("an optimizer decays weights only, and gives the head its own rate") {
  constexpr float kRate = 0.125f, kStart = 2, kDecay = 0.5f, kHeadRate = 4;
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

      StepBlock block{};
      block.learning_rate = kRate;
      const Buffer step(*backend, sizeof block), halted(*backend, sizeof(int32_t));
      check(backend->upload(step.data(), &block, sizeof block));
      check(backend->zero(halted.data(), sizeof(int32_t)));
      update.update(*backend, parameters, static_cast<const StepBlock*>(step.data()),
                    static_cast<const int32_t*>(halted.data()));
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

}  // namespace margincore::test
