// Layers that are frozen, and learning rates of layers: what a step leaves alone, keeps and costs. Which gradients remain
// is compared with fp64 in exact_gradient_test.cpp.
#include <doctest/doctest.h>

#include <cmath>

#include "support/backends.h"
#include "support/compare.h"
#include "support/session_run.h"

namespace margincore::test {

namespace {

constexpr int64_t kBatch = 16;

/// Without batch norms: what is frozen computes what it computes otherwise.
const NetworkSpec kPlainNet = {{8, 8, 3},
                               {{"a", Conv2dSpec{8, 3, 3, 1, 1}},
                                {"", PReluSpec{}},
                                {"b", Conv2dSpec{8, 3, 3, 1, 1}},
                                {"", ReluSpec{}},
                                with_inputs({"", AddSpec{}}, {1, 3}),
                                {"", MaxPool2dSpec{2, 2}},
                                {"c", Conv2dSpec{4, 3, 3, 1, 1}},
                                with_inputs({"", ConcatSpec{}}, {5, 6}),
                                {"", AveragePool2dSpec{2, 2}},
                                {"", DropoutSpec{0.25f}},
                                {"d", LinearSpec{12}},
                                {"", PReluSpec{true, 0.1f}},
                                {"e", LinearSpec{6}}}};

// Batch norms of every kind: alone, with a ReLU, with a residual that has or has no gradient of its own, with both.
const NetworkSpec kNormNet = {{8, 8, 3},
                              {{"stem", Conv2dSpec{6, 3, 3, 1, 1, false}},                      // 0
                               {"stem.bn", BatchNormSpec{}},                                    // 1
                               {"", ReluSpec{}},                                                // 2
                               {"a.conv1", Conv2dSpec{8, 3, 3, 2, 1, false}},                   // 3
                               {"a.bn1", BatchNormSpec{}},                                      // 4
                               {"", ReluSpec{}},                                                // 5
                               {"a.conv2", Conv2dSpec{8, 3, 3, 1, 1, false}},                   // 6
                               {"a.bn2", BatchNormSpec{}},                                      // 7
                               with_inputs({"a.down", Conv2dSpec{8, 1, 1, 2, 0, false}}, {2}),  // 8
                               {"a.bn3", BatchNormSpec{}},                                      // 9
                               with_inputs({"", AddSpec{}}, {7, 9}),                            // 10
                               {"", ReluSpec{}},                                                // 11
                               {"b.conv", Conv2dSpec{8, 3, 3, 1, 1}},                           // 12
                               {"b.bn", BatchNormSpec{}},                                       // 13
                               with_inputs({"", AddSpec{}}, {13, 11}),                          // 14: without a ReLU
                               {"c.conv", Conv2dSpec{8, 3, 3, 1, 1}},                           // 15
                               {"c.bn", BatchNormSpec{}},                                       // 16: alone
                               {"c.prelu", PReluSpec{}},                                        // 17
                               {"", GlobalAveragePoolSpec{}},
                               {"d", LinearSpec{6}}}};

/// Of the layers whose names begin with one of these words.
Floats rates(const NetworkSpec& network, const std::vector<std::string>& words, float rate) {
  Floats all(network.layers.size(), 1);
  for (size_t i = 0; i < all.size(); ++i)
    for (const std::string& word : words)
      if (network.layers[i].name.rfind(word, 0) == 0) all[i] = rate;
  return all;
}

Floats frozen(const NetworkSpec& network, const std::vector<std::string>& words) { return rates(network, words, 0); }

/// A batch, and parameters that hide nothing: no bias of 0, no factor of 1, statistics that are those of no batch.
struct Trial {
  Random random{1};
  Floats images;
  Ints labels;
  StepBlock step{};

  explicit Trial(const NetworkSpec& network)
      : images(random.normals(kBatch * network.input.count())), labels(random.integers(kBatch, 0, 3)) {
    step.seed = 3;
    step.step = 5;
    step.margin_ramp = 1;
  }
  double loss(Model& model) const { return model.loss(images, labels, step); }
};

void spread_values(Model& model) {
  for (const auto& entry : model.table().entries()) {
    if (entry.spec.shape.rank != 1) continue;
    Random random(entry.ordinal);
    const Floats values = random.uniform(entry.spec.shape.count(), 0.3, 0.9);
    model.parameters().write_value(entry.spec.name, values.data(), entry.spec.shape.count());
  }
}

struct NamedRates {
  std::string name;
  Floats rates;
};

std::vector<NamedRates> choices_of(const NetworkSpec& network, const std::vector<std::vector<std::string>>& choices) {
  std::vector<NamedRates> all;
  for (const std::vector<std::string>& words : choices) {
    std::string name;
    for (const std::string& word : words) name += word + " ";
    all.push_back({name, frozen(network, words)});
  }
  return all;
}

const std::vector<NamedRates> kPlainChoices = choices_of(
    kPlainNet, {{"a"}, {"a", "prelu1"}, {"a", "prelu1", "b"}, {"b"}, {"b", "c", "d"}, {"e"}, {"c", "d", "e"}});
const std::vector<NamedRates> kNormChoices =
    choices_of(kNormNet, {{"stem"},
                          {"stem", "a"},
                          {"a"},
                          {"stem", "a.down", "a.bn3"},
                          {"stem", "a.conv", "a.bn1", "a.bn2"},
                          {"b"},
                          {"b", "c"},
                          {"stem.bn", "a.bn1", "a.bn2", "a.bn3", "b.bn", "c.bn"},
                          {"d"},
                          {"stem", "a", "b", "c"}});

}  // namespace

TEST_CASE("what is trained has the same gradients whether other layers are frozen or not") {
  for (Backend* backend : backends()) {
    for (const DType type : activation_types(*backend)) {
      NetworkSpec network = kPlainNet;
      network.activations = type;
      const Trial trial(network);
      Model whole(*backend, network, arcface(4, 8, 0.3f), kBatch, 2);
      spread_values(whole);
      const double loss = trial.loss(whole);
      for (const auto& [name, layer_rates] : kPlainChoices) {
        for (const auto policy : {RecomputePolicy::Never, RecomputePolicy::CheapLayers}) {
          CAPTURE(std::string(backend->info().device));
          CAPTURE(static_cast<int>(type));
          CAPTURE(name);
          Model part(*backend, network, arcface(4, 8, 0.3f), kBatch, 2, policy, layer_rates);
          spread_values(part);
          CHECK(trial.loss(part) == loss);
          int trained = 0;
          for (const auto& entry : part.table().entries()) {
            CAPTURE(entry.spec.name);
            expect_same(part.parameters().read_value(entry.spec.name), whole.parameters().read_value(entry.spec.name));
            if (!entry.spec.is_trained()) {
              CHECK_THROWS_AS(part.parameters().read_gradient(entry.spec.name), Error);
              continue;
            }
            ++trained;
            expect_same(part.parameters().read_gradient(entry.spec.name),
                        whole.parameters().read_gradient(entry.spec.name));
          }
          CHECK(trained > 0);
          CHECK(trained < static_cast<int>(part.table().entries().size()));
        }
      }
    }
  }
}

TEST_CASE("frozen batch norms normalise by the running statistics, as at prediction") {
  for (Backend* backend : backends()) {
    const Trial trial(kNormNet);
    Model model(*backend, kNormNet, arcface(4, 8, 0.3f), kBatch, 2, RecomputePolicy::Never,
                frozen(kNormNet, {"stem", "a", "b", "c"}));
    Model predicting(*backend, kNormNet, arcface(4, 8, 0.3f), kBatch, 2, RecomputePolicy::ForwardOnly);
    Model by_batch(*backend, kNormNet, arcface(4, 8, 0.3f), kBatch, 2);
    for (Model* each : {&model, &predicting, &by_batch}) spread_values(*each);
    const Floats expected = predicting.embed(trial.images, trial.step);
    expect_same(model.embed(trial.images, trial.step), expected);
    CHECK(by_batch.embed(trial.images, trial.step) != expected);
  }
}

TEST_CASE("in bf16 a network with frozen batch norms has nearly the gradients that it has in fp32") {
  for (Backend* backend : backends()) {
    if (activation_types(*backend).size() == 1) continue;
    const Trial trial(kNormNet);
    NetworkSpec in_bf16 = kNormNet;
    in_bf16.activations = DType::BF16;
    for (const auto& [name, layer_rates] : kNormChoices) {
      CAPTURE(name);
      const auto never = RecomputePolicy::Never;
      Model exact(*backend, kNormNet, arcface(4, 8, 0.3f), kBatch, 2, never, layer_rates);
      Model rounded(*backend, in_bf16, arcface(4, 8, 0.3f), kBatch, 2, never, layer_rates);
      spread_values(exact);
      spread_values(rounded);
      const double expected = trial.loss(exact), found = trial.loss(rounded);
      CHECK(std::abs(found - expected) < 0.02 * expected);
      CHECK(found != expected);
      double errors = 0, squares = 0;
      for (const auto& entry : exact.table().entries()) {
        if (!entry.spec.is_trained()) continue;
        const Floats gradient = exact.parameters().read_gradient(entry.spec.name);
        const Floats in_rounded = rounded.parameters().read_gradient(entry.spec.name);
        for (size_t i = 0; i < gradient.size(); ++i) {
          errors += std::pow(in_rounded[i] - gradient[i], 2);
          squares += std::pow(gradient[i], 2);
        }
      }
      CHECK(errors < 0.1 * 0.1 * squares);
    }
  }
}

TEST_CASE("activations of frozen layers are not kept") {
  for (Backend* backend : backends()) {
    const NetworkSpec network = resnet18({16, 16, 3});
    const auto bytes = [&](const std::vector<size_t>& first) {
      Floats layer_rates(network.layers.size(), 1);
      for (size_t i = 0; i < first[0]; ++i) layer_rates[i] = 0;
      return Model(*backend, network, arcface(4, 8, 0.3f), kBatch, 2, RecomputePolicy::Never, layer_rates)
          .activation_bytes();
    };
    const size_t layers = network.layers.size();
    const int64_t none = bytes({0}), half = bytes({layers / 2}), all = bytes({layers});
    CHECK(half < 0.6 * static_cast<double>(none));
    CHECK(all < 0.2 * static_cast<double>(none));
  }
}

TEST_CASE("steps leave frozen parameters and statistics as they are, to the bit, and change all others") {
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::Adam, OptimizerSpec::Type::AdamW}) {
      for (const HeadSpec& head : kRunHeads) {
        for (const auto& words : {std::vector<std::string>{"conv", "bn"}, {"bn"}, {"fc"}, {"conv", "bn", "fc"}}) {
          if (head.fixed_weights && words.size() == 3) continue;  // nothing would be trained
          SessionRun run(backend, optimizer, head, kRunBatch, Precision::Fp32, frozen(kRunNetwork, words));
          const std::vector<Floats> before = run.values();
          REQUIRE(run.steps(first(5 * kRunBatch), kRunBatch).reports.size() == 5);
          const std::vector<Floats> after = run.values();
          const auto& entries = run.session().table().entries();
          const bool norm_is_trained = !run.session().table().find("bn.weight").spec.is_frozen();
          for (size_t i = 0; i < entries.size(); ++i) {
            const std::string& name = entries[i].spec.name;
            CAPTURE(name);
            const bool stays = entries[i].spec.is_frozen() || (head.fixed_weights && name == "head.weight") ||
                               (norm_is_trained && name == "conv.bias");  // which the batch's mean takes away
            CHECK((after[i] == before[i]) == stays);
          }
        }
      }
    }
  }
}

TEST_CASE("a frozen layer's weights take part in bf16, too") {
  for (const std::string& backend : backend_names()) {
    if (SessionRun(backend).session().backend_info().bf16 == 0) continue;
    SessionRun whole(backend, OptimizerSpec::Type::Sgd, plain_arcface(), kRunBatch, Precision::Bf16);
    SessionRun part(backend, OptimizerSpec::Type::Sgd, plain_arcface(), kRunBatch, Precision::Bf16,
                    frozen(kRunNetwork, {"conv", "fc"}));
    // The same weights are read in the first step, before any has changed.
    CHECK(losses(part.steps(first(kRunBatch), kRunBatch)) == losses(whole.steps(first(kRunBatch), kRunBatch)));
  }
}

TEST_CASE("a layer's learning rate is the run's times its own") {
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::Adam}) {
      const auto change = [&](const Floats& layer_rates, float learning_rate) {
        SessionRun run(backend, optimizer, plain_arcface(), kRunBatch, Precision::Fp32, layer_rates);
        run.steps(first(kRunBatch), kRunBatch, learning_rate);
        std::vector<std::pair<std::string, Floats>> values;
        for (const auto& entry : run.session().table().entries())
          if (entry.spec.is_trained())
            values.emplace_back(entry.spec.name, run.session().parameters().read_value(entry.spec.name));
        std::sort(values.begin(), values.end());
        return values;
      };
      const auto slow = change({}, 0.0625f), fast = change({}, 0.125f);
      const auto mixed = change(rates(kRunNetwork, {"conv", "bn"}, 2), 0.0625f);
      REQUIRE(mixed.size() == slow.size());
      for (size_t i = 0; i < mixed.size(); ++i) {
        const std::string& name = mixed[i].first;
        CAPTURE(name);
        const bool is_fast = name.rfind("conv", 0) == 0 || name.rfind("bn", 0) == 0;
        expect_same(mixed[i].second, (is_fast ? fast : slow)[i].second);
        CHECK((fast[i].second == slow[i].second) == (name == "conv.bias"));  // which batch norm takes away again
      }
    }
  }
}

TEST_CASE("memory of gradients and moments is that of what is trained, and planned so") {
  for (const std::string& backend : backend_names()) {
    SessionRun whole(backend), part(backend, OptimizerSpec::Type::Adam, plain_arcface(), kRunBatch, Precision::Fp32,
                                    frozen(kRunNetwork, {"fc"}));
    const auto bytes = static_cast<size_t>(part.session().table().trained().count) * sizeof(float);
    const MemoryUse use = part.session().memory();
    CHECK(use.gradients == bytes);
    CHECK(use.optimizer == 2 * bytes);
    CHECK(use.gradients < whole.session().memory().gradients);
    const MemoryUse planned = part.session().plan(kRunSamples);
    CHECK(planned.gradients == use.gradients);
    CHECK(planned.optimizer == use.optimizer);
    CHECK(planned.activations == use.activations);
  }
}

TEST_CASE("the norm of the gradient is that of what is trained") {
  for (const std::string& backend : backend_names()) {
    SessionRun run(backend, OptimizerSpec::Type::Sgd, plain_arcface(), kRunBatch, Precision::Fp32,
                   frozen(kRunNetwork, {"conv", "bn"}));
    const StepsResult result = run.steps(first(kRunBatch), kRunBatch);
    double squares = 0;
    for (const auto& entry : run.session().table().entries()) {
      if (!entry.spec.is_trained()) continue;
      const Doubles gradient = to_doubles(run.session().parameters().read_gradient(entry.spec.name));
      squares += dot(gradient, gradient);
    }
    CHECK(result.reports.at(0).gradient_norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-5));
  }
}

TEST_CASE("rates that do not fit the network are refused") {
  ParameterTable table;
  CHECK_THROWS_WITH_AS(Network(kRunNetwork, table, Floats(5, 1)),
                       "a network of 6 layers cannot have the learning rates of 5", Error);
  CHECK_THROWS_WITH_AS(Network(kRunNetwork, table, rates(kRunNetwork, {"fc"}, -1)),
                       "layer fc: expected a factor of the learning rate from 0 but received -1.000000", Error);
  CHECK_THROWS_WITH_AS(Network(kRunNetwork, table, rates(kRunNetwork, {"bn"}, INFINITY)),
                       "layer bn: expected a factor of the learning rate from 0 but received inf", Error);
  for (const std::string& backend : backend_names())
    CHECK_THROWS_WITH_AS(
        SessionRun(backend, OptimizerSpec::Type::Sgd, pedcc(4), kRunBatch, Precision::Fp32, Floats(6, 0)),
        "there is nothing to train: no layer has parameters that are not frozen, and the head's are fixed", Error);
}

}  // namespace margincore::test
