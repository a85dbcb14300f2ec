// The head pipeline: embeddings and labels to a loss. Every named head is a set of values for it.
//
//   x -> feature transform -> feature dropout -> product with class weights W -> margin on the target
//     -> softmax cross-entropy
//
// Formulas are in native/heads/; here is the order of operations, forward and backward.
#pragma once

#include <optional>
#include <vector>

#include "nn/activation_plan.h"
#include "nn/parameters.h"

namespace margincore {

struct HeadSpec {
  int64_t num_classes = 0;
  bool normalize_features = false;  // f = scale * x/|x|, otherwise f = x
  float scale = 1;
  bool learn_scale = false;
  bool batch_norm_scope = false;    // |x| is the norm of the whole batch matrix, and none at inference
  bool normalize_weights = false;
  bool bias = false;                // not together with normalize_weights
  Margin margin;
  float feature_dropout = 0;
  float label_smoothing = 0;
  std::vector<float> class_weights; // of the loss; empty: all 1
};

/// Throws InvalidOption where values cannot go together or lie outside their range.
void validate(const HeadSpec& spec);

class Head {
 public:
  /// Declares the head's parameters (head.weight, head.bias, head.scale) in `table`.
  Head(const HeadSpec& spec, int64_t embedding_size, ParameterTable& table);

  const HeadSpec& spec() const { return spec_; }
  int64_t num_classes() const { return spec_.num_classes; }
  int64_t embedding_size() const { return embedding_size_; }

 private:
  friend class HeadPass;
  HeadSpec spec_;
  int64_t embedding_size_;
  ParameterTable::Key weight_;
  std::optional<ParameterTable::Key> bias_, scale_;
};

/// What a training step reads and writes beside parameters.
struct HeadStep {
  Tensor labels;  // (N) int32
  const StepBlock* step;
  StepReport* report;
  int32_t* halted;
  Tensor margin_logits;  // (N, C) or none
};

/// The buffers of a head for batches up to a given size.
class HeadPass {
 public:
  HeadPass(const Head& head, int64_t max_batch, bool training, ActivationPlan& plan, int moment);
  /// `backend` must outlive the pass, which keeps the head's constants in its memory.
  void bind(Backend& backend, const ActivationPlan& plan, void* arena);

  /// Loss, dx = d loss / d x, and the gradients of the head's parameters.
  void train(Backend& backend, const Parameters& parameters, Tensor dx, Tensor x, const HeadStep& step) const;
  /// Margin-free logits (N, C) of embeddings x, as predicted.
  Tensor score(Backend& backend, const Parameters& parameters, Tensor x) const;
  /// cos(theta) (N, C) between embeddings and class weights.
  Tensor cosines(Backend& backend, const Parameters& parameters, Tensor x) const;

 private:
  struct Planned {
    ActivationPlan::Id id = -1;
    int64_t columns = 1;
  };
  Tensor rows(const Planned& buffer, int64_t batch) const;
  const float* scale(const Parameters& parameters) const;
  Tensor transform(Backend& backend, const Parameters& parameters, Tensor x) const;
  Tensor transform_rows(Tensor x) const;

  const Head& head_;
  bool training_, margin_, transformed_;
  const ActivationPlan* plan_ = nullptr;
  char* arena_ = nullptr;
  Planned features_, input_norms_, feature_norms_, feature_radial_, logits_;
  Planned class_norms_, class_radial_;  // one row of C
  Buffer constants_;                    // scale, then the class weights of the loss
};

}  // namespace margincore
