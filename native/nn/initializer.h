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

/// Four values of a Uniform or Normal tensor from one draw. Normal ones by Box & Muller (1958) in double, so that they
/// reach as far as 6.6 standard deviations; the C library's log, sine and cosine may differ between machines in the
/// last bit of a double, and with it the last bit of one float in some 1e8.
std::array<float, 4> initial_values_from(const Initializer& initializer, const Random4& random);

}  // namespace margincore
