#include <limits>

#include "nn/layers/common.h"
#include "spec/fields.h"
#include "spec/layer_kinds.h"

namespace margincore {

namespace {

void expect_inputs(const LayerSpec& spec, size_t count) {
  const LayerKind kind = kind_of(spec);
  if (count < kind.least_inputs || count > kind.most_inputs)
    refuse(ErrorCode::InvalidOption, spec.name,
           format("expected %zu to %zu inputs but received %zu", kind.least_inputs, kind.most_inputs, count));
}

}  // namespace

MadeLayer make_layer(const LayerSpec& spec, std::span<const Shape> inputs, uint32_t index, DType activations,
                     float rate, ParameterTable& table) {
  expect_inputs(spec, inputs.size());
  const LayerSite site{spec.name, inputs, index, activations, rate, table};
  const auto make_one = [&](const auto& of) {
    check_ranges("layer " + spec.name, of);
    MadeLayer layer = make(of, site);
    checked_count(spec.name, "outputs", layer->output(), kMostOutputs);
    return layer;
  };
  return std::visit(make_one, spec.of);
}

int64_t saturated_product(std::initializer_list<int64_t> factors) {
  int64_t product = 1;
  for (const int64_t factor : factors)
    if (__builtin_mul_overflow(product, factor, &product)) return std::numeric_limits<int64_t>::max();
  return product;
}

int64_t checked_count(const std::string& name, const char* what, const Shape& shape, int64_t most) {
  int64_t count = 1;
  for (int axis = 0; axis < shape.rank; ++axis) count = saturated_product({count, shape[axis]});
  if (count > most)
    refuse(ErrorCode::ShapeMismatch, name,
           format("expected at most %lld %s but there would be those of shape %s", static_cast<long long>(most), what,
                  to_string(shape).c_str()));
  return count;
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
