// Class centroids spread evenly over the unit sphere (PEDCC, Zhu et al. 2019), fixed before training.
#pragma once

#include <cstdint>
#include <vector>

namespace margincore {

/// Beyond this many classes centroids need an embedding of at least C - 1 dimensions: the search would take too long.
inline constexpr int64_t kMaxSearchedCentroids = 10'000;

/// (count, size), unit rows, the same for a seed on every machine. With size >= count - 1 they are a regular simplex,
/// every pair at cos = -1/(count - 1), in a random rotation; otherwise a minimum of sum 1/|c_i - c_j|^2.
std::vector<float> centroids(int64_t count, int64_t size, uint64_t seed);

}  // namespace margincore
