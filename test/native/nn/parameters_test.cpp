#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nn/parameters.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"

namespace margincore::test {

namespace {

const Initializer kZero{};
const Initializer kHe{Initializer::Kind::HeNormal, 0, 50, 0};
const Initializer kXavier{Initializer::Kind::XavierUniform, 0, 20, 30};

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
  const int64_t begins[] = {0, 80, 112, 192}, counts[] = {80, 32, 80, 16};
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
    table.add({"w", {3, 3}, ParameterGroup::BackboneDecay, kHe});
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

TEST_CASE("initial values have the scale that is asked for, and differ by seed and tensor") {
  const ParameterSpec he{"w", {200, 50}, ParameterGroup::BackboneDecay, kHe};
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
  const auto [he_mean, he_square] = moments(initial_values(he, 1, 0));
  CHECK(std::abs(he_mean) < 5 * std::sqrt(2.0 / 50 / 10'000));
  CHECK(he_square == doctest::Approx(2.0 / 50).epsilon(0.05));
  const Floats uniform = initial_values(xavier, 1, 0);
  const double bound = std::sqrt(6.0 / 50);
  const auto [mean, square] = moments(uniform);
  CHECK(std::abs(mean) < 5 * bound / std::sqrt(3.0 * 10'000));
  CHECK(square == doctest::Approx(bound * bound / 3).epsilon(0.05));
  CHECK(*std::max_element(uniform.begin(), uniform.end()) <= static_cast<float>(bound));
  CHECK(*std::min_element(uniform.begin(), uniform.end()) >= static_cast<float>(-bound));

  CHECK(initial_values(he, 1, 0) == initial_values(he, 1, 0));
  CHECK(initial_values(he, 1, 0) != initial_values(he, 2, 0));
  CHECK(initial_values(he, 1, 0) != initial_values(he, 1, 1));
}

}  // namespace margincore::test
