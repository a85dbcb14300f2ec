#include "train/gradient_buckets.h"

#include <algorithm>
#include <map>

namespace margincore {

namespace {

/// The node that declared a parameter, by its place in the arena.
std::map<int64_t, int> nodes_by_offset(const Network& network, const ParameterTable& table) {
  std::map<int64_t, int> nodes;
  for (size_t node = 0; node < network.nodes().size(); ++node)
    for (auto key = network.nodes()[node].first_parameter; key < network.nodes()[node].parameters_end; ++key)
      nodes[table.entry(key).offset] = static_cast<int>(node);
  return nodes;
}

}  // namespace

std::vector<GradientBucket> gradient_buckets(const Network& network, const ParameterTable& table, int64_t summed,
                                             int64_t bf16, int64_t first_bytes, int64_t bytes) {
  const std::map<int64_t, int> nodes = nodes_by_offset(network, table);
  const int64_t begin = table.trained().offset;
  int64_t weights_end = 0;
  std::vector<GradientBucket> buckets;
  for (auto entry = table.entries().rbegin(); entry != table.entries().rend(); ++entry) {
    if (!entry->spec.is_trained() || entry->spec.group != ParameterGroup::BackboneDecay) continue;
    const int64_t first = entry->offset - begin, count = ParameterTable::aligned(entry->spec.shape.count());
    const int node = nodes.at(entry->offset);
    weights_end = std::max(weights_end, first + count);
    const auto size = [&](const GradientBucket& bucket) { return bucket.count * (bucket.first < bf16 ? 2 : 4); };
    const bool goes_on = !buckets.empty() && size(buckets.back()) < (buckets.size() == 1 ? first_bytes : bytes) &&
                         (buckets.back().first < bf16) == (first < bf16);
    if (!goes_on) {
      buckets.push_back({first, count, node});
      continue;
    }
    buckets.back().count += buckets.back().first - first;
    buckets.back().first = first;
    buckets.back().after = std::min(buckets.back().after, node);
  }
  if (summed > weights_end) buckets.push_back({weights_end, summed - weights_end, 0});
  // A bucket waits for those before it, for all ranks to have one order.
  for (size_t i = 1; i < buckets.size(); ++i) buckets[i].after = std::min(buckets[i].after, buckets[i - 1].after);
  return buckets;
}

}  // namespace margincore
