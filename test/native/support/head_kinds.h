// Heads of every kind, as the tests of whole heads train them.
#pragma once

#include <string>
#include <vector>

#include "nn/head.h"

namespace margincore::test {

struct HeadKind {
  std::string name;
  HeadSpec spec;
  float lambda = 0;
};

extern const std::vector<HeadKind> kHeadKinds;

inline const Margin kNone{}, kArcFace{1, 0.5f, 0};

/// normalize features, normalize weights, scale, margin
HeadSpec head(bool features, bool weights, float scale, Margin margin);
HeadSpec with_bias(HeadSpec spec);
HeadSpec over_batch(HeadSpec spec);
HeadSpec learned(HeadSpec spec);
HeadSpec scaled_bn(HeadSpec spec, float scale = 1);
HeadSpec center(HeadSpec spec, float weight);
HeadSpec fixed(HeadSpec spec);
HeadSpec weighted(HeadSpec spec);
HeadSpec with_options(HeadSpec spec);

}  // namespace margincore::test
