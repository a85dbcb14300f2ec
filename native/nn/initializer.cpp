#include "nn/initializer.h"

#include <cmath>
#include <numbers>

namespace margincore {

namespace {

using Kind = Initializer::Kind;

Initializer by_rule(InitRule rule, double in, double out) {
  switch (rule) {
    case InitRule::HeNormal: return {Kind::Normal, std::sqrt(2 / in)};
    case InitRule::HeNormalFanOut: return {Kind::Normal, std::sqrt(2 / out)};
    case InitRule::HeUniform: return {Kind::Uniform, std::sqrt(6 / in)};
    case InitRule::LecunUniform: return {Kind::Uniform, std::sqrt(3 / in)};
    case InitRule::XavierNormal: return {Kind::Normal, std::sqrt(2 / (in + out))};
    case InitRule::XavierUniform: return {Kind::Uniform, std::sqrt(6 / (in + out))};
    case InitRule::FanInUniform:
    case InitRule::PyTorch: break;
  }
  return {Kind::Uniform, 1 / std::sqrt(in)};
}

}  // namespace

Initializer weight_initializer(const InitSpec& spec, Fans fans) {
  if (const auto* normal = std::get_if<NormalInit>(&spec)) return {Kind::Normal, normal->std};
  return by_rule(std::get<InitRule>(spec), static_cast<double>(fans.in), static_cast<double>(fans.out));
}

Initializer bias_initializer(const InitSpec& spec, Fans fans) {
  const auto* rule = std::get_if<InitRule>(&spec);
  return rule && *rule == InitRule::PyTorch ? weight_initializer(spec, fans) : Initializer{};
}

std::array<float, 4> initial_values_from(const Initializer& initializer, const Random4& random) {
  std::array<float, 4> values;
  if (initializer.kind == Kind::Uniform) {
    for (int k = 0; k < 4; ++k)
      values[k] = static_cast<float>((2.0 * uniform01(random.value[k]) - 1) * initializer.value);
    return values;
  }
  for (int k = 0; k < 4; k += 2) {
    const double radius = std::sqrt(-2 * std::log((random.value[k] + 1.0) * 0x1p-32));
    const double angle = 2 * std::numbers::pi * (random.value[k + 1] * 0x1p-32);
    values[k] = static_cast<float>(radius * std::cos(angle) * initializer.value);
    values[k + 1] = static_cast<float>(radius * std::sin(angle) * initializer.value);
  }
  return values;
}

}  // namespace margincore
