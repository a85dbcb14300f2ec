// Class centroids spread evenly over the unit sphere (PEDCC, Zhu et al. 2019), fixed before training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/work.h"

namespace margincore {

/// Beyond this many classes centroids need an embedding of at least C - 1 dimensions: the search would take too long.
inline constexpr int64_t kMaxSearchedCentroids = 10'000;

/// Operations that a search for centroids may take, but for thirty evaluations that are always made: some ten seconds of
/// one core. From a few hundred centroids of 128 on that ends it before it is at rest. Random directions are nearly even
/// there, and the first steps do most.
inline constexpr int64_t kMaxCentroidWork = 50'000'000'000;

/// (count, size), unit rows, the same for a seed on every machine and for any number of threads. With size >= count - 1
/// they are a regular simplex, every pair at cos = -1/(count - 1), in a random rotation; otherwise a minimum of
/// sum 1/|c_i - c_j|^2, or what is found on the way to it.
std::vector<float> centroids(int64_t count, int64_t size, uint64_t seed, const Work& work = Work(),
                             int64_t most_operations = kMaxCentroidWork);

/// How many operations at most, which is what `centroids` counts as work done.
int64_t centroid_work(int64_t count, int64_t size);

/// Bytes of host memory that `centroids` takes at its most, the result among them.
size_t centroid_bytes(int64_t count, int64_t size);

}  // namespace margincore
