// The head pipeline: embeddings and labels to a loss. Every named head is a set of values for it.
//
//   x -> feature transform -> feature dropout -> matmul with class weights W -> margin on the target
//     -> logit normaliser -> softmax cross-entropy (+ distance of x to its class's centre)
//
// Formulas are in native/heads/; here is the order of operations, forward and backward.
#pragma once

#include <optional>

#include "nn/activation_plan.h"
#include "nn/parameters.h"
#include "nn/row_exchange.h"
#include "spec/head.h"

namespace margincore {

class Head {
 public:
  /// Declares the head's parameters in `table`: head.weight, head.bias, head.scale, and as state that no gradient moves
  /// head.centers, head.runningMean, head.runningVariance. own_classes: where others are other ranks'. class_share: of the
  /// classes that a step compares, if not all (class_sampling.h); what belongs to these is declared as well then.
  Head(const HeadSpec& spec, int64_t embedding_size, ParameterTable& table,
       std::optional<RowRange> own_classes = std::nullopt, double class_share = 1);

  const HeadSpec& spec() const { return spec_; }
  int64_t num_classes() const { return spec_.num_classes; }
  bool is_sharded() const { return is_sharded_; }
  /// Of which this rank has what belongs to a class.
  RowRange own_classes() const { return own_; }
  /// Of those, what a step compares; none where it compares all.
  const std::optional<ClassDraw>& draw() const { return draw_; }
  std::optional<ClassDraw> draw_of_all() const;
  /// How many of the own classes that is.
  int64_t compared_classes() const { return draw_ ? draw_->slots() : own_.count; }
  int64_t embedding_size() const { return embedding_size_; }
  /// Class weights that are compared by their direction alone, or else the centres of the distance in the loss.
  bool has_centres() const { return spec_.normalize_weights || own_keys_.centers; }

 private:
  friend class HeadPass;
  using Key = ParameterTable::Key;
  /// What belongs to classes.
  struct ClassKeys {
    Key weight;
    std::optional<Key> bias, centers;
  };
  ClassKeys declare_drawn(ParameterTable& table) const;

  HeadSpec spec_;
  int64_t embedding_size_;
  bool is_sharded_;
  RowRange own_;
  double class_share_;
  std::optional<ClassDraw> draw_;
  ClassKeys own_keys_, compared_keys_;  // the same where a step compares all
  std::optional<Key> scale_, running_mean_, running_variance_;
};

/// Neighbours that classes are drawn from together. Ranks have whole blocks: there are eight at least, where there are enough
/// classes.
int64_t class_block(int64_t classes);
/// Of these classes, of so many altogether.
ClassDraw draw_of(RowRange own, int64_t classes, double share);

/// What a training step reads and writes beside parameters.
struct HeadStep {
  Tensor labels;  // (N) int32; of sharded classes counted from the first own one, of drawn ones among these
  const StepBlock* step;
  StepReport* report;
  int32_t* halted;
  Tensor margin_logits = {};  // (N, C) or none
  bool needs_dx = true;       // false: what dx holds afterwards is nothing
  Tensor mixed_labels = {};   // (N) int32, or none: second labels, of a head that takes_two_labels
  Tensor mixed_share = {};    // (N), their shares
  Tensor drawn = {};          // int32, or none: the own classes that are compared, where they were drawn
  // Of sharded classes, and of these alone.
  const RowExchange* exchange = nullptr;
  StepTotals* totals = nullptr;  // what is left to be added up; the report waits for it
};

/// How fast a head's state follows a batch.
struct StateRates {
  float momentum = 0.1f;  // of the running statistics
  bool unbiased = true;   // running variance: N/(N-1) times the batch's, as PyTorch's
  float center_rate;
};

/// The buffers of a head for batches up to a given size.
class HeadPass {
 public:
  /// The head works at `moment`; its state follows at `last`, once it is known whether the step counts.
  HeadPass(const Head& head, int64_t max_batch, bool training, ActivationPlan& plan, int moment, int last);
  /// `backend` must outlive the pass, which keeps the head's constants in its memory.
  void bind(Backend& backend, const ActivationPlan& plan, void* arena);

  /// Loss, dx = d loss / d x, and the gradients of the head's parameters. Of sharded classes dx and the gradient of a
  /// learned scale are the rank's part, to be added up.
  void train(Backend& backend, const Parameters& parameters, Tensor dx, Tensor x, const HeadStep& step) const;
  /// Moves centres and running statistics; nothing once *halted is not 0.
  void update_state(Backend& backend, const Parameters& parameters, Tensor labels, const int32_t* halted,
                    const StateRates& rates) const;
  StateRates state_rates() const { return {0.1f, true, head_.spec_.center_rate}; }
  /// Margin-free logits (N, own C) of embeddings x, as predicted. Where there is room for them, `cosines` (N, own C) receives
  /// cos(theta) between embeddings and class centres, of a head that has those; 0 for a centre without direction.
  Tensor score(Backend& backend, const Parameters& parameters, Tensor x, Tensor cosines = {}) const;
  /// cos(theta) (N, own C) between embeddings and class weights.
  Tensor cosines(Backend& backend, const Parameters& parameters, Tensor x) const;
  /// Norms (own C) of the class weights; valid after `cosines`.
  Tensor class_norms() const { return columns(class_norms_); }

 private:
  struct Planned {
    ActivationPlan::Id id = -1;
    int64_t columns = 0;  // 0: one number per row
  };
  Tensor rows(const Planned& buffer, int64_t batch) const;
  Tensor columns(const Planned& buffer) const;  // (C)
  void run_softmax(Backend& backend, const MarginSoftmaxOperands& operands, const HeadStep& step) const;
  void add_center_loss(Backend& backend, const Parameters& parameters, Tensor dx, Tensor x, const HeadStep& step) const;
  const float* scale(const Parameters& parameters) const;
  Tensor loss_weights(Backend& backend, Tensor drawn) const;
  Dropout dropout() const;  // of the features
  void measure_cosines(Backend& backend, Tensor cosines, Tensor centres, Tensor x) const;
  /// f of embeddings x, in training; where there is a margin with their norms.
  Tensor transform(Backend& backend, const Parameters& parameters, Tensor x, const HeadStep& step) const;
  Tensor transform_rows(Tensor x) const;

  const Head& head_;
  int64_t classes_;  // that logits are of
  bool margin_;
  const ActivationPlan* plan_ = nullptr;
  char* arena_ = nullptr;
  Planned features_, input_norms_, feature_norms_, feature_radial_, logits_;
  Planned products_, target_terms_;     // of scaled batch norm
  Planned largest_, row_sums_;          // of sharded classes: (2, N), (kRowSums, N)
  Planned compared_, center_gradient_;  // of the distance to centres: what is compared with them
  Planned class_norms_, class_radial_, mean_, variance_, class_scale_, class_shift_;  // one row of C
  Planned loss_weights_;                                                              // of drawn classes
  Buffer constants_;             // scale, 1, then the own classes' weights in the loss
  float weight_of_classes_ = 0;  // the sum of all
};

}  // namespace margincore
