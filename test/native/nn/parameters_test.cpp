#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nn/centroids.h"
#include "nn/parameters.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/random.h"

namespace margincore::test {

namespace {

const Initializer kZero{};
const Initializer kFanIn = weight_initializer(InitRule::FanInUniform, {50, 200});
const Initializer kXavier = weight_initializer(InitRule::XavierUniform, {20, 30});

}  // namespace

TEST_CASE("the parameter table sorts into groups, keeps the order inside them, and aligns every tensor") {
  ParameterTable table;
  const auto head = table.add({"head.weight", {10, 7}, ParameterGroup::HeadDecay, kZero});
  const auto bias1 = table.add({"a.bias", {3}, ParameterGroup::BackboneNoDecay, kZero});
  const auto weight1 = table.add({"a.weight", {3, 17}, ParameterGroup::BackboneDecay, kZero});
  const auto weight2 = table.add({"b.weight", {2, 2, 2, 1}, ParameterGroup::BackboneDecay, kZero});
  const auto scale = table.add({"head.scale", {1}, ParameterGroup::HeadNoDecay, kZero});
  const auto bias2 = table.add({"b.bias", {16}, ParameterGroup::BackboneNoDecay, kZero});
  table.arrange();

  std::vector<std::string> names;
  for (const auto& entry : table.entries()) names.push_back(entry.spec.name);
  CHECK(names == std::vector<std::string>{"a.weight", "b.weight", "a.bias", "b.bias", "head.weight", "head.scale"});
  const int64_t offsets[] = {0, 64, 80, 96, 112, 192};
  const ParameterTable::Key keys[] = {weight1, weight2, bias1, bias2, head, scale};
  for (int i = 0; i < 6; ++i) {
    CHECK(table.entries()[i].offset == offsets[i]);
    CHECK(table.entry(keys[i]).spec.name == names[i]);
  }
  const int64_t begins[] = {0, 80, 112, 192, 0}, counts[] = {80, 32, 80, 16, 0};
  for (int group = 0; group < kParameterGroups; ++group) {
    CHECK(table.group(group).offset == begins[group]);
    CHECK(table.group(group).count == counts[group]);
  }
  CHECK(table.size() == 208);
  CHECK(table.parameter_count() == 51 + 8 + 3 + 16 + 70 + 1);
  CHECK(table.find("b.bias").offset == 96);
  CHECK_THROWS_WITH_AS(table.find("c.bias"),
                       "no parameter is named 'c.bias'; there are a.weight, b.weight, a.bias, b.bias, head.weight, "
                       "head.scale",
                       Error);
}

TEST_CASE("an empty group is an empty range") {
  ParameterTable table;
  table.add({"w", {5}, ParameterGroup::HeadDecay, kZero});
  table.arrange();
  CHECK(table.group(0).count == 0);
  CHECK(table.group(1).count == 0);
  CHECK(table.group(3).count == 0);
  CHECK(table.group(2).count == 16);
}

TEST_CASE("parameters are written and read by name; the padding between tensors stays zero") {
  for (Backend* backend : backends()) {
    ParameterTable table;
    table.add({"w", {3, 3}, ParameterGroup::BackboneDecay, kFanIn});
    table.add({"b", {2}, ParameterGroup::BackboneNoDecay, {Initializer::Kind::Constant, 0.25f}});
    table.arrange();
    Parameters parameters(*backend, table, 1);
    expect_same(parameters.read_value("b"), Floats{0.25f, 0.25f});
    expect_same(parameters.read_value("w"), initial_values(table.entries()[0].spec, 1, 0));
    const Floats w = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    parameters.write_value("w", w.data(), 9);
    expect_same(parameters.read_value("w"), w);
    CHECK_THROWS_WITH_AS(parameters.write_value("w", w.data(), 8), "parameter w has 9 values, received 8", Error);
    CHECK_THROWS_WITH_AS(parameters.read_gradient("w"), "gradients were released when training ended", Error);

    Floats arena(table.size());
    check(backend->download(arena.data(), parameters.values_of({0, table.size()}).data, arena.size() * sizeof(float)));
    for (size_t i = 9; i < 16; ++i) CHECK(arena[i] == 0);
    parameters.allocate_gradients();
    expect_same(parameters.read_gradient("w"), Floats(9, 0));
  }
}

TEST_CASE("state lies behind what is trained, has no gradient, and is not counted") {
  for (Backend* backend : backends()) {
    ParameterTable table;
    table.add({"running", {5}, ParameterGroup::State, {Initializer::Kind::Constant, 1}});
    table.add({"weight", {3, 7}, ParameterGroup::HeadDecay, kXavier});
    table.add({"centers", {3, 7}, ParameterGroup::State, kZero});
    table.add({"bias", {3}, ParameterGroup::HeadNoDecay, kZero});
    table.arrange();
    std::vector<std::string> names;
    for (const auto& entry : table.entries()) names.push_back(entry.spec.name);
    CHECK(names == std::vector<std::string>{"weight", "bias", "running", "centers"});
    const ParameterTable::Range state = table.group(static_cast<int>(ParameterGroup::State));
    CHECK((state.offset == 48 && state.count == 48));
    CHECK(table.size() == 96);
    CHECK(table.trained_size() == 48);
    CHECK(table.parameter_count() == 21 + 3);

    Parameters parameters(*backend, table, 1);
    parameters.allocate_gradients();
    CHECK(parameters.value_bytes() == 96 * sizeof(float));
    CHECK(parameters.gradient_bytes() == 48 * sizeof(float));
    expect_same(parameters.read_value("running"), Floats(5, 1));
    expect_same(parameters.read_gradient("bias"), Floats(3, 0));
    for (const std::string name : {"running", "centers"}) {
      const std::string message = name + " is not trained: it has no gradient";
      CHECK_THROWS_WITH_AS(parameters.read_gradient(name), message.c_str(), Error);
      const Floats written = Random(2).normals(table.find(name).spec.shape.count());
      parameters.write_value(name, written.data(), static_cast<int64_t>(written.size()));
      expect_same(parameters.read_value(name), written);
    }
  }
}

TEST_CASE("without state there is nothing behind what is trained") {
  ParameterTable table;
  table.add({"weight", {3, 7}, ParameterGroup::HeadDecay, kXavier});
  table.arrange();
  CHECK(table.group(static_cast<int>(ParameterGroup::State)).count == 0);
  CHECK(table.trained_size() == table.size());
}

TEST_CASE("centroids start as they are, whatever the tensor's place") {
  const ParameterSpec spec{"w", {5, 4}, ParameterGroup::State, {Initializer::Kind::Centroids}};
  expect_same(initial_values(spec, 7, 0), centroids(5, 4, 7));
  expect_same(initial_values(spec, 7, 3), centroids(5, 4, 7));
}

TEST_CASE("initial values have the scale that is asked for, and differ by seed and tensor") {
  const ParameterSpec fan_in{"w", {200, 50}, ParameterGroup::BackboneDecay, kFanIn};
  const ParameterSpec xavier{"w", {200, 50}, ParameterGroup::BackboneDecay, kXavier};
  const auto moments = [](const Floats& values) {
    double sum = 0, squares = 0;
    for (float value : values) {
      sum += value;
      squares += double{value} * value;
    }
    const double count = static_cast<double>(values.size());
    return std::pair(sum / count, squares / count);
  };
  const auto expect_uniform = [&](const ParameterSpec& spec, double bound) {
    const Floats values = initial_values(spec, 1, 0);
    const auto [mean, square] = moments(values);
    CHECK(std::abs(mean) < 5 * bound / std::sqrt(3.0 * 10'000));
    CHECK(square == doctest::Approx(bound * bound / 3).epsilon(0.05));
    CHECK(*std::max_element(values.begin(), values.end()) <= static_cast<float>(bound));
    CHECK(*std::min_element(values.begin(), values.end()) >= static_cast<float>(-bound));
  };
  expect_uniform(fan_in, 1 / std::sqrt(50.0));
  expect_uniform(xavier, std::sqrt(6.0 / 50));

  CHECK(initial_values(fan_in, 1, 0) == initial_values(fan_in, 1, 0));
  CHECK(initial_values(fan_in, 1, 0) != initial_values(fan_in, 2, 0));
  CHECK(initial_values(fan_in, 1, 0) != initial_values(fan_in, 1, 1));
}

TEST_CASE("large tensors are drawn in pieces, on several threads, with the values of one piece") {
  for (Backend* backend : backends()) {
    for (const int threads : {1, 3}) {
      CAPTURE(threads);
      ParameterTable table;
      table.add({"w", {1031, 5003}, ParameterGroup::BackboneDecay, kFanIn});  // no multiple of a piece, nor of 4
      table.add({"ones", {70'001}, ParameterGroup::BackboneDecay, {Initializer::Kind::Constant, 1}});
      table.add({"x", {7, 3}, ParameterGroup::BackboneDecay, kXavier});
      table.arrange();
      const std::atomic<bool> never{false};
      Work work(threads);
      work.begin(table.size() * static_cast<int64_t>(sizeof(float)), never);
      const Parameters parameters(*backend, table, 5, work);
      uint32_t ordinal = 0;
      for (const auto& entry : table.entries())
        expect_same(parameters.read_value(entry.spec.name), initial_values(entry.spec, 5, ordinal++));
      CHECK(work.fraction_done() > 0.99);
    }
  }
}

TEST_CASE("drawing and clearing end once cancelled") {
  for (Backend* backend : backends()) {
    ParameterTable table;
    table.add({"w", {100, 100}, ParameterGroup::BackboneDecay, kFanIn});
    table.arrange();
    const std::atomic<bool> cancelled{true};
    const Work work(2, &cancelled);
    CHECK_THROWS_AS(Parameters(*backend, table, 5, work), Error);
    CHECK_THROWS_AS(Parameters(*backend, table, std::nullopt, work), Error);
    Parameters parameters(*backend, table, 5);
    CHECK_THROWS_AS(parameters.allocate_gradients(work), Error);
  }
}

}  // namespace margincore::test
