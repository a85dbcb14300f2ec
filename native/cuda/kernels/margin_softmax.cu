// The head: softmax cross-entropy with a margin on the target, gradient written over the logits. Formulas:
// heads/target.h and heads/cross_entropy.h.
//
// A row is read twice and written once, 12 bytes per logit: the first sweep gathers max and sum over the other classes
// as it goes (online softmax, Milakov & Gimelshein 2018), the second writes the gradient. Who does a row depends on its
// length: a warp, a block, or, where there are fewer rows than multiprocessors to fill, several blocks, with a kernel
// between the sweeps that puts their sums together. All sums have a fixed order.
#include <cmath>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
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
};

struct Workspace {
  float* class_factors;  // (C), or null where all are 1
  float* totals;         // 1 / sum of the batch's class weights; sum of all class weights
  float* row_losses;     // (N)
  float* row_squares;    // (N, parts): squares of the logits' gradients; the target's own in row_target_squares
  float* row_target_squares;  // (N)
  float* row_radial;     // (N)
  int32_t* row_verdicts;      // (N): bit 0 correct, bit 1 past pi
  PartSums* part_sums;   // (N, parts)
  RowTerms* row_terms;   // (N)
};

/// Everything the kernels of one call know, passed by value.
struct Problem {
  int64_t rows, classes, size, parts, part_size;
  float *logits, *feature_radial, *class_radial, *margin_logits, *target_terms;
  const int32_t* labels;
  const float *features, *class_weights, *feature_norms, *class_norms, *class_scale, *class_shift, *loss_weights;
  MarginSoftmax head;
  const StepBlock* step;
  StepReport* report;
  int32_t* halted;
  Workspace work;
};

MARGINCORE_DEVICE float factor_of(const Problem& p, int64_t j) {
  return p.work.class_factors != nullptr ? p.work.class_factors[j] : 1;
}

MARGINCORE_DEVICE float logit_of(const Problem& p, float product, int64_t j) {
  return product * factor_of(p, j) + (p.class_shift != nullptr ? p.class_shift[j] : 0);
}

MARGINCORE_DEVICE float weight_of(const Problem& p, int64_t j) {
  return p.loss_weights != nullptr ? p.loss_weights[j] : 1;
}

// ---- first sweep ----------------------------------------------------------------------------------------------------

/// Of classes [begin, end) of row i; the same in all threads of the group.
template <class Group>
MARGINCORE_DEVICE PartSums sum_part(const Group& group, const Problem& p, int64_t i, int64_t begin, int64_t end) {
  const float* row = p.logits + i * p.classes;
  const int64_t target = p.labels[i];
  float max = -INFINITY, sum = 0, weighted = 0, product = 0;
  for (int64_t j = begin + group.first(); j < end; j += group.stride()) {
    if (j == target) {
      product = row[j];  // read here alone: this thread will overwrite it
      continue;
    }
    const float z = logit_of(p, row[j], j);
    if (z > max) {
      sum = sum * expf(max - z) + 1;
      max = z;
    } else {
      sum += expf(z - max);
    }
    if (p.head.label_smoothing > 0) weighted += weight_of(p, j) * z;
  }
  const float whole = group.max(max);
  sum = group.sum(max == -INFINITY && sum == 0 ? 0 : sum * expf(max - whole));
  if (p.head.label_smoothing > 0) weighted = group.sum(weighted);
  return {whole, sum, weighted, group.sum(product)};
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
  for (int64_t k = group.first(); k < p.size; k += group.stride()) {
    const float a = f[k] * unit_feature, b = w[k] * unit_class;
    apart += (a - b) * (a - b);
    together += (a + b) * (a + b);
  }
  const Angle angle = angle_between(group.sum(apart), group.sum(together));
  const bool degenerate = unit_feature == 0 || unit_class == 0;
  const float omega = degenerate ? 0 : p.head.normalize_weights ? 1 : class_norm;
  return {feature_norm, omega * (p.class_scale != nullptr ? p.class_scale[target] : 1), angle.cosine, angle.sine};
}

/// Margin, loss and the coefficients of the row's gradient, from its sums. Writes what belongs to the row alone.
template <class Group>
MARGINCORE_DEVICE RowTerms finish_row(const Group& group, const Problem& p, int64_t i, const PartSums& sums) {
  const int64_t target = p.labels[i];
  const float factor = factor_of(p, target), plain = logit_of(p, sums.target, target);
  const Margin margin = ramped(p.head.margin, p.step->margin_ramp);
  const TargetGeometry<float> geometry = target_geometry(group, p, margin, i, target);
  const TargetLogit<float> logit = target_logit<float>(margin, p.step->lambda, plain, geometry);
  const RowLoss<float> loss = row_loss(ExponentSum<float>{sums.max, sums.sum}, logit.logit);
  const float target_weight = weight_of(p, target), weight_sum = p.work.totals[1];
  const GradientTerms<float> terms = gradient_terms(p.head.label_smoothing, target_weight, weight_sum,
                                                    static_cast<float>(p.classes), p.work.totals[0]);
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
    if (p.margin_logits != nullptr) p.margin_logits[i * p.classes + target] = logit.logit;
  }
  return {sums.max, loss.per_exponent * terms.per_probability, terms.smooth, dz * logit.dcos * factor};
}

// ---- second sweep ---------------------------------------------------------------------------------------------------

/// Writes the gradients of classes [begin, end) of row i; returns the sum of their squares but for the target's.
template <class Group>
MARGINCORE_DEVICE float write_part(const Group& group, const Problem& p, int64_t i, const RowTerms& terms,
                                   int64_t begin, int64_t end) {
  float* row = p.logits + i * p.classes;
  const int64_t target = p.labels[i];
  float squares = 0;
  for (int64_t j = begin + group.first(); j < end; j += group.stride()) {
    if (j == target) {
      row[j] = terms.target_gradient;
      continue;
    }
    const float factor = factor_of(p, j), z = logit_of(p, row[j], j);
    if (p.margin_logits != nullptr) p.margin_logits[i * p.classes + j] = z;
    float gradient = expf(z - terms.max) * terms.per_exponent;
    if (terms.smooth > 0) gradient -= terms.smooth * weight_of(p, j);
    squares += gradient * gradient;
    row[j] = gradient * factor;
  }
  return group.sum(squares);
}

// ---- kernels --------------------------------------------------------------------------------------------------------

/// factor_j = class_scale_j / |w_j|
MARGINCORE_KERNEL class_factors_kernel(Problem p) {
  for (int64_t j = global_thread(); j < p.classes; j += global_threads()) {
    const float scale = p.class_scale != nullptr ? p.class_scale[j] : 1;
    p.work.class_factors[j] = p.head.normalize_weights ? scale * inverse_norm(p.class_norms[j]) : scale;
  }
}

/// One block.
MARGINCORE_KERNEL totals_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float batch = 0, all = 0;
  for (int64_t i = thread(); i < p.rows; i += threads()) batch += weight_of(p, p.labels[i]);
  for (int64_t j = thread(); j < p.classes; j += threads()) all += weight_of(p, j);
  batch = block_sum(batch, shared);
  all = block_sum(all, shared);
  if (thread() != 0) return;
  p.work.totals[0] = batch > 0 ? 1 / batch : 0;  // a batch of classes without weight is no loss
  p.work.totals[1] = all;
}

template <class Group>
MARGINCORE_KERNEL whole_row_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const PartSums sums = sum_part(group, p, i, 0, p.classes);
  const RowTerms terms = finish_row(group, p, i, sums);
  const float squares = write_part(group, p, i, terms, 0, p.classes);
  if (group.first() == 0) p.work.row_squares[i] = squares;
}

/// A block per part of a row.
MARGINCORE_KERNEL sum_parts_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const BlockPerRow group{shared};
  const int64_t i = device::block() / p.parts, part = device::block() % p.parts;
  const int64_t begin = part * p.part_size, end = begin + p.part_size < p.classes ? begin + p.part_size : p.classes;
  const PartSums sums = sum_part(group, p, i, begin, end);
  if (thread() == 0) p.work.part_sums[device::block()] = sums;
}

/// A warp per row.
MARGINCORE_KERNEL finish_rows_kernel(Problem p) {
  const WarpPerRow group{nullptr};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const PartSums* parts = p.work.part_sums + i * p.parts;
  PartSums whole = parts[0];
  for (int64_t k = 1; k < p.parts; ++k) {
    const ExponentSum<float> merged =
        merge(ExponentSum<float>{whole.max, whole.sum}, ExponentSum<float>{parts[k].max, parts[k].sum});
    whole = {merged.max, merged.sum, whole.weighted + parts[k].weighted, whole.target + parts[k].target};
  }
  const RowTerms terms = finish_row(group, p, i, whole);
  if (group.first() == 0) p.work.row_terms[i] = terms;
}

MARGINCORE_KERNEL write_parts_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const BlockPerRow group{shared};
  const int64_t i = device::block() / p.parts, part = device::block() % p.parts;
  const int64_t begin = part * p.part_size, end = begin + p.part_size < p.classes ? begin + p.part_size : p.classes;
  const float squares = write_part(group, p, i, p.work.row_terms[i], begin, end);
  if (thread() == 0) p.work.row_squares[device::block()] = squares;
}

/// One block: the batch's loss and counts.
MARGINCORE_KERNEL report_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float loss = 0, squares = 0, correct = 0, past_pi = 0;
  for (int64_t i = thread(); i < p.rows; i += threads()) {
    loss += p.work.row_losses[i];
    squares += p.work.row_target_squares[i];
    correct += static_cast<float>(p.work.row_verdicts[i] & 1);
    past_pi += static_cast<float>(p.work.row_verdicts[i] >> 1);
  }
  for (int64_t k = thread(); k < p.rows * p.parts; k += threads()) squares += p.work.row_squares[k];
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

MARGINCORE_KERNEL clear_kernel(float* values, int64_t count) {
  for (int64_t j = global_thread(); j < count; j += global_threads()) values[j] = 0;
}

/// A thread per row: the first sample of a class adds up all of them, in the order of the batch.
MARGINCORE_KERNEL class_radial_kernel(Problem p) {
  for (int64_t i = global_thread(); i < p.rows; i += global_threads()) {
    const int32_t label = p.labels[i];
    bool first = true;
    for (int64_t before = 0; before < i && first; ++before) first = p.labels[before] != label;
    if (!first) continue;
    float sum = 0;
    for (int64_t other = i; other < p.rows; ++other)
      if (p.labels[other] == label) sum += p.work.row_radial[other];
    p.class_radial[label] = sum;
  }
}

// ---- division of work -----------------------------------------------------------------------------------------------

constexpr int64_t kPartSize = 8192;      // classes that one block sums: enough to pay for its start
constexpr int64_t kManyClasses = 32768;  // from here on a block per row leaves multiprocessors idle

int64_t parts_of(int64_t classes) { return classes >= kManyClasses ? blocks_for(classes, kPartSize) : 1; }

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Places the parts one after another; with memory null, only their size.
size_t place(Workspace& work, char* memory, int64_t rows, int64_t classes) {
  size_t used = 0;
  const auto take = [&](auto*& pointer, int64_t count) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(memory + used);
    used += aligned(count * sizeof *pointer);
  };
  const int64_t parts = parts_of(classes);
  take(work.class_factors, classes);
  take(work.totals, 2);
  take(work.row_losses, rows);
  take(work.row_squares, rows * parts);
  take(work.row_target_squares, rows);
  take(work.row_radial, rows);
  take(work.row_verdicts, rows);
  take(work.part_sums, rows * parts);
  take(work.row_terms, rows);
  return used;
}

Problem problem_of(const MarginSoftmaxOperands& o, const MarginSoftmax& head, void* workspace) {
  Problem p{};
  p.rows = o.logits.shape[0];
  p.classes = o.logits.shape[1];
  p.size = o.features.shape[1];
  p.parts = parts_of(p.classes);
  p.part_size = kPartSize;
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
  place(p.work, static_cast<char*>(workspace), p.rows, p.classes);
  if (!head.normalize_weights && !o.class_scale) p.work.class_factors = nullptr;
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
  if (p.work.class_factors != nullptr)
    MARGINCORE_RUN(class_factors_kernel, striding_blocks(p.classes), kBlock, stream, p);
  MARGINCORE_RUN(totals_kernel, 1, kBlock, stream, p);
  if (p.parts > 1) {
    MARGINCORE_RUN(sum_parts_kernel, p.rows * p.parts, BlockPerRow::kThreads, stream, p);
    MARGINCORE_RUN(finish_rows_kernel, WarpPerRow::grid(p.rows), WarpPerRow::kThreads, stream, p);
    MARGINCORE_RUN(write_parts_kernel, p.rows * p.parts, BlockPerRow::kThreads, stream, p);
  } else {
    MARGINCORE_RUN_ROWS(whole_row_kernel, p.rows, p.classes, stream, p);
  }
  if (p.class_radial != nullptr) {
    MARGINCORE_RUN(clear_kernel, striding_blocks(p.classes), kBlock, stream, p.class_radial, p.classes);
    MARGINCORE_RUN(class_radial_kernel, blocks_for(p.rows, kBlock), kBlock, stream, p);
  }
  MARGINCORE_RUN(report_kernel, 1, kBlock, stream, p);
}

}  // namespace margincore::cuda
