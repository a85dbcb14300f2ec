#include "nn/liveness.h"

#include <doctest/doctest.h>

#include <string>

#include "support/model.h"

namespace margincore::test {

namespace {

/// Names of the layers whose output is recomputed.
std::string recomputed(const NetworkSpec& spec) {
  ParameterTable table;
  const Network network(spec, table);
  const std::vector<Liveness> values = analyze_liveness(network, RecomputePolicy::CheapLayers);
  std::string names;
  for (size_t i = 0; i < network.nodes().size(); ++i)
    if (values[i + 1].recomputed) names += (names.empty() ? "" : " ") + network.nodes()[i].layer->name();
  return names;
}

const LayerSpec kConvolution{"", Conv2dSpec{4, 3, 3, 1, 1}}, kNorm{"", BatchNormSpec{}}, kRelu{"", ReluSpec{}};
const LayerSpec kPool{"", MaxPool2dSpec{2, 2}}, kPRelu{"", PReluSpec{}}, kLinear{"", LinearSpec{3}};

}  // namespace

TEST_CASE("liveness: from where a value is made to its last reader, and again for those that need it to go back") {
  ParameterTable table;
  // Nodes: 0 convolution, 1 batch norm with ReLU, 2 convolution, 3 max pool, 4 linear. Head at 5, back from 6 to 10.
  const Network network({{8, 8, 1}, {kConvolution, kNorm, kRelu, kConvolution, kPool, kLinear}}, table);
  const auto expect = [](const Liveness& value, int begin, int end, int needed_from, int needed_until) {
    CHECK(value.begin == begin);
    CHECK(value.end == end);
    CHECK(value.needed_from == needed_from);
    CHECK(value.needed_until == needed_until);
  };
  const std::vector<Liveness> values = analyze_liveness(network, RecomputePolicy::Never);
  REQUIRE(values.size() == 6);
  expect(values[0], 0, 0, 10, 10);  // the image: the first convolution's filters
  expect(values[1], 0, 1, 9, 9);    // the batch norm's input
  expect(values[2], 1, 2, 8, 8);    // the second convolution's filters
  expect(values[3], 2, 3, -1, -1);  // a max pool keeps positions
  expect(values[4], 3, 4, 6, 6);
  expect(values[5], 4, 5, -1, -1);
  for (const Liveness& value : values) CHECK_FALSE(value.recomputed);
  for (const Liveness& value : analyze_liveness(network, RecomputePolicy::ForwardOnly))
    CHECK_FALSE(value.is_needed_again());
  const std::vector<Liveness> recomputing = analyze_liveness(network, RecomputePolicy::CheapLayers);
  for (size_t v = 0; v < recomputing.size(); ++v) CHECK(recomputing[v].recomputed == (v == 2));
}

TEST_CASE("recomputed is the output of a batch norm or PReLU that the backward pass needs") {
  const Shape image{8, 8, 2};
  CHECK(recomputed({image, {kConvolution, kNorm, kRelu, kConvolution, kNorm, kConvolution, kNorm, kRelu, kPool}}) ==
        "bn1 bn2");
  CHECK(recomputed({image, {kConvolution, kPRelu, kConvolution, kPRelu, kPool}}) == "prelu1");
  CHECK(recomputed({image, {kConvolution, kRelu, kConvolution}}).empty());
  // What is made from a value that is recomputed itself stays.
  CHECK(recomputed({image, {kConvolution, kNorm, kPRelu, kConvolution}}) == "bn1");
}

TEST_CASE("recomputed of ResNet-18: the batch norms inside the blocks, and sums whose residual is there") {
  // bn3 adds bn1, which is recomputed; bn8, bn13 and bn18 add the output of a shortcut, which nobody else reads.
  CHECK(recomputed(resnet18({16, 16, 1})) == "bn1 bn2 bn4 bn5 bn6 bn9 bn10 bn11 bn14 bn15 bn16 bn19 bn20");
}

}  // namespace margincore::test
