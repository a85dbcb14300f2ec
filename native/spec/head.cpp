#include "spec/head.h"

#include "spec/fields.h"

namespace margincore {

namespace {

void expect(bool holds, const char* what) {
  if (!holds) throw Error(ErrorCode::InvalidOption, std::string("head: expected ") + what);
}

}  // namespace

void validate(const HeadSpec& spec) {
  check_ranges("head", spec);
  expect(!(spec.bias && spec.normalize_weights), "no bias beside normalised class weights");
  expect(!(spec.bias && spec.scaled_bn), "no bias beside scaled batch norm, which takes it away again");
  expect(!(spec.fixed_weights && !spec.normalize_weights), "normalised class weights where they are fixed");
  expect(!(spec.learn_scale && !spec.normalize_features), "normalised features where the scale is learned");
  const auto weights = static_cast<int64_t>(spec.class_weights.size());
  expect(weights == 0 || weights == spec.num_classes, "as many classWeights as classes");
}

}  // namespace margincore
