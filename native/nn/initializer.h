// How a parameter starts.
#pragma once

#include <array>
#include <cstdint>

#include "base/rng.h"
#include "spec/init.h"

namespace margincore {

struct Initializer {
  enum class Kind {
    Constant,
    Uniform,   // within ±value
    Normal,    // mean 0, standard deviation `value`
    Centroids  // centroids.h
  } kind = Kind::Constant;
  double value = 0;
};

/// Products that an output sums, and outputs that an input reaches if all channels see all: what PyTorch and Caffe
/// compute from the shape of the weights, whatever the groups.
struct Fans {
  int64_t in, out;
};

Initializer weight_initializer(const InitSpec& spec, Fans fans);
Initializer bias_initializer(const InitSpec& spec, Fans fans);

/// Four values of a Uniform or Normal tensor from one draw. Normal ones by Box & Muller (1958), so that they reach as far
/// as 6.6 standard deviations. Logarithm, sine and cosine differ between C libraries and processors in the last bit of a
/// double, of which a float shows one in some 1e9: none of 80 million with and without FMA.
std::array<float, 4> initial_values_from(const Initializer& initializer, const Random4& random);

}  // namespace margincore
