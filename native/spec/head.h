// A head as it is described: every named head is a set of values for one pipeline (nn/head.h).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backend/backend.h"

namespace margincore {

/// What features are divided by.
enum class L2Scope {
  Sample,  // each row by its own norm
  Batch,   // all by the norm of the whole batch matrix, and by none at inference
};

struct HeadSpec {
  int64_t num_classes = 0;
  bool normalize_features = false;  // f = scale * x/|x|, otherwise f = x
  float scale = 1;
  bool learn_scale = false;
  L2Scope l2_scope = L2Scope::Sample;
  bool normalize_weights = false;
  bool fixed_weights = false;  // class weights are centroids (nn/centroids.h) that are not trained
  bool bias = false;           // not together with normalize_weights or scaled_bn
  Margin margin;
  std::optional<ScaledBn> scaled_bn;
  // Adds center_weight/2 * mean |x - c_y|^2 to the loss, x of length 1 where features are normalised per sample. Centres
  // follow their class at center_rate; with fixed weights they are the centroids.
  float center_weight = 0, center_rate = 0;
  float feature_dropout = 0;
  float label_smoothing = 0;
  std::vector<float> class_weights;  // of the loss; empty: all 1
};

/// Whether samples may have two labels (mixup): scaled batch norm takes what goes through its statistics by one, and a mixed
/// image has no one class whose centre it could be near.
inline bool takes_two_labels(const HeadSpec& spec) { return !spec.scaled_bn && spec.center_weight == 0; }

/// Throws InvalidOption where values cannot go together or lie outside their range.
void validate(const HeadSpec& spec);

}  // namespace margincore
