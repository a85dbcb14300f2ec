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
  const int64_t begins[] = {0, 80, 112, 192}, counts[] = {80, 32, 80, 16};
  REQUIRE(table.updates().size() == 4);
  for (int group = 0; group < 4; ++group) {
    CHECK(static_cast<int>(table.updates()[group].group) == group);
    CHECK(table.updates()[group].rate == 1);
    CHECK(table.updates()[group].range.offset == begins[group]);
    CHECK(table.updates()[group].range.count == counts[group]);
  }
  CHECK(table.state().count == 0);
  CHECK(table.size() == 208);
  CHECK(table.parameter_count() == 51 + 8 + 3 + 16 + 70 + 1);
  CHECK(table.find("b.bias").offset == 96);
  CHECK_THROWS_WITH_AS(table.find("c.bias"),
                       "no parameter is named 'c.bias'; there are a.weight, b.weight, a.bias, b.bias, head.weight, "
                       "head.scale",
                       Error);
}

TEST_CASE("of groups without parameters there is no update") {
  ParameterTable table;
  table.add({"w", {5}, ParameterGroup::HeadDecay, kZero});
  table.arrange();
  REQUIRE(table.updates().size() == 1);
  CHECK(table.updates()[0].group == ParameterGroup::HeadDecay);
  CHECK(table.updates()[0].range.count == 16);
}

TEST_CASE("what is frozen lies before what is trained, weights beside weights, and groups fall apart by rate") {
  ParameterTable table;
  const auto add = [&](const char* name, ParameterGroup group, float rate, DType used_as = DType::F32) {
    table.add({name, {5}, group, kFanIn, used_as, rate});
  };
  for (const auto& [layer, rate] : {std::pair("a", 0.0f), {"b", 1.0f}, {"c", 0.5f}, {"d", 0.0f}, {"e", 1.0f}}) {
    const std::string name = layer;
    add((name + ".weight").c_str(), ParameterGroup::BackboneDecay, rate, DType::BF16);
    add((name + ".bias").c_str(), ParameterGroup::BackboneNoDecay, rate);
    add((name + ".mean").c_str(), ParameterGroup::State, rate);
  }
  add("head.weight", ParameterGroup::HeadDecay, 1);
  table.arrange();

  std::vector<std::string> names;
  for (const auto& entry : table.entries()) names.push_back(entry.spec.name);
  CHECK(names == std::vector<std::string>{"a.mean", "d.mean", "a.bias", "d.bias", "a.weight", "d.weight",    // frozen
                                          "c.weight", "b.weight", "e.weight", "c.bias", "b.bias", "e.bias",  // trained
                                          "head.weight", "b.mean", "c.mean", "e.mean"});
  struct Expected {
    ParameterGroup group;
    float rate;
    int64_t offset, count;
  };
  const Expected expected[] = {{ParameterGroup::BackboneDecay, 0.5f, 96, 16},
                               {ParameterGroup::BackboneDecay, 1, 112, 32},
                               {ParameterGroup::BackboneNoDecay, 0.5f, 144, 16},
                               {ParameterGroup::BackboneNoDecay, 1, 160, 32},
                               {ParameterGroup::HeadDecay, 1, 192, 16}};
  REQUIRE(table.updates().size() == 5);
  for (size_t i = 0; i < 5; ++i) {
    CAPTURE(i);
    CHECK(table.updates()[i].group == expected[i].group);
    CHECK(table.updates()[i].rate == expected[i].rate);
    CHECK(table.updates()[i].range.offset == expected[i].offset);
    CHECK(table.updates()[i].range.count == expected[i].count);
  }
  CHECK((table.trained().offset == 96 && table.trained().count == 112));
  CHECK((table.state().offset == 208 && table.state().count == 48));
  CHECK((table.bf16_range().offset == 64 && table.bf16_range().count == 80));
  CHECK((table.trained_bf16().offset == 96 && table.trained_bf16().count == 48));
  CHECK(table.parameter_count() == 11 * 5);
}

TEST_CASE("a seed gives a tensor the same values, whatever is frozen and at whichever rate") {
  const auto values = [](Backend& backend, float rate_of_a, float rate_of_b) {
    ParameterTable table;
    for (const auto& [layer, rate] : {std::pair("a", rate_of_a), {"b", rate_of_b}, {"c", 1.0f}}) {
      const std::string name = layer;
      table.add({name + ".weight", {7, 3}, ParameterGroup::BackboneDecay, kFanIn, DType::F32, rate});
      table.add({name + ".bias", {3}, ParameterGroup::BackboneNoDecay, kFanIn, DType::F32, rate});
    }
    table.arrange();
    const Parameters parameters(backend, table, 5);
    std::vector<Floats> all;
    for (const char* name : {"a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"})
      all.push_back(parameters.read_value(name));
    return all;
  };
  for (Backend* backend : backends()) {
    const std::vector<Floats> expected = values(*backend, 1, 1);
    CHECK(expected[0] != expected[2]);
    CHECK(values(*backend, 0, 1) == expected);
    CHECK(values(*backend, 1, 0) == expected);
    CHECK(values(*backend, 0, 0) == expected);
    CHECK(values(*backend, 2, 0.5f) == expected);
  }
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

TEST_CASE("gradients of what is read as bf16 are bf16 where the backend says so, and are read as fp32") {
  for (Backend* backend : backends()) {
    if (activation_types(*backend).size() == 1) continue;
    const bool in_bf16 = backend->info().bf16_gradients != 0;
    CAPTURE(in_bf16);
    ParameterTable table;
    table.add({"frozen", {5}, ParameterGroup::BackboneDecay, kFanIn, DType::BF16, 0});
    const auto first = table.add({"first", {3, 7}, ParameterGroup::BackboneDecay, kFanIn, DType::BF16, 0.5f});
    const auto second = table.add({"second", {2, 2}, ParameterGroup::BackboneDecay, kFanIn, DType::BF16});
    const auto bias = table.add({"bias", {3}, ParameterGroup::BackboneNoDecay});
    const auto head = table.add({"head", {4, 2}, ParameterGroup::HeadDecay});
    table.arrange();
    Parameters parameters(*backend, table, 1);
    parameters.allocate_gradients();
    CHECK(parameters.gradient_bytes() == (in_bf16 ? 48 * 2 + 32 * 4 : 80 * 4));
    CHECK(parameters.gradients().bf16_count() == (in_bf16 ? 48 : 0));
    CHECK(parameters.gradients().count() == 80);

    Random random(1);
    for (const auto key : {first, second, bias, head}) {
      const ParameterTable::Entry& entry = table.entry(key);
      CAPTURE(entry.spec.name);
      const Tensor gradient = parameters.gradient(key);
      CHECK(gradient.dtype == (in_bf16 ? entry.spec.used_as : DType::F32));
      const Floats values = as_stored(random.normals(gradient.count()), gradient.dtype);
      const std::vector<BFloat16> narrow = stored<BFloat16>(values);
      const void* from = gradient.dtype == DType::BF16 ? static_cast<const void*>(narrow.data()) : values.data();
      check(backend->upload(gradient.data, from, gradient.bytes()));
      expect_same(parameters.read_gradient(entry.spec.name), values);
    }
    parameters.release_gradients();
    CHECK_FALSE(parameters.has_gradients());
    CHECK(parameters.gradient_bytes() == 0);
  }
}

TEST_CASE("what is read as bf16 but frozen has no gradient, and what is trained has one in fp32") {
  for (Backend* backend : backends()) {
    ParameterTable table;
    table.add({"frozen", {5}, ParameterGroup::BackboneDecay, kFanIn, DType::BF16, 0});
    table.add({"bias", {3}, ParameterGroup::BackboneNoDecay});
    table.arrange();
    CHECK(table.trained_bf16().count == 0);
    Parameters parameters(*backend, table, 1);
    parameters.allocate_gradients();
    CHECK(parameters.gradient_bytes() == 16 * sizeof(float));
    expect_same(parameters.read_gradient("bias"), Floats(3, 0));
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
    const ParameterTable::Range state = table.state();
    CHECK((state.offset == 48 && state.count == 48));
    CHECK(table.size() == 96);
    CHECK((table.trained().offset == 0 && table.trained().count == 48));
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
  CHECK(table.state().count == 0);
  CHECK(table.trained().count == table.size());
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
