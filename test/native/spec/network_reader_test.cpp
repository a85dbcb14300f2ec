#include "spec/network_reader.h"

#include <doctest/doctest.h>

#include "spec/layer_kinds.h"
#include "support/described.h"

namespace margincore::test {

namespace {

using Object = Described::Object;
using List = Described::List;

Described network(List layers) { return Object{{"input", List{8, 9, 3}}, {"layers", std::move(layers)}}; }

Described layer(const char* type, Object fields = {}) {
  fields.insert(fields.begin(), {"type", type});
  return fields;
}

Described conv(Object more = {}) {
  more.insert(more.end(), {{"outChannels", 3}, {"kernelSize", 1}});
  return layer("conv2d", std::move(more));
}

std::string refusal(const Described& described) {
  try {
    read_network(described);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::InvalidOption);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("layers in layers become a list, in which each names those that it reads") {
  const NetworkSpec spec = read_network(
      network({conv({{"name", "first"}}),
               layer("residual", {{"body", List{conv(), layer("relu")}}, {"shortcut", List{conv()}}, {"name", "sum"}}),
               layer("concat", {{"branches", List{List{}, List{layer("relu"), conv()}}}}),
               layer("residual", {{"body", List{layer("batchNorm")}}})}));
  CHECK(spec.input == Shape{8, 9, 3});
  using Expected = std::vector<std::pair<const char*, std::vector<int>>>;
  const Expected expected{{"conv2d", {kImage}}, {"conv2d", {0}}, {"relu", {1}},   {"conv2d", {0}},
                          {"add", {2, 3}},      {"relu", {4}},   {"conv2d", {5}}, {"concat", {4, 6}},
                          {"batchNorm", {7}},   {"add", {8, 7}}};
  REQUIRE(spec.layers.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(std::string(kind_of(spec.layers[i]).type) == expected[i].first);
    CHECK(spec.layers[i].inputs == expected[i].second);
  }
  CHECK(spec.layers[0].name == "first");
  CHECK(spec.layers[4].name == "sum");
}

TEST_CASE("what is no object is no network") {
  CHECK(refusal(Described(3)) == "network: expected an object but received 3");
  CHECK(refusal(Described(List{})) == "network: expected an object but received something");
}

TEST_CASE("a layer's options are refused with its name, or with the name that it would get") {
  CHECK(refusal(network({conv({{"strides", 2}})})) ==
        "layer conv1 (conv2d): there is no option 'strides'. Did you mean 'stride'?");
  CHECK(refusal(network({conv({{"name", "stem"}}), conv({{"groupz", 2}})})) ==
        "layer conv2 (conv2d): there is no option 'groupz'. Did you mean 'groups'?");
  CHECK(refusal(network({conv({{"name", "stem"}, {"stride", "two"}})})) ==
        "layer stem (conv2d): expected a whole number for stride but received two");
  CHECK(refusal(network({conv(), conv({{"name", 3}})})) ==
        "layer conv2 (conv2d): expected a string for name but received 3");
  CHECK(refusal(network({layer("residual", {{"body", List{conv()}}, {"shortcutt", List{conv()}}})})) ==
        "layer add1 (residual): there is no option 'shortcutt'. Did you mean 'shortcut'?");
  CHECK(refusal(network({layer("residual")})) == "layer add1 (residual): body is missing");
  CHECK(refusal(network({layer("residual", {{"body", conv()}})})) ==
        "layer add1 (residual): expected an array of layers for body but received something");
  CHECK(refusal(network({layer("concat", {{"branch", List{}}})})) ==
        "layer concat1 (concat): there is no option 'branch'. Did you mean 'branches'?");
  CHECK(refusal(network({layer("concat", {{"branches", List{conv()}}})})) ==
        "layer concat1 (concat): expected an array of layers for branches but received something");
  // Only lists that are flat already say what a layer reads.
  CHECK(refusal(network({conv(), layer("relu", {{"inputs", List{0}}})})) ==
        "layer relu1 (relu): there is no option 'inputs'. The options are name, type");
}

TEST_CASE("what is no layer and no network is refused") {
  CHECK(refusal(network({layer("conv3d")})) == "layer type 'conv3d' is unknown. Did you mean 'conv2d'?");
  CHECK(refusal(network({layer("attention")})) ==
        "layer type 'attention' is unknown. There are conv2d, relu, prelu, batchNorm, maxPool2d, averagePool2d, "
        "globalAveragePool, linear, dropout, residual, concat");
  CHECK(refusal(network({Object{{"outFeatures", 3}}})).rfind("a layer has no type. There are conv2d, ", 0) == 0);
  CHECK(refusal(network({Described(3)})) == "expected a layer, such as relu(), but received 3");
  CHECK(refusal(Object{{"input", List{8, 9, 3}}}) == "network: layers is missing");
  CHECK(refusal(Object{{"input", List{8, 9}}, {"layers", List{}}}) ==
        "network: expected [H, W, C] for input but received something");
  Described deep = layer("relu");
  for (int i = 0; i < 100; ++i) deep = layer("residual", {{"body", List{deep}}});
  CHECK(refusal(network({deep})) == "expected layers in layers at most 64 deep");
}

}  // namespace margincore::test
