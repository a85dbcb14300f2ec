// How weights start, as it is described: by a rule, or normally distributed with a given standard deviation.
#pragma once

#include <concepts>
#include <optional>
#include <variant>

namespace margincore {

/// Widths follow from the fans of a layer (nn/initializer.h). Biases are 0, but for PyTorch.
enum class InitRule {
  FanInUniform,
  PyTorch,
  HeNormal,
  HeNormalFanOut,
  HeUniform,
  LecunUniform,
  XavierNormal,
  XavierUniform
};

struct NormalInit {
  double std = 0;
};

using InitSpec = std::variant<InitRule, NormalInit>;

inline constexpr InitSpec kDefaultInit = InitRule::FanInUniform;

/// A layer with weights that start so.
template <class Layer>
concept HasInit = requires(Layer layer) {
  { layer.init } -> std::same_as<std::optional<InitSpec>&>;
};

}  // namespace margincore
