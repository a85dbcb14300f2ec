#include "nn/initializer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "nn/network.h"
#include "spec/words.h"

namespace margincore::test {

namespace {

using Kind = Initializer::Kind;

struct Expected {
  InitSpec spec;
  Kind kind;
  double width;
};

/// With a fan-in of 18 and a fan-out of 32.
const Expected kExpected[] = {
    {InitRule::FanInUniform, Kind::Uniform, 1 / std::sqrt(18.0)},
    {InitRule::PyTorch, Kind::Uniform, 1 / std::sqrt(18.0)},
    {InitRule::HeNormal, Kind::Normal, 1.0 / 3},
    {InitRule::HeNormalFanOut, Kind::Normal, 0.25},
    {InitRule::HeUniform, Kind::Uniform, 1 / std::sqrt(3.0)},
    {InitRule::LecunUniform, Kind::Uniform, 1 / std::sqrt(6.0)},
    {InitRule::XavierNormal, Kind::Normal, 0.2},
    {InitRule::XavierUniform, Kind::Uniform, std::sqrt(0.12)},
    {NormalInit{0.01}, Kind::Normal, 0.01},
};

std::string name_of(const InitSpec& spec) {
  const auto* rule = std::get_if<InitRule>(&spec);
  return rule ? word_for(*rule) : "std";
}

std::vector<double> draw(const Initializer& initializer, uint64_t count) {
  std::vector<double> values;
  for (uint64_t index = 0; index < count / 4; ++index)
    for (float value : initial_values_from(initializer, philox(11, RandomPurpose::Weights, 2, index)))
      values.push_back(value);
  return values;
}

/// Share of values below `bound`.
double below(const std::vector<double>& values, double bound) {
  double count = 0;
  for (double value : values) count += value < bound;
  return count / static_cast<double>(values.size());
}

/// Mean of the products of values and those `apart` places further.
double covariance(const std::vector<double>& values, size_t apart) {
  double sum = 0;
  for (size_t i = 0; i + apart < values.size(); ++i) sum += values[i] * values[i + apart];
  return sum / static_cast<double>(values.size() - apart);
}

std::vector<Initializer> of_parameters(const LayerSpec& layer, const Shape& input) {
  ParameterTable table;
  const Network network({input, {layer}}, table);
  table.arrange();
  std::vector<Initializer> initializers;
  for (const ParameterTable::Entry& entry : table.entries()) initializers.push_back(entry.spec.initializer);
  return initializers;
}

}  // namespace

TEST_CASE("every rule has its distribution and width, and a bias is 0 but for PyTorch's") {
  for (const auto& [spec, kind, width] : kExpected) {
    CAPTURE(name_of(spec));
    const Initializer weights = weight_initializer(spec, {18, 32});
    CHECK(weights.kind == kind);
    CHECK(weights.value == doctest::Approx(width).epsilon(1e-14));
    const Initializer bias = bias_initializer(spec, {18, 32});
    const bool is_drawn = name_of(spec) == "pytorch";
    CHECK(bias.kind == (is_drawn ? Kind::Uniform : Kind::Constant));
    CHECK(bias.value == doctest::Approx(is_drawn ? width : 0).epsilon(1e-14));
  }
  CHECK(std::size(kExpected) == words_of(InitRule{}).size() + 1);
}

TEST_CASE("the fans of a convolution are PyTorch's, in groups too, and those of a linear layer its sizes") {
  constexpr int64_t kOut = 12, kGroups = 4;
  const auto conv = [](InitRule rule) { return LayerSpec{"", Conv2dSpec{kOut, 3, 5, 1, 0, true, kGroups, rule}}; };
  const Shape image{8, 8, 8};
  CHECK(of_parameters(conv(InitRule::HeNormal), image)[0].value == doctest::Approx(std::sqrt(2.0 / (3 * 5 * 2))));
  CHECK(of_parameters(conv(InitRule::HeNormalFanOut), image)[0].value ==
        doctest::Approx(std::sqrt(2.0 / (3 * 5 * 12))));
  const std::vector<Initializer> pytorch = of_parameters(conv(InitRule::PyTorch), image);
  REQUIRE(pytorch.size() == 2);
  CHECK(pytorch[1].value == doctest::Approx(1 / std::sqrt(3.0 * 5 * 2)));

  const auto linear = [](InitRule rule) { return LayerSpec{"", LinearSpec{7, true, rule}}; };
  CHECK(of_parameters(linear(InitRule::HeNormal), {2, 3, 4})[0].value == doctest::Approx(std::sqrt(2.0 / 24)));
  CHECK(of_parameters(linear(InitRule::HeNormalFanOut), {2, 3, 4})[0].value == doctest::Approx(std::sqrt(2.0 / 7)));
  CHECK(of_parameters(linear(InitRule::PyTorch), {2, 3, 4})[1].value == doctest::Approx(1 / std::sqrt(24.0)));
}

TEST_CASE("a layer takes the network's rule where it has none of its own") {
  const auto kinds = [](std::optional<InitSpec> network, std::optional<InitSpec> layer) {
    ParameterTable table;
    NetworkSpec spec{{2, 2, 1}, {LayerSpec{"", LinearSpec{3, false, layer}}}};
    spec.init = network;
    Network made(spec, table);
    table.arrange();
    return table.entries()[0].spec.initializer;
  };
  CHECK(kinds({}, {}).value == 0.5);
  CHECK(kinds({}, {}).kind == Kind::Uniform);
  CHECK(kinds(NormalInit{3}, {}).value == 3);
  CHECK(kinds(NormalInit{3}, NormalInit{4}).value == 4);
}

TEST_CASE("normal draws have the moments and tails of a normal distribution, and none hangs on another") {
  constexpr uint64_t kCount = 1 << 20;
  constexpr double kStd = 0.02, kError = 1.0 / 1024;  // the standard error of a mean of 2^20 values of width 1
  std::vector<double> values = draw({Kind::Normal, kStd}, kCount);
  for (double& value : values) value /= kStd;
  for (size_t apart : {1, 2, 3, 4}) CHECK(std::abs(covariance(values, apart)) < 5 * kError);
  double mean = 0, fourth = 0;
  for (double value : values) {
    mean += value / kCount;
    fourth += std::pow(value, 4) / kCount;
  }
  CHECK(std::abs(mean) < 5 * kError);
  CHECK(std::abs(covariance(values, 0) - 1) < 5 * std::sqrt(2.0) * kError);
  CHECK(std::abs(fourth - 3) < 5 * std::sqrt(96.0) * kError);
  for (double bound : {-3.0, -2.0, -1.0, -0.1, 0.0, 0.5, 1.5, 2.5, 3.5}) {
    CAPTURE(bound);
    const double share = std::erfc(-bound / std::numbers::sqrt2) / 2;
    CHECK(std::abs(below(values, bound) - share) < 5 * std::sqrt(share * (1 - share)) * kError);
  }
}

TEST_CASE("the ends of a normal draw are finite") {
  const Random4 ends{{0, 0, 0xffffffff, 0x80000000}};
  const std::array<float, 4> values = initial_values_from({Kind::Normal, 1}, ends);
  CHECK(values[0] == doctest::Approx(std::sqrt(64 * std::numbers::ln2)));  // √(−2·ln 2^−32)
  CHECK(values[1] == 0);
  CHECK(values[2] == 0);
  CHECK(values[3] == 0);
}

}  // namespace margincore::test
