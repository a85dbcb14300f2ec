// The table of layer kinds: a row for each struct in layer.h.
#pragma once

#include "spec/layer.h"

namespace margincore {

struct LayerKind {
  const char* type;         // "conv2d"
  const char* name_prefix;  // unnamed ones are called conv1, conv2, …
  size_t least_inputs = 1, most_inputs = 1;
  const char* nested_type = type;  // in a description where layers lie in layers, and none says what it reads
};

constexpr LayerKind kind_of(const Conv2dSpec&) { return {"conv2d", "conv"}; }
constexpr LayerKind kind_of(const ReluSpec&) { return {"relu", "relu"}; }
constexpr LayerKind kind_of(const PReluSpec&) { return {"prelu", "prelu"}; }
constexpr LayerKind kind_of(const BatchNormSpec&) { return {"batchNorm", "bn", 1, 2}; }
constexpr LayerKind kind_of(const MaxPool2dSpec&) { return {"maxPool2d", "maxPool"}; }
constexpr LayerKind kind_of(const AveragePool2dSpec&) { return {"averagePool2d", "averagePool"}; }
constexpr LayerKind kind_of(const GlobalAveragePoolSpec&) { return {"globalAveragePool", "globalAveragePool"}; }
constexpr LayerKind kind_of(const LinearSpec&) { return {"linear", "fc"}; }
constexpr LayerKind kind_of(const DropoutSpec&) { return {"dropout", "dropout"}; }
constexpr LayerKind kind_of(const AddSpec&) { return {"add", "add", 2, 2, "residual"}; }
constexpr LayerKind kind_of(const ConcatSpec&) { return {"concat", "concat", 2, kMaxInputs}; }

inline LayerKind kind_of(const LayerSpec& layer) {
  return std::visit([](const auto& of) { return kind_of(of); }, layer.of);
}

/// Calls body(Spec{}) for every kind.
template <class Body>
void each_kind(const Body& body) {
  const auto each = [&]<class... Specs>(const std::variant<Specs...>*) { (body(Specs{}), ...); };
  each(static_cast<const LayerSpec::Of*>(nullptr));
}

/// A layer of the kind that is called so.
inline std::optional<LayerSpec::Of> find_kind(const std::string& type,
                                              const char* LayerKind::* name = &LayerKind::type) {
  std::optional<LayerSpec::Of> found;
  each_kind([&](const auto& spec) {
    if (type == kind_of(spec).*name) found = spec;
  });
  return found;
}

}  // namespace margincore
