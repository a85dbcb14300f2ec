// Classes sharded among ranks, each of which has the rows of the whole batch: the two sweeps of many_classes.cu over the
// own ones, however few, each in an operation by itself. The first one leaves the rows' sums (RowParts), which ranks put
// together before the second. Nothing else is kept: what the target needs, where it is an own class, is computed in both,
// alike.
#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_softmax/finish_row.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;
using device::thread;
using device::threads;
using namespace margin_softmax_kernels;

struct ShardedProblem {
  Problem p;
  float *own_largest, *largest, *sums;  // of RowParts
  AllClasses all;                       // of the second sweep

  MARGINCORE_DEVICE float& sum(RowSum which, int64_t i) const { return sums[which * p.rows + i]; }
};

/// All 0 where the target is another rank's.
struct OwnTarget {
  RowTarget<float> target;
  TargetLogit<float> logit;
};

MARGINCORE_DEVICE OwnTarget own_target(const WarpPerRow& group, const Problem& p, const BatchTerms<float>& batch,
                                       int64_t i) {
  const int64_t label = p.labels[i];
  if (!is_class(p, label)) return {};
  const RowTarget<float> target = target_of(group, p, batch, i, label, p.logits[i * p.classes + label]);
  return {target, logit_of(batch, target)};
}

/// A warp per row. Of the batch's terms the target's logit needs none that are sums.
MARGINCORE_KERNEL write_parts_kernel(ShardedProblem d) {
  const Problem& p = d.p;
  const WarpPerRow group{nullptr};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const OtherClasses<float> others = whole_row(group, p, i).others;
  const OwnTarget own = own_target(group, p, batch_terms(p, p.classes, {}), i);
  if (group.first() != 0) return;
  const float sum = others.exponents.sum;
  const bool none = others.exponents.max == kNothing;  // but the target, which the sum has counted then
  d.own_largest[i] = d.largest[i] = none ? -INFINITY : others.exponents.max;
  d.sum(kExponents, i) = none && sum == sum ? 0 : sum;
  d.sum(kWeightedLogits, i) = others.weighted;
  d.sum(kTargetPlain, i) = own.target.plain;
  d.sum(kTargetLogit, i) = own.logit.logit;
  d.sum(kTargetWeight, i) = own.target.weight;
  d.sum(kPastPi, i) = own.logit.past_pi ? 1 : 0;
}

MARGINCORE_KERNEL rebase_kernel(float* exponents, const float* own_largest, const float* largest, int64_t rows) {
  for (int64_t i = global_thread(); i < rows; i += global_threads())
    if (exponents[i] != 0) exponents[i] *= device::exponential(own_largest[i] - largest[i]);
}

/// One block.
MARGINCORE_KERNEL sharded_totals_kernel(ShardedProblem d) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float batch = 0;
  for (int64_t i = thread(); i < d.p.rows; i += threads()) batch += d.sum(kTargetWeight, i);
  batch = block_sum(batch, shared);
  if (thread() == 0) *d.p.work.totals = {batch > 0 ? 1 / batch : 0, d.all.weight};
}

MARGINCORE_DEVICE Totals totals_of(const ShardedProblem& d) {
  if (d.p.loss_weights != nullptr) return *d.p.work.totals;
  return {1 / static_cast<float>(d.p.rows), d.all.weight};
}

/// A warp per row. What ranks put together they all have alike, and the same loss of it, whoever has the target.
MARGINCORE_KERNEL finish_sharded_rows_kernel(ShardedProblem d) {
  const Problem& p = d.p;
  const WarpPerRow group{nullptr};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const BatchTerms<float> batch = batch_terms(p, d.all.count, totals_of(d));
  OwnTarget own = own_target(group, p, batch, i);
  if (group.first() != 0) return;
  own.target.plain = d.sum(kTargetPlain, i);
  own.target.weight = d.sum(kTargetWeight, i);
  own.logit.logit = d.sum(kTargetLogit, i);
  own.logit.past_pi = d.sum(kPastPi, i) > 0;
  const OtherClasses<float> others{{d.largest[i], d.sum(kExponents, i)}, d.sum(kWeightedLogits, i)};
  const HeadRow<float> row = row_of(batch, own.target, own.logit, others);
  write_row(p, i, row, is_class(p, p.labels[i]) ? row.dz * row.dz : 0);
  p.work.row_gradients[i] = row.gradient;
}

/// One thread.
MARGINCORE_KERNEL finish_report_kernel(StepReport* report, int32_t* halted, const StepTotals* totals,
                                       const StepBlock* step) {
  StepReport& entry = report[step->report_index];
  const float loss = entry.loss + totals->center_loss;
  entry.loss = loss;
  entry.logit_gradient_norm = sqrtf(totals->logit_squares);
  if (!(loss - loss == 0)) *halted = 1;
}

Problem own_problem(const MarginSoftmaxOperands& operands, const MarginSoftmax& head) {
  Problem p = problem_of(operands, head);
  p.division = cut_rows(p.rows, p.classes);
  return p;
}

ShardedProblem sharded_problem(const RowParts& parts, const MarginSoftmaxOperands& operands, const MarginSoftmax& head,
                               AllClasses all, void* workspace) {
  ShardedProblem d{own_problem(operands, head), parts.own_largest.f32(), parts.largest.f32(), parts.sums.f32(), all};
  place(d.p, static_cast<char*>(workspace));
  return d;
}

}  // namespace

size_t sharded_softmax_workspace(const MarginSoftmaxOperands& operands, const MarginSoftmax& head) {
  Problem p = own_problem(operands, head);
  return place(p, nullptr);
}

void margin_softmax_sums(const RowParts& parts, const MarginSoftmaxOperands& operands, const MarginSoftmax& head,
                         void* workspace, cudaStream_t stream) {
  ShardedProblem d = sharded_problem(parts, operands, head, {}, workspace);
  d.p.class_radial = nullptr;  // not to be cleared yet
  prepare_classes(d.p, stream);
  sum_tiles(d.p, stream);
  MARGINCORE_RUN(write_parts_kernel, WarpPerRow::grid(d.p.rows), WarpPerRow::kThreads, stream, d);
}

void margin_softmax_rebase(const RowParts& parts, cudaStream_t stream) {
  const int64_t rows = parts.largest.count();
  MARGINCORE_RUN(rebase_kernel, striding_blocks(rows), kBlock, stream, parts.sums.f32() + kExponents * rows,
                 parts.own_largest.f32(), parts.largest.f32(), rows);
}

void margin_softmax_gradients(StepTotals* totals, const RowParts& parts, const MarginSoftmaxOperands& operands,
                              const MarginSoftmax& head, AllClasses all, void* workspace, cudaStream_t stream) {
  ShardedProblem d = sharded_problem(parts, operands, head, all, workspace);
  d.p.step_totals = totals;
  prepare_classes(d.p, stream);
  if (d.p.loss_weights != nullptr) MARGINCORE_RUN(sharded_totals_kernel, 1, kBlock, stream, d);
  MARGINCORE_RUN(finish_sharded_rows_kernel, WarpPerRow::grid(d.p.rows), WarpPerRow::kThreads, stream, d);
  write_tiles(d.p, stream);
  write_report(d.p, stream);
}

void finish_report(StepReport* report, int32_t* halted, const StepTotals* totals, const StepBlock* step,
                   cudaStream_t stream) {
  MARGINCORE_RUN(finish_report_kernel, 1, 1, stream, report, halted, totals, step);
}

}  // namespace margincore::cuda
