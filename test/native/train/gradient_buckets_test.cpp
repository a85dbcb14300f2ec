// The parts in which ranks of GPUs add up their gradients: all of it, once, and each when it is there.
#include "train/gradient_buckets.h"

#include <doctest/doctest.h>

#include "nn/head.h"
#include "support/model.h"

namespace margincore::test {

namespace {

const NetworkSpec kNetwork = {{7, 7, 1},
                              {{"conv", Conv2dSpec{3, 3, 3}},
                               {"bn", BatchNormSpec{}},
                               {"", ReluSpec{}},
                               {"first", LinearSpec{40}},
                               {"second", LinearSpec{30}},
                               {"third", LinearSpec{20}}}};

struct Made {
  explicit Made(std::vector<float> rates = {})
      : network(kNetwork, table, rates), head(arcface(10, 20, 0.3f), network.embedding_size(), table) {
    table.arrange();
    for (const ParameterTable::Update& update : table.updates())
      if (is_backbone(update.group)) backbone += update.range.count;
  }

  int64_t place(const char* name) const { return table.find(name).offset - table.trained().offset; }
  int node(const char* name) const {
    for (size_t i = 0; i < network.nodes().size(); ++i)
      if (network.nodes()[i].layer->name() == name) return static_cast<int>(i);
    return -1;
  }

  ParameterTable table;
  Network network;
  Head head;
  int64_t backbone = 0;
};

void expect_all_once(const std::vector<GradientBucket>& buckets, int64_t all) {
  std::vector<int> times(all, 0);
  for (const GradientBucket& bucket : buckets)
    for (int64_t i = 0; i < bucket.count; ++i) ++times.at(bucket.first + i);
  CHECK(times == std::vector<int>(all, 1));
}

}  // namespace

TEST_CASE("every gradient is in one bucket, which begins no sooner than its node's backward pass and those before it") {
  const Made made;
  for (const int64_t bytes : {1, 1000, 5000, 1'000'000}) {
    CAPTURE(bytes);
    const auto buckets = gradient_buckets(made.network, made.table, made.backbone, 0, bytes, bytes);
    expect_all_once(buckets, made.backbone);
    for (const char* name :
         {"third.weight", "second.weight", "first.weight", "conv.weight", "first.bias", "bn.weight"}) {
      CAPTURE(name);
      const int64_t place = made.place(name);
      const std::string layer = std::string(name).substr(0, std::string(name).find('.'));
      for (const GradientBucket& bucket : buckets)
        if (bucket.first <= place && place < bucket.first + bucket.count)
          CHECK(bucket.after <= made.node(layer.c_str()));
    }
    for (size_t i = 1; i < buckets.size(); ++i) CHECK(buckets[i].after <= buckets[i - 1].after);
  }
}

TEST_CASE("buckets come from the end of the weights, as small as parameters allow; what is no weight comes last") {
  const Made made;
  const auto smallest = gradient_buckets(made.network, made.table, made.backbone, 0, 1, 1);
  REQUIRE(smallest.size() == 5);
  const char* const layers[] = {"third", "second", "first", "conv"};
  for (int i = 0; i < 4; ++i) {
    CHECK(smallest[i].first == made.place((std::string(layers[i]) + ".weight").c_str()));
    CHECK(smallest[i].after == made.node(layers[i]));
  }
  CHECK(smallest[4].after == 0);
  // The first one is closed by its own limit.
  const auto two = gradient_buckets(made.network, made.table, made.backbone, 0, 1, 1'000'000);
  REQUIRE(two.size() == 3);
  CHECK(two[0].first == made.place("third.weight"));
  CHECK(two[1].first == made.place("conv.weight"));
  CHECK(two[1].after == made.node("conv"));
}

TEST_CASE("of two types of gradients no bucket has both, and what is frozen is in none") {
  const Made made;
  const int64_t weights = made.place("third.weight") + ParameterTable::aligned(20 * 30);
  const auto buckets = gradient_buckets(made.network, made.table, made.backbone, weights, 1'000'000, 1'000'000);
  REQUIRE(buckets.size() == 2);
  CHECK(buckets[0].first + buckets[0].count == weights);

  const Made frozen({0, 0, 1, 0, 1, 1});  // conv, bn and first
  const auto rest = gradient_buckets(frozen.network, frozen.table, frozen.backbone, 0, 1, 1);
  expect_all_once(rest, frozen.backbone);
  REQUIRE(rest.size() == 3);
  CHECK(rest[1].after == frozen.node("second"));
}

}  // namespace margincore::test
