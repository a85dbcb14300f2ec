// In what parts ranks add up their gradients, so that a device does it beside the backward pass: each is begun once the
// gradients in it are there.
#pragma once

#include <vector>

#include "nn/network.h"

namespace margincore {

/// Neighbours in the arena.
struct GradientBucket {
  int64_t first, count;  // of all gradients' elements
  int after;             // the node whose backward pass completes it; that of the last one comes after all
};

inline constexpr int64_t kFirstBucketBytes = int64_t{1} << 20;  // soon begun
inline constexpr int64_t kBucketBytes = int64_t{25} << 20;

/// In the order in which they are begun. Weights come from the end of the arena to its start, as the backward pass does; the
/// rest, up to `summed` elements, is small, and one bucket. `bf16`: how many of the first elements are of that type.
std::vector<GradientBucket> gradient_buckets(const Network& network, const ParameterTable& table, int64_t summed,
                                             int64_t bf16, int64_t first_bytes = kFirstBucketBytes,
                                             int64_t bytes = kBucketBytes);

}  // namespace margincore
