// The head: softmax cross-entropy with a margin on the target, gradient written over the logits. A row is read twice and
// written once, 12 bytes per logit: the first sweep gathers sums over the other classes as it goes, the second writes
// the gradient. All sums have a fixed order. To be read in this order:
//
//   problem.h        what the kernels of one call know: operands, options, workspace
//   few_classes.cu   the common case: one launch, in which a warp or a block does a row
//   sweeps.h         the two sweeps
//   finish_row.h     what lies between them: heads/row.h on the device
//   here             before the rows the sums of class weights, behind them the report; the workspace, the choice
//   many_classes.cu  rows of so many classes that they are cut into parts
//   mixed_rows.cu    rows with two labels
//   sharded.cu       classes sharded among ranks
#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_softmax/problem.h"

namespace margincore::cuda {

namespace {

using device::thread;
using device::threads;
using namespace margin_softmax_kernels;

/// One block.
template <class Weight>
MARGINCORE_DEVICE void write_totals(const Problem& p, float* shared, const Weight& weight_of_row) {
  const BlockPerRow group{shared};
  float batch = 0, all = 0;
  for (int64_t i = thread(); i < p.rows; i += threads()) batch += weight_of_row(i);
  if (p.head.label_smoothing > 0)
    walk<4>(group, 0, p.classes, p.aligned, [&](const auto at) {
      float weight[at.kWidth];
      at.load(weight, p.loss_weights);
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) all += weight[k];
    });
  batch = block_sum(batch, shared);
  all = block_sum(all, shared);
  if (thread() != 0) return;
  *p.work.totals = {batch > 0 ? 1 / batch : 0, all};  // a batch of classes without weight is no loss
}

MARGINCORE_KERNEL totals_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  write_totals(p, shared, [&](int64_t i) { return p.loss_weights[p.labels[i]]; });
}

MARGINCORE_KERNEL mixed_totals_kernel(MixedProblem m) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Problem& p = m.p;
  write_totals(p, shared, [&](int64_t i) {
    return (1 - m.share[i]) * p.loss_weights[p.labels[i]] + m.share[i] * p.loss_weights[m.labels[i]];
  });
}

/// A warp per entry, a label and what it adds to its class's: the first entry of a class adds up all of them.
template <class Label, class Radial>
MARGINCORE_DEVICE void add_class_radial(const Problem& p, int64_t i, int64_t count, const Label& label_of,
                                        const Radial& radial_of) {
  if (i >= count) return;
  const int32_t label = label_of(i);
  if (!is_class(p, label)) return;
  float before = 0, sum = 0;
  for (int64_t other = device::lane(); other < count; other += device::kWarp) {
    if (label_of(other) != label) continue;
    if (other < i) before = 1;
    sum += radial_of(other);
  }
  before = warp_max(before);
  sum = warp_sum(sum);
  if (before == 0 && device::lane() == 0) p.class_radial[label] = sum;
}

constexpr int kWarps = kBlock / device::kWarp;

MARGINCORE_DEVICE int64_t warp_from(int64_t block) {
  return (device::block() - block) * (threads() / device::kWarp) + device::warp();
}

/// The first block: the batch's loss and counts. The others: class_radial.
MARGINCORE_KERNEL report_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  if (device::block() > 0)
    return add_class_radial(
        p, warp_from(1), p.rows, [&](int64_t i) { return p.labels[i]; },
        [&](int64_t i) { return p.work.row_radial[i]; });
  float loss = 0, squares = 0, correct = 0, past_pi = 0;
  for (int64_t i = thread(); i < p.rows; i += threads()) {
    loss += p.work.row_losses[i];
    squares += p.work.row_target_squares[i];
    correct += static_cast<float>(p.work.row_verdicts[i] & 1);
    past_pi += static_cast<float>(p.work.row_verdicts[i] >> 1);
  }
  for (int64_t k = thread(); k < p.division.squares; k += threads()) squares += p.work.squares[k];
  loss = block_sum(loss, shared);
  squares = block_sum(squares, shared);
  correct = block_sum(correct, shared);
  past_pi = block_sum(past_pi, shared);
  if (thread() != 0) return;
  StepReport& report = p.report[p.step->report_index];
  report.loss = loss;
  if (p.step_totals != nullptr) p.step_totals->logit_squares = squares;
  else report.logit_gradient_norm = sqrtf(squares);
  report.correct = static_cast<int32_t>(correct);
  report.past_pi = static_cast<int32_t>(past_pi);
  if (!(loss - loss == 0)) *p.halted = 1;
}

MARGINCORE_KERNEL mixed_class_radial_kernel(MixedProblem m) {
  const Problem& p = m.p;
  add_class_radial(
      p, warp_from(0), 2 * p.rows, [&](int64_t k) { return k < p.rows ? p.labels[k] : m.labels[k - p.rows]; },
      [&](int64_t k) { return k < p.rows ? p.work.row_radial[k] : m.row_radial[k - p.rows]; });
}

constexpr int64_t kManyClasses = 16384;  // from here on rows are cut into parts

Division division_of(int64_t rows, int64_t classes, bool whole_rows) {
  return whole_rows || classes < kManyClasses ? Division{false, 1, classes, rows, 1} : cut_rows(rows, classes);
}

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

namespace margin_softmax_kernels {

size_t place(Problem& p, char* memory) {
  size_t used = 0;
  const auto take = [&](auto*& pointer, int64_t count) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(memory + used);
    used += aligned(count * sizeof *pointer);
  };
  Workspace& work = p.work;
  take(work.totals, 1);
  take(work.row_losses, p.rows);
  take(work.squares, p.division.squares);
  take(work.row_target_squares, p.rows);
  take(work.row_radial, p.rows);
  take(work.row_verdicts, p.rows);
  if (!p.division.is_cut) return used;
  take(work.part_sums, p.rows * p.division.parts);
  take(work.row_gradients, p.rows);
  PreparedClasses& prepared = work.prepared;
  prepared.copy_size = blocks_for(p.classes, 4) * 4 + 4;
  const auto prepare = [&](float*& copies, bool needed) {
    if (needed) take(copies, p.division.row_step * prepared.copy_size);
  };
  prepare(prepared.factor, p.head.normalize_weights || p.class_scale != nullptr);
  prepare(prepared.shift, p.class_shift != nullptr);
  prepare(prepared.weights, p.loss_weights != nullptr && p.head.label_smoothing > 0);
  return used;
}

Problem problem_of(const MarginSoftmaxOperands& o, const MarginSoftmax& head) {
  Problem p{};
  p.rows = o.logits.shape[0];
  p.classes = o.logits.shape[1];
  p.size = o.features.shape[1];
  p.division = division_of(p.rows, p.classes, static_cast<bool>(o.mixed_labels));
  p.logits = o.logits.f32();
  p.feature_radial = o.feature_radial.f32();
  p.class_radial = o.class_radial.f32();
  p.margin_logits = o.margin_logits.f32();
  p.target_terms = o.target_terms.f32();
  p.labels = o.labels.i32();
  p.features = o.features.f32();
  p.class_weights = o.class_weights.f32();
  p.feature_norms = o.feature_norms.f32();
  p.class_norms = o.class_norms.f32();
  p.class_scale = o.class_scale.f32();
  p.class_shift = o.class_shift.f32();
  p.loss_weights = o.loss_weights.f32();
  p.head = head;
  p.step = o.step;
  p.report = o.report;
  p.halted = o.halted;
  p.aligned =
      all_aligned(p.classes, p.logits, p.margin_logits, p.class_norms, p.class_scale, p.class_shift, p.loss_weights);
  p.alike = alike(p.logits, p.margin_logits);
  p.features_aligned = all_aligned(p.size, p.features, p.class_weights);
  return p;
}

void write_report(const Problem& p, cudaStream_t stream) {
  const int64_t class_radial_blocks = p.class_radial != nullptr ? blocks_for(p.rows, kWarps) : 0;
  MARGINCORE_RUN(report_kernel, 1 + class_radial_blocks, kBlock, stream, p);
}

}  // namespace margin_softmax_kernels

namespace {

void mixed_margin_softmax(const MixedProblem& m, cudaStream_t stream) {
  const Problem& p = m.p;
  if (p.loss_weights != nullptr) MARGINCORE_RUN(mixed_totals_kernel, 1, BlockPerRow::threads(p.classes), stream, m);
  mixed_rows(m, stream);
  MARGINCORE_RUN(report_kernel, 1, kBlock, stream, p);
  if (p.class_radial != nullptr)
    MARGINCORE_RUN(mixed_class_radial_kernel, blocks_for(2 * p.rows, kWarps), kBlock, stream, m);
}

}  // namespace

size_t margin_softmax_workspace(const MarginSoftmaxOperands& operands, const MarginSoftmax& head) {
  Problem p = problem_of(operands, head);
  return place(p, nullptr) + (operands.mixed_labels ? p.rows * sizeof(float) : 0);
}

void margin_softmax(const MarginSoftmaxOperands& operands, const MarginSoftmax& head, void* workspace,
                    cudaStream_t stream) {
  Problem p = problem_of(operands, head);
  char* const memory = static_cast<char*>(workspace);
  const size_t used = place(p, memory);
  if (operands.mixed_labels)
    return mixed_margin_softmax(
        {p, operands.mixed_labels.i32(), operands.mixed_share.f32(), reinterpret_cast<float*>(memory + used)}, stream);
  if (p.loss_weights != nullptr) MARGINCORE_RUN(totals_kernel, 1, BlockPerRow::threads(p.classes), stream, p);
  if (p.division.is_cut) many_classes(p, stream);
  else few_classes(p, stream);
  write_report(p, stream);
}

}  // namespace margincore::cuda
