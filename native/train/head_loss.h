// One head alone, forward and backward, on given arrays.
#pragma once

#include <string>
#include <vector>

#include "backend/load.h"
#include "nn/head.h"

namespace margincore {

struct HeadLossRequest {
  std::string backend;
  BackendOptions options{};
  HeadSpec head;
  int64_t embedding_size = 0;
  float lambda = 0;
  std::vector<float> features;  // (N, D)
  std::vector<float> weights;   // (C, D)
  std::vector<float> bias;      // (C), or empty
  std::vector<int32_t> labels;  // (N)
};

struct HeadLossResult {
  float loss;
  std::vector<float> logits, scores, cosines;  // (N, C)
  std::vector<float> dfeatures, dweights, dbias, dscale;
};

HeadLossResult head_loss(const HeadLossRequest& request);

}  // namespace margincore
