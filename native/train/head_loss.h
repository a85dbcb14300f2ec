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
  std::vector<float> centers;   // (C, D), or empty: 0
  std::vector<int32_t> labels;  // (N)
  int repetitions = 1;          // of forward and backward, to measure their time
};

struct HeadLossResult {
  float loss;
  std::vector<float> logits, scores, cosines;  // (N, C)
  std::vector<float> dfeatures, dweights, dbias, dscale;
  std::vector<float> dcenters;  // (C, D): what the centres' rate multiplies
  std::vector<float> seconds;   // of each repetition
};

/// Scores have the statistics of these samples where logits are normalised, and no normalisation over the batch. Fixed
/// weights are taken by direction, and their gradient is 0.
HeadLossResult head_loss(const HeadLossRequest& request);

}  // namespace margincore
