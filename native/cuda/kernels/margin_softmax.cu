// The head: softmax cross-entropy with a margin on the target, gradient written over the logits. Formulas:
// heads/target.h and heads/cross_entropy.h.
//
// A row is read twice and written once, 12 bytes per logit: the first sweep gathers max and sum over the other classes
// as it goes, the second writes the gradient. A warp or a block does a row. Rows of many classes are cut into parts, so
// that a few of them fill the device; a kernel between the sweeps puts their sums together. There a block takes the same
// classes of four rows: what belongs to a class is read once for all four. And there the second sweep goes from the end
// of the matrix to its beginning: what the first one read last is still in the L2 cache. All sums have a fixed order.
#include <algorithm>
#include <cmath>

#include "cuda/kernels/inverse_norms.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/online_sum.h"
#include "cuda/kernels/walk.h"
#include "heads/cross_entropy.h"
#include "heads/norm.h"
#include "heads/target.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;
using device::thread;
using device::threads;

/// Over the classes of a part of a row, but for the target.
struct PartSums {
  float max, sum;   // sum of e^z as sum * e^max
  float weighted;   // sum of class weight * z, for smoothing
  float target;     // the target's product, or 0 in parts without it
};

/// What the second sweep needs to know of a row.
struct RowTerms {
  float max, per_exponent, smooth;
  float target_gradient;  // as written, over the product
  float target_logit;
};

/// Sums of class weights.
struct Totals {
  float per_batch;  // 1 / sum over the batch
  float classes;    // over all classes; used with smoothing only
};

struct Workspace {
  Totals* totals;        // where classes have weights
  float* row_losses;     // (N)
  float* squares;        // (blocks or rows): of the logits' gradients; the targets' own in row_target_squares
  float* row_target_squares;  // (N)
  float* row_radial;     // (N)
  int32_t* row_verdicts;      // (N): bit 0 correct, bit 1 past pi
  PartSums* part_sums;   // (N, parts)
  RowTerms* row_terms;   // (N)
};

/// Who does what. Without parts, `parts` is 1 and every row has one group; with them, every `tile rows` have `parts`
/// blocks.
struct Division {
  int64_t parts, part_size;
  int64_t squares;  // how many the second sweep leaves
};

/// Everything the kernels of one call know, passed by value.
struct Problem {
  int64_t rows, classes, size;
  Division division;
  bool aligned, features_aligned;  // rows begin at multiples of 16 bytes
  float *logits, *feature_radial, *class_radial, *margin_logits, *target_terms;
  const int32_t* labels;
  const float *features, *class_weights, *feature_norms, *class_norms, *class_scale, *class_shift, *loss_weights;
  MarginSoftmax head;
  const StepBlock* step;
  StepReport* report;
  int32_t* halted;
  Workspace work;
};

// ---- what belongs to classes ----------------------------------------------------------------------------------------

/// Logit = product * factor + shift; factor = class_scale / |w|.
template <class At>
MARGINCORE_DEVICE void load_classes(const At& at, float (&factor)[At::kWidth], float (&shift)[At::kWidth],
                                    const Problem& p) {
  load_or(at, factor, p.class_scale, 1);
  load_or(at, shift, p.class_shift, 0);
  if (!p.head.normalize_weights) return;
  float norm[At::kWidth];
  at.load(norm, p.class_norms);
  MARGINCORE_UNROLL
  for (int k = 0; k < At::kWidth; ++k) factor[k] *= quick_inverse_norm(norm[k]);
}

MARGINCORE_DEVICE float weight_of(const Problem& p, int64_t j) {
  return p.loss_weights != nullptr ? p.loss_weights[j] : 1;
}

MARGINCORE_DEVICE Totals totals_of(const Problem& p) {
  if (p.loss_weights != nullptr) return *p.work.totals;
  return {1 / static_cast<float>(p.rows), static_cast<float>(p.classes)};
}

// ---- a tile: the same classes of one row or several -----------------------------------------------------------------

constexpr int kTileRows = 2;  // of a tile with several

template <int kRows>
struct Tile {
  int64_t begin, end;  // classes
  int64_t first_row;
  int rows;            // of kRows; the others repeat the last one and write nothing
  int32_t target[kRows];
  float* logits[kRows];  // the rows

  MARGINCORE_DEVICE Tile(const Problem& p, int64_t first_row, int64_t begin, int64_t end)
      : begin(begin), end(end), first_row(first_row),
        rows(p.rows - first_row < kRows ? static_cast<int>(p.rows - first_row) : kRows) {
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      target[r] = p.labels[row(r)];
      logits[r] = p.logits + row(r) * p.classes;
    }
  }

  MARGINCORE_DEVICE int64_t row(int r) const { return first_row + (r < rows ? r : rows - 1); }
};

/// First sweep; the sums are the same in all threads of the group.
template <int kRows, class Group>
MARGINCORE_DEVICE void sum_tile(PartSums (&sums)[kRows], const Group& group, const Problem& p,
                                const Tile<kRows>& tile) {
  const bool smoothing = p.head.label_smoothing > 0;
  OnlineSum online[kRows];
  float weighted[kRows] = {}, product[kRows] = {};
  walk<1>(group, tile.begin, tile.end, p.aligned, [&](const auto at) {
    float z[kRows][at.kWidth], factor[at.kWidth], shift[at.kWidth], weight[at.kWidth] = {};
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) at.load(z[r], tile.logits[r]);
    load_classes(at, factor, shift, p);
    if (smoothing) load_or(at, weight, p.loss_weights, 1);
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const int target = tile.target[r] - static_cast<int>(at.first);
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) z[r][k] = z[r][k] * factor[k] + shift[k];
      if (smoothing) {
        MARGINCORE_UNROLL
        for (int k = 0; k < at.kWidth; ++k) weighted[r] += at.offset(k) == target ? 0 : weight[k] * z[r][k];
      }
      if (may_contain(at, target)) {
        MARGINCORE_UNROLL
        for (int k = 0; k < at.kWidth; ++k) {
          if (at.offset(k) != target) continue;
          product[r] = tile.logits[r][tile.target[r]];  // read here alone: this thread will overwrite it
          z[r][k] = kNothing;
        }
      }
      online[r].add(z[r]);
    }
  });
  MARGINCORE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    online[r] = online[r].whole(group);
    sums[r] = {online[r].max, online[r].sum, smoothing ? group.sum(weighted[r]) : 0, group.sum(product[r])};
  }
}

/// Second sweep: writes the gradients; returns the sum of their squares but for the targets'.
template <int kRows, class Group>
MARGINCORE_DEVICE float write_tile(const Group& group, const Problem& p, const Tile<kRows>& tile,
                                   const RowTerms (&terms)[kRows]) {
  const float smooth = terms[0].smooth;  // the same in every row
  float squares = 0;
  walk<1>(group, tile.begin, tile.end, p.aligned, [&](const auto at) {
    float z[kRows][at.kWidth], factor[at.kWidth], shift[at.kWidth], weight[at.kWidth] = {};
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) at.load(z[r], tile.logits[r]);
    load_classes(at, factor, shift, p);
    if (smooth > 0) load_or(at, weight, p.loss_weights, 1);
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      if (r >= tile.rows) break;
      const int target = tile.target[r] - static_cast<int>(at.first);
      const bool with_target = may_contain(at, target);
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) z[r][k] = z[r][k] * factor[k] + shift[k];
      if (p.margin_logits != nullptr) {
        float written[at.kWidth];
        MARGINCORE_UNROLL
        for (int k = 0; k < at.kWidth; ++k) written[k] = at.offset(k) == target ? terms[r].target_logit : z[r][k];
        at.store(p.margin_logits + tile.row(r) * p.classes, written);
      }
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) z[r][k] = expf(z[r][k] - terms[r].max) * terms[r].per_exponent;
      if (smooth > 0) {
        MARGINCORE_UNROLL
        for (int k = 0; k < at.kWidth; ++k) z[r][k] -= smooth * weight[k];
      }
      if (with_target) {
        MARGINCORE_UNROLL
        for (int k = 0; k < at.kWidth; ++k)
          if (at.offset(k) == target) z[r][k] = 0;  // counted by finish_row, and written below
      }
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) {
        squares += z[r][k] * z[r][k];
        z[r][k] *= factor[k];
      }
      if (with_target) {
        MARGINCORE_UNROLL
        for (int k = 0; k < at.kWidth; ++k)
          if (at.offset(k) == target) z[r][k] = terms[r].target_gradient;
      }
      at.store(tile.logits[r], z[r]);
    }
  });
  return group.sum(squares);
}

// ---- between the sweeps ---------------------------------------------------------------------------------------------

template <class Group>
MARGINCORE_DEVICE TargetGeometry<float> target_geometry(const Group& group, const Problem& p, const Margin& margin,
                                                        int64_t i, int64_t target) {
  if (!has_margin(margin)) return {0, 0, 0, 0};
  const float feature_norm = p.feature_norms[i], class_norm = p.class_norms[target];
  const float unit_feature = inverse_norm(feature_norm), unit_class = inverse_norm(class_norm);
  const float* f = p.features + i * p.size;
  const float* w = p.class_weights + target * p.size;
  float apart = 0, together = 0;
  walk<2>(group, 0, p.size, p.features_aligned, [&](const auto at) {
    float feature[at.kWidth], weight[at.kWidth];
    at.load(feature, f);
    at.load(weight, w);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) {
      const float a = feature[k] * unit_feature, b = weight[k] * unit_class;
      apart += (a - b) * (a - b);
      together += (a + b) * (a + b);
    }
  });
  const Angle angle = angle_between(group.sum(apart), group.sum(together));
  const bool degenerate = unit_feature == 0 || unit_class == 0;
  const float omega = degenerate ? 0 : p.head.normalize_weights ? 1 : class_norm;
  return {feature_norm, omega * (p.class_scale != nullptr ? p.class_scale[target] : 1), angle.cosine, angle.sine};
}

/// Margin, loss and the coefficients of the row's gradient, from its sums. Writes what belongs to the row alone.
template <class Group>
MARGINCORE_DEVICE RowTerms finish_row(const Group& group, const Problem& p, int64_t i, const PartSums& sums) {
  const int64_t target = p.labels[i];
  float factor[1], shift[1];
  load_classes(Singles<1>{target, 0}, factor, shift, p);
  const float plain = sums.target * factor[0] + shift[0];
  const Margin margin = ramped(p.head.margin, p.step->margin_ramp);
  const TargetGeometry<float> geometry = target_geometry(group, p, margin, i, target);
  const TargetLogit<float> logit = target_logit<float>(margin, p.step->lambda, plain, geometry);
  const RowLoss<float> loss = row_loss(ExponentSum<float>{sums.max, sums.sum}, logit.logit);
  const Totals totals = totals_of(p);
  const float target_weight = weight_of(p, target), weight_sum = totals.classes;
  const GradientTerms<float> terms = gradient_terms(p.head.label_smoothing, target_weight, weight_sum,
                                                    static_cast<float>(p.classes), totals.per_batch);
  const float dz = -terms.hard * loss.others + terms.smooth * (weight_sum * (1 - loss.others) - target_weight);
  if (group.first() == 0) {
    // sum_j w_j * -log p_j = W * logsumexp - sum_j w_j z_j
    const float smoothed = weight_sum * loss.log_sum - sums.weighted - target_weight * logit.logit;
    p.work.row_losses[i] = terms.hard * loss.loss + (terms.smooth > 0 ? terms.smooth * smoothed : 0);
    p.work.row_target_squares[i] = dz * dz;
    const bool correct = plain > sums.max || p.classes == 1;
    p.work.row_verdicts[i] = (correct ? 1 : 0) + (logit.past_pi ? 2 : 0);
    if (p.feature_radial != nullptr)
      p.feature_radial[i] = dz * logit.radial * inverse_norm(geometry.feature_norm);
    if (p.class_radial != nullptr) {
      const float unit = inverse_norm(p.class_norms[target]);
      p.work.row_radial[i] = dz * logit.radial * geometry.feature_norm * unit * unit;
    }
    if (p.target_terms != nullptr) {
      p.target_terms[2 * i] = dz;
      p.target_terms[2 * i + 1] = logit.logit;
    }
  }
  return {sums.max, loss.per_exponent * terms.per_probability, terms.smooth, dz * logit.dcos * factor[0],
          logit.logit};
}

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
  const Tile<1> tile(p, i, 0, p.classes);
  PartSums sums[1];
  sum_tile(sums, group, p, tile);
  const RowTerms terms[1] = {finish_row(group, p, i, sums[0])};
  const float squares = write_tile(group, p, tile, terms);
  if (group.first() == 0) p.work.squares[i] = squares;
}

/// The tile of a block's number.
MARGINCORE_DEVICE Tile<kTileRows> tile_of(const Problem& p, int64_t block) {
  const int64_t begin = block % p.division.parts * p.division.part_size, end = begin + p.division.part_size;
  return {p, block / p.division.parts * kTileRows, begin, end < p.classes ? end : p.classes};
}

MARGINCORE_KERNEL sum_tiles_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  clear_class_radial(p);
  const Tile<kTileRows> tile = tile_of(p, device::block());
  PartSums sums[kTileRows];
  sum_tile(sums, BlockPerRow{shared}, p, tile);
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
    online = {max, online.sum * expf(online.max - max) + parts[k].sum * expf(parts[k].max - max)};
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
  const float squares = write_tile(BlockPerRow{shared}, p, tile, terms);
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
  if (device::block() > 0) return add_class_radial(p, (device::block() - 1) * (threads() / device::kWarp) + device::warp());
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

constexpr int64_t kManyClasses = 16384;      // from here on rows are cut into parts
constexpr int64_t kTiles = kMultiprocessors * 4 * 2;  // wanted at least: two rounds of four blocks per multiprocessor
constexpr int64_t kLeastPart = 4 * kBlock;   // classes of a part: a turn of the walk
constexpr int64_t kLargestPart = 16384;      // so that the last round is short

Division division_of(int64_t rows, int64_t classes) {
  if (classes < kManyClasses) return {1, classes, rows};
  const int64_t row_tiles = blocks_for(rows, kTileRows);
  const int64_t wanted = std::max(blocks_for(kTiles, row_tiles), blocks_for(classes, kLargestPart));
  // Whole turns of a warp, which also keeps every part aligned as its row is.
  const int64_t turn = 4 * device::kWarp;
  const int64_t size = std::max(blocks_for(blocks_for(classes, wanted), turn) * turn, kLeastPart);
  const int64_t parts = blocks_for(classes, size);
  return {parts, size, row_tiles * parts};
}

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Places the parts one after another; with memory null, only their size.
size_t place(Workspace& work, char* memory, int64_t rows, int64_t classes) {
  size_t used = 0;
  const auto take = [&](auto*& pointer, int64_t count) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(memory + used);
    used += aligned(count * sizeof *pointer);
  };
  const Division division = division_of(rows, classes);
  take(work.totals, 1);
  take(work.row_losses, rows);
  take(work.squares, division.squares);
  take(work.row_target_squares, rows);
  take(work.row_radial, rows);
  take(work.row_verdicts, rows);
  take(work.part_sums, rows * division.parts);
  take(work.row_terms, rows);
  return used;
}

Problem problem_of(const MarginSoftmaxOperands& o, const MarginSoftmax& head, void* workspace) {
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
  p.aligned = all_aligned(p.classes, p.logits, p.margin_logits, p.class_norms, p.class_scale, p.class_shift,
                          p.loss_weights);
  p.features_aligned = all_aligned(p.size, p.features, p.class_weights);
  place(p.work, static_cast<char*>(workspace), p.rows, p.classes);
  return p;
}

}  // namespace

size_t margin_softmax_workspace(int64_t rows, int64_t classes) {
  Workspace work{};
  return place(work, nullptr, rows, classes);
}

void margin_softmax(const MarginSoftmaxOperands& operands, const MarginSoftmax& head, void* workspace,
                    cudaStream_t stream) {
  const Problem p = problem_of(operands, head, workspace);
  if (p.loss_weights != nullptr) MARGINCORE_RUN(totals_kernel, 1, BlockPerRow::threads(p.classes), stream, p);
  if (p.division.parts > 1) {
    const int64_t tiles = p.division.squares;
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
