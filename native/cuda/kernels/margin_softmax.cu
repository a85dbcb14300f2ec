// The head: softmax cross-entropy with a margin on the target, gradient written over the logits. What is done to a row
// stands in margin_rows.h; who does it, and when, here.
//
// A row is read twice and written once, 12 bytes per logit: the first sweep gathers max and sum over the other classes
// as it goes, the second writes the gradient. A warp or a block does a row of few classes, both sweeps in one launch:
// the second reads from the caches. Rows of many classes are cut into parts, so that a few of them fill the device; a
// small kernel between the sweeps puts their sums together, and one before them computes what belongs to a class. There
//   - a block takes the same classes of two rows, for which what belongs to a class is read and computed once;
//   - where the number of classes is no multiple of four, rows begin anywhere between multiples of 16 bytes: the two
//     begin alike, and of both 16 bytes are loaded at a time;
//   - the second sweep goes from the end of the matrix to its beginning: what the first one read last, as much as the
//     L2 cache holds, is not read from memory again.
// All sums have a fixed order.
#include <algorithm>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_rows.h"
#include "cuda/kernels/online_sum.h"
#include "cuda/kernels/walk.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;
using device::thread;
using device::threads;
using namespace margin_rows;

// ---- kernels --------------------------------------------------------------------------------------------------------

/// One block.
MARGINCORE_KERNEL totals_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const BlockPerRow group{shared};
  float batch = 0, all = 0;
  for (int64_t i = thread(); i < p.rows; i += threads()) batch += p.loss_weights[p.labels[i]];
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

/// class_radial is zero but for the targets' classes: this clears, report_kernel puts those in.
MARGINCORE_DEVICE void clear_class_radial(const Problem& p) {
  if (p.class_radial == nullptr) return;
  for (int64_t j = global_thread(); j < p.classes; j += global_threads()) p.class_radial[j] = 0;
}

template <class Group>
MARGINCORE_KERNEL whole_rows_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  clear_class_radial(p);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const Tile<1> tile(p, i, 0);
  PartSums sums[1];
  sum_tile(sums, group, p, PlainClasses{p}, tile);
  const RowTerms terms[1] = {finish_row(group, p, i, sums[0])};
  const float squares = write_tile(group, p, PlainClasses{p}, tile, terms);
  if (group.first() == 0) p.work.squares[i] = squares;
}

/// The tile of a block's number.
MARGINCORE_DEVICE Tile<kTileRows> tile_of(const Problem& p, int64_t block) {
  const int64_t rows = block / p.division.parts, row_step = p.division.row_step;
  return {p, rows / row_step * kTileRows * row_step + rows % row_step, block % p.division.parts};
}

MARGINCORE_DEVICE ClassCopy classes_of(const Problem& p, const Tile<kTileRows>& tile) {
  return {p.work.prepared, tile.first_row % tile.row_step, tile.logits[0]};
}

MARGINCORE_KERNEL prepare_classes_kernel(Problem p) {
  clear_class_radial(p);
  const PreparedClasses& to = p.work.prepared;
  for (int64_t j = global_thread(); j < p.classes; j += global_threads()) {
    float factor[1], shift[1];
    load_classes(Singles<1>{j, 0}, factor, shift, p);
    for (int64_t copy = 0; copy < p.division.row_step; ++copy) {
      const int64_t at = j + PreparedClasses::first(copy, to.copy_size, before_aligned(p.logits + copy * p.classes));
      if (to.factor != nullptr) to.factor[at] = factor[0];
      if (to.shift != nullptr) to.shift[at] = shift[0];
      if (to.weights != nullptr) to.weights[at] = weight_of(p, j);
    }
  }
}

MARGINCORE_KERNEL sum_tiles_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Tile<kTileRows> tile = tile_of(p, device::block());
  PartSums sums[kTileRows];
  sum_tile(sums, BlockPerRow{shared}, p, classes_of(p, tile), tile);
  if (thread() != 0) return;
  const int64_t part = device::block() % p.division.parts;
  MARGINCORE_UNROLL
  for (int r = 0; r < kTileRows; ++r)
    if (r < tile.rows) p.work.part_sums[tile.row(r) * p.division.parts + part] = sums[r];
}

/// A warp per row.
MARGINCORE_KERNEL finish_rows_kernel(Problem p) {
  const WarpPerRow group{nullptr};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const PartSums* parts = p.work.part_sums + i * p.division.parts;
  OnlineSum online;
  float weighted = 0, target = 0;
  for (int64_t k = group.first(); k < p.division.parts; k += group.stride()) {
    const float max = parts[k].max > online.max ? parts[k].max : online.max;
    online = {max, online.sum * device::exponential(online.max - max) +
                       parts[k].sum * device::exponential(parts[k].max - max)};
    weighted += parts[k].weighted;
    target += parts[k].target;
  }
  online = online.whole(group);
  const PartSums sums{online.max, online.sum, group.sum(weighted), group.sum(target)};
  const RowTerms terms = finish_row(group, p, i, sums);
  if (group.first() == 0) p.work.row_terms[i] = terms;
}

MARGINCORE_KERNEL write_tiles_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Tile<kTileRows> tile = tile_of(p, device::blocks() - 1 - device::block());
  RowTerms terms[kTileRows];
  MARGINCORE_UNROLL
  for (int r = 0; r < kTileRows; ++r) terms[r] = p.work.row_terms[tile.row(r)];
  const float squares = write_tile(BlockPerRow{shared}, p, classes_of(p, tile), tile, terms);
  if (thread() == 0) p.work.squares[device::block()] = squares;
}

/// A warp per row: the first sample of a class adds up all of them.
MARGINCORE_DEVICE void add_class_radial(const Problem& p, int64_t i) {
  if (i >= p.rows) return;
  const int32_t label = p.labels[i];
  float before = 0, sum = 0;
  for (int64_t other = device::lane(); other < p.rows; other += device::kWarp) {
    if (p.labels[other] != label) continue;
    if (other < i) before = 1;
    sum += p.work.row_radial[other];
  }
  before = warp_max(before);
  sum = warp_sum(sum);
  if (before == 0 && device::lane() == 0) p.class_radial[label] = sum;
}

/// The first block: the batch's loss and counts. The others: class_radial.
MARGINCORE_KERNEL report_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  if (device::block() > 0)
    return add_class_radial(p, (device::block() - 1) * (threads() / device::kWarp) + device::warp());
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
  report.logit_gradient_norm = sqrtf(squares);
  report.correct = static_cast<int32_t>(correct);
  report.past_pi = static_cast<int32_t>(past_pi);
  if (!(loss - loss == 0)) *p.halted = 1;
}

// ---- division of work -----------------------------------------------------------------------------------------------

constexpr int64_t kManyClasses = 16384;               // from here on rows are cut into parts
constexpr int64_t kTiles = kMultiprocessors * 4 * 2;  // wanted at least: two rounds of four blocks per multiprocessor
constexpr int64_t kTurn = 4 * kBlock;                 // classes that a block takes at a time: of a part, some such
constexpr int64_t kLargestPart = 8192;                // so that the last round of blocks is short

Division division_of(int64_t rows, int64_t classes) {
  const int row_step = classes % 4 == 0 ? 1 : classes % 2 == 0 ? 2 : 4;
  if (classes < kManyClasses) return {1, classes, rows, row_step};
  const int64_t whole = rows / (kTileRows * row_step), rest = rows % (kTileRows * row_step);
  const int64_t row_tiles = whole * row_step + std::min<int64_t>(rest, row_step);
  const int64_t wanted = std::max(blocks_for(kTiles, row_tiles), blocks_for(classes, kLargestPart));
  const int64_t size = blocks_for(blocks_for(classes, wanted), kTurn) * kTurn;
  const int64_t parts = blocks_for(classes, size);
  return {parts, size, row_tiles * parts, row_step};
}

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Places the parts one after another; with memory null, only their size.
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
  if (p.division.parts == 1) return used;
  take(work.part_sums, p.rows * p.division.parts);
  take(work.row_terms, p.rows);
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
  p.division = division_of(p.rows, p.classes);
  p.logits = o.logits.f32();
  p.feature_radial = o.feature_radial.f32();
  p.class_radial = o.class_radial.f32();
  p.margin_logits = o.margin_logits.f32();
  p.target_terms = o.target_terms.f32();
  p.labels = static_cast<const int32_t*>(o.labels.data);
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

}  // namespace

size_t margin_softmax_workspace(const MarginSoftmaxOperands& operands, const MarginSoftmax& head) {
  Problem p = problem_of(operands, head);
  return place(p, nullptr);
}

void margin_softmax(const MarginSoftmaxOperands& operands, const MarginSoftmax& head, void* workspace,
                    cudaStream_t stream) {
  Problem p = problem_of(operands, head);
  place(p, static_cast<char*>(workspace));
  if (p.loss_weights != nullptr) MARGINCORE_RUN(totals_kernel, 1, BlockPerRow::threads(p.classes), stream, p);
  if (p.division.parts > 1) {
    const int64_t tiles = p.division.squares;
    MARGINCORE_RUN(prepare_classes_kernel, striding_blocks(p.classes), kBlock, stream, p);
    MARGINCORE_RUN(sum_tiles_kernel, tiles, kBlock, stream, p);
    MARGINCORE_RUN(finish_rows_kernel, WarpPerRow::grid(p.rows), WarpPerRow::kThreads, stream, p);
    MARGINCORE_RUN(write_tiles_kernel, tiles, kBlock, stream, p);
  } else {
    MARGINCORE_RUN_ROWS(whole_rows_kernel, p.rows, p.classes, stream, p);
  }
  const int64_t class_radial_blocks = p.class_radial != nullptr ? blocks_for(p.rows, kBlock / device::kWarp) : 0;
  MARGINCORE_RUN(report_kernel, 1 + class_radial_blocks, kBlock, stream, p);
}

}  // namespace margincore::cuda
