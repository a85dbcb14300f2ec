// margin_softmax as its kernels see it.
#pragma once

#include "cuda/kernels/inverse_norms.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/walk.h"
#include "heads/row.h"

namespace margincore::cuda::margin_softmax_kernels {

/// What the first sweep finds in a part of a row.
struct PartSums {
  OtherClasses<float> others;
  float target;  // the target's product, or 0 in parts without it
};

/// What the sweeps over many classes read of them, computed once: logit = product * factor + shift, and the weights
/// that smoothing needs. Null: 1, 0 and 1. Rows begin at up to four places between multiples of 16 bytes; each of these
/// has a copy, in which fours begin where they do in the row.
struct PreparedClasses {
  float *factor, *shift, *weights;
  int64_t copy_size;

  /// Where class 0 is, of a copy for rows with `leading` classes before their first four.
  MARGINCORE_DEVICE static int64_t first(int64_t copy, int64_t copy_size, int leading) {
    return copy * copy_size + (4 - leading) % 4;
  }
};

/// Sums of class weights.
struct Totals {
  float per_batch;  // 1 / sum over the batch
  float classes;    // over all classes; used with smoothing only
};

struct Workspace {
  Totals* totals;             // where classes have weights
  float* row_losses;          // (N)
  float* squares;             // (blocks or rows): of the logits' gradients; the targets' own in row_target_squares
  float* row_target_squares;  // (N)
  float* row_radial;          // (N)
  int32_t* row_verdicts;      // (N): bit 0 correct, bit 1 past pi
  PartSums* part_sums;        // (N, parts)
  RowGradient<float>* row_gradients;  // (N)
  PreparedClasses prepared;           // where rows are cut into parts
};

/// Who does what. Where rows are cut into parts, be it one, a block does a tile: a part of kTileRows rows; else a group
/// does a row.
struct Division {
  bool is_cut;
  int64_t parts, part_size;
  int64_t squares;  // how many the second sweep leaves
  int row_step;     // rows from one to the next that begins at the same place between multiples of 16 bytes
};

/// Everything that the kernels of one call know, passed by value.
struct Problem {
  int64_t rows, classes, size;
  Division division;
  bool aligned, features_aligned;  // rows begin at multiples of 16 bytes
  bool alike;                      // rows of logits and of margin_logits begin at the same place between those
  float *logits, *feature_radial, *class_radial, *margin_logits, *target_terms;
  const int32_t* labels;
  const float *features, *class_weights, *feature_norms, *class_norms, *class_scale, *class_shift, *loss_weights;
  MarginSoftmax head;
  const StepBlock* step;
  StepReport* report;
  int32_t* halted;
  StepTotals* step_totals;  // or null: then the report has the norm of the logits' gradients
  Workspace work;
};

/// Rows with two labels. What each label adds to class_radial is kept by itself: the first ones' in p.work.row_radial.
struct MixedProblem {
  Problem p;
  const int32_t* labels;  // (N): the second ones
  const float* share;     // (N): of those
  float* row_radial;      // (N)
};

/// False of labels of other ranks' classes, where those are sharded.
MARGINCORE_DEVICE bool is_class(const Problem& p, int64_t label) { return label >= 0 && label < p.classes; }

MARGINCORE_DEVICE float weight_of(const Problem& p, int64_t j) {
  return p.loss_weights != nullptr ? p.loss_weights[j] : 1;
}

MARGINCORE_DEVICE Totals totals_of(const Problem& p) {
  if (p.loss_weights != nullptr) return *p.work.totals;
  return {1 / static_cast<float>(p.rows), static_cast<float>(p.classes)};
}

/// Logit = product * factor + shift; factor = class_scale / |w|.
template <class At>
MARGINCORE_DEVICE void load_classes(const At& at, float (&factor)[At::kWidth], float (&shift)[At::kWidth],
                                    const Problem& p) {
  load_or(at, factor, p.class_scale, 1);
  load_or(at, shift, p.class_shift, 0);
  if (!p.head.normalize_weights) return;
  float norm[At::kWidth];
  at.load_beside(norm, p.class_norms);
  MARGINCORE_UNROLL
  for (int k = 0; k < At::kWidth; ++k) factor[k] *= quick_inverse_norm(norm[k]);
}

/// class_radial is zero but for the targets' classes: this clears, report_kernel puts those in.
MARGINCORE_DEVICE void clear_class_radial(const Problem& p) {
  if (p.class_radial == nullptr) return;
  for (int64_t j = device::global_thread(); j < p.classes; j += device::global_threads()) p.class_radial[j] = 0;
}

/// Before the rows and behind them: margin_softmax.cu.
/// All but the workspace.
Problem problem_of(const MarginSoftmaxOperands& operands, const MarginSoftmax& head);
/// Places the workspace's parts one after another, and returns its size; with memory null, that alone.
size_t place(Problem& p, char* memory);
/// The batch's loss and counts, and class_radial.
void write_report(const Problem& p, cudaStream_t stream);

/// Rows as a whole: few_classes.cu.
void few_classes(const Problem& p, cudaStream_t stream);

/// Rows in parts: many_classes.cu. All of it, and its launches but for that which finishes rows.
Division cut_rows(int64_t rows, int64_t classes);
void many_classes(const Problem& p, cudaStream_t stream);
/// Clears class_radial, too.
void prepare_classes(const Problem& p, cudaStream_t stream);
/// Writes part_sums.
void sum_tiles(const Problem& p, cudaStream_t stream);
/// Reads row_gradients.
void write_tiles(const Problem& p, cudaStream_t stream);

/// Rows with two labels: mixed_rows.cu.
void mixed_rows(const MixedProblem& m, cudaStream_t stream);

}  // namespace margincore::cuda::margin_softmax_kernels
