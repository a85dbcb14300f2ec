#include "nn/layers/common.h"

namespace margincore {

namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

void expect_inputs(const LayerSpec& spec, size_t count) {
  const size_t least = std::holds_alternative<ConcatSpec>(spec.of) || std::holds_alternative<AddSpec>(spec.of) ? 2 : 1;
  const size_t most = std::holds_alternative<ConcatSpec>(spec.of) ? kMaxInputs
                      : std::holds_alternative<AddSpec>(spec.of) || std::holds_alternative<BatchNormSpec>(spec.of) ? 2
                                                                                                                   : 1;
  if (count < least || count > most)
    refuse(ErrorCode::InvalidOption, spec.name,
           format("expected %zu to %zu inputs but received %zu", least, most, count));
}

}  // namespace

MadeLayer make_layer(const LayerSpec& spec, std::span<const Shape> inputs, uint32_t index, DType activations,
                     ParameterTable& table) {
  expect_inputs(spec, inputs.size());
  const LayerSite site{spec.name, inputs, index, activations, table};
  return std::visit([&](const auto& of) { return make(of, site); }, spec.of);
}

const char* name_prefix(const LayerSpec& spec) {
  return std::visit(
      Overloaded{[](const Conv2dSpec&) { return "conv"; }, [](const ReluSpec&) { return "relu"; },
                 [](const MaxPool2dSpec&) { return "maxPool"; }, [](const LinearSpec&) { return "fc"; },
                 [](const DropoutSpec&) { return "dropout"; }, [](const PReluSpec&) { return "prelu"; },
                 [](const BatchNormSpec&) { return "bn"; }, [](const AveragePool2dSpec&) { return "averagePool"; },
                 [](const GlobalAveragePoolSpec&) { return "globalAveragePool"; }, [](const AddSpec&) { return "add"; },
                 [](const ConcatSpec&) { return "concat"; }},
      spec.of);
}

int64_t windows(const std::string& name, const char* axis, int64_t size, int64_t kernel, int64_t stride,
                int64_t padding) {
  using LongLong = long long;
  if (size + 2 * padding < kernel)
    refuse(ErrorCode::ShapeMismatch, name,
           format("a window of %lld does not fit an input %s of %lld with padding %lld", static_cast<LongLong>(kernel),
                  axis, static_cast<LongLong>(size), static_cast<LongLong>(padding)));
  return (size + 2 * padding - kernel) / stride + 1;
}

}  // namespace margincore
