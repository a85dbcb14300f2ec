// The head: softmax cross-entropy with a margin on the target, gradient written over the logits.
// A row is read twice and written once: the first sweep gathers sums over the other classes, the second writes the
// gradient. What lies between them is heads/row.h.
#pragma once

#include "cpu/loops/exponential.h"
#include "cpu/loops/parallel.h"
#include "cpu/loops/rows.h"
#include "heads/row.h"

namespace margincore::MARGINCORE_ISA {

inline constexpr int64_t kClassBlock = 512;  // logits handled at once: 2 KB, stays in the first-level cache

[[gnu::always_inline]] inline Angle<float> angle_between(const float* a, float inverse_a, const float* b,
                                                         float inverse_b, int64_t count) {
  float squared_difference = 0, squared_sum = 0;
#pragma omp simd reduction(+ : squared_difference, squared_sum)
  for (int64_t i = 0; i < count; ++i) {
    const float unit_a = a[i] * inverse_a, unit_b = b[i] * inverse_b;
    squared_difference += (unit_a - unit_b) * (unit_a - unit_b);
    squared_sum += (unit_a + unit_b) * (unit_a + unit_b);
  }
  return margincore::angle_between(squared_difference, squared_sum);
}

/// z_j = product_j * factor_j + shift_j of one block of classes.
[[gnu::always_inline]] inline void block_logits(float* z, const float* products, const float* factors,
                                                const float* shifts, int64_t begin, int64_t width) {
  if (factors != nullptr && shifts != nullptr) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) z[j] = products[begin + j] * factors[begin + j] + shifts[begin + j];
  } else if (factors != nullptr) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) z[j] = products[begin + j] * factors[begin + j];
  } else if (shifts != nullptr) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) z[j] = products[begin + j] + shifts[begin + j];
  } else {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) z[j] = products[begin + j];
  }
}

[[gnu::always_inline]] inline int64_t width_at(int64_t begin, int64_t classes) {
  return classes - begin < kClassBlock ? classes - begin : kClassBlock;
}

struct MarginSoftmaxRow {
  const MarginSoftmaxRows& work;
  BatchTerms<float> batch;

  struct Verdict {
    bool correct, past_pi;
  };

  /// Writes the row's gradient, its radial coefficients and its share of the loss.
  [[gnu::always_inline]] inline Verdict process(int64_t i) const {
    const MarginSoftmaxOperands& o = work.operands;
    const int64_t target = o.labels.i32()[i];
    float* logits = o.logits.f32() + i * work.classes;
    const OtherClasses<float> others = sum_others(logits, target);
    return finish(i, row_of(batch, row_target(logits[target], i, target), others));
  }

  /// From the second sweep on.
  [[gnu::always_inline]] inline Verdict finish(int64_t i, const HeadRow<float>& row) const {
    const MarginSoftmaxOperands& o = work.operands;
    const int64_t target = o.labels.i32()[i];
    const float squares = write_gradients(o.logits.f32() + i * work.classes, i, target, row.gradient);
    work.row_losses[i] = row.loss;
    work.row_squares[i] = squares + (is_class(target) ? row.dz * row.dz : 0);
    if (o.target_terms) {
      o.target_terms.f32()[2 * i] = row.dz;
      o.target_terms.f32()[2 * i + 1] = row.gradient.target_logit;
    }
    if (o.feature_radial) o.feature_radial.f32()[i] = row.feature_radial;
    // Rows of one class would race here: the caller sums these after all rows are done.
    if (o.class_radial) work.row_radial[i] = row.class_radial;
    return {row.correct, row.past_pi};
  }

  /// No target of these rows where classes are sharded among ranks, and it is another's.
  [[gnu::always_inline]] inline bool is_class(int64_t target) const { return target >= 0 && target < work.classes; }

  [[gnu::always_inline]] inline float weight_of(int64_t j) const {
    const float* weights = work.operands.loss_weights.f32();
    return weights != nullptr ? weights[j] : 1.0f;
  }

  /// First sweep.
  [[gnu::always_inline]] inline OtherClasses<float> sum_others(const float* products, int64_t target) const {
    ExponentSum<float> total{-__builtin_inff(), 0};
    double weighted = 0;
    for (int64_t begin = 0; begin < work.classes; begin += kClassBlock) {
      const int64_t width = width_at(begin, work.classes);
      if (width == 1 && begin == target) continue;
      float z[kClassBlock];
      block_logits(z, products, work.class_factors, work.operands.class_shift.f32(), begin, width);
      const int64_t excluded = target - begin;
      const bool holds_target = excluded >= 0 && excluded < width;
      if (batch.label_smoothing > 0) {
        if (holds_target) z[excluded] = 0;
        weighted += weighted_sum(z, begin, width);
      }
      if (holds_target) z[excluded] = -__builtin_inff();
      float max = -__builtin_inff();
#pragma omp simd reduction(max : max)
      for (int64_t j = 0; j < width; ++j) max = z[j] > max ? z[j] : max;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < width; ++j) sum += exponential(z[j] - max);
      total = merge(total, ExponentSum<float>{max, sum});
    }
    return {total, static_cast<float>(weighted)};
  }

  /// sum_j w_j z_j of one block.
  [[gnu::always_inline]] inline float weighted_sum(const float* z, int64_t begin, int64_t width) const {
    const float* weights = work.operands.loss_weights.f32();
    float sum = 0;
    if (weights != nullptr) {
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < width; ++j) sum += weights[begin + j] * z[j];
    } else {
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < width; ++j) sum += z[j];
    }
    return sum;
  }

  [[gnu::always_inline]] inline RowTarget<float> row_target(float product, int64_t i, int64_t target) const {
    const float* shifts = work.operands.class_shift.f32();
    const float factor = work.class_factors != nullptr ? work.class_factors[target] : 1;
    const float plain = product * factor + (shifts != nullptr ? shifts[target] : 0);
    return {plain, factor, weight_of(target), geometry(i, target)};
  }

  [[gnu::always_inline]] inline TargetGeometry<float> geometry(int64_t i, int64_t target) const {
    const MarginSoftmaxOperands& o = work.operands;
    if (!has_margin(batch.margin)) return {};
    const float feature_norm = o.feature_norms.f32()[i], class_norm = o.class_norms.f32()[target];
    const int64_t size = work.embedding_size;
    const Angle<float> angle = angle_between(o.features.f32() + i * size, inverse_norm(feature_norm),
                                             o.class_weights.f32() + target * size, inverse_norm(class_norm), size);
    const float class_scale = o.class_scale ? o.class_scale.f32()[target] : 1;
    return target_geometry(feature_norm, class_norm, class_scale, work.head.normalize_weights != 0, angle);
  }

  /// d loss / d z_j of one block of classes, and 0 for the target.
  [[gnu::always_inline]] inline void others_gradients(float* gradients, const float* z, int64_t begin, int64_t width,
                                                      int64_t target, const RowGradient<float>& gradient) const {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) gradients[j] = exponential(z[j] - gradient.max) * gradient.per_exponent;
    if (gradient.smooth > 0)
      for (int64_t j = 0; j < width; ++j) gradients[j] -= gradient.smooth * weight_of(begin + j);
    if (target >= begin && target < begin + width) gradients[target - begin] = 0;
  }

  /// Second sweep. Returns the sum of the gradients' squares (before the factors), but for the target's.
  [[gnu::always_inline]] inline float write_gradients(float* row, int64_t i, int64_t target,
                                                      const RowGradient<float>& gradient) const {
    const float* factors = work.class_factors;
    float* shown = work.operands.margin_logits.f32();
    float squares = 0;
    for (int64_t begin = 0; begin < work.classes; begin += kClassBlock) {
      const int64_t width = width_at(begin, work.classes);
      float z[kClassBlock];
      block_logits(z, row, factors, work.operands.class_shift.f32(), begin, width);
      if (shown != nullptr)
        for (int64_t j = 0; j < width; ++j) shown[i * work.classes + begin + j] = z[j];
      float* gradients = row + begin;
      others_gradients(gradients, z, begin, width, target, gradient);
#pragma omp simd reduction(+ : squares)
      for (int64_t j = 0; j < width; ++j) squares += gradients[j] * gradients[j];
      if (factors != nullptr) {
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) gradients[j] *= factors[begin + j];
      }
    }
    if (!is_class(target)) return squares;
    row[target] = gradient.target;
    if (shown != nullptr) shown[i * work.classes + target] = gradient.target_logit;
    return squares;
  }
};

/// factor_j = class_scale_j / |w_j|
static void fill_class_factors(const MarginSoftmaxRows& work) {
  const float* scales = work.operands.class_scale.f32();
  const float* norms = work.operands.class_norms.f32();
  for (int64_t j = 0; j < work.classes; ++j) {
    const float scale = scales != nullptr ? scales[j] : 1;
    work.class_factors[j] = work.head.normalize_weights ? scale * inverse_norm(norms[j]) : scale;
  }
}

static AllClasses own_classes(const MarginSoftmaxRows& work) {
  const float* weights = work.operands.loss_weights.f32();
  double weight_sum = static_cast<double>(work.classes);
  if (weights != nullptr) {
    weight_sum = 0;
    for (int64_t j = 0; j < work.classes; ++j) weight_sum += weights[j];
  }
  return {work.classes, static_cast<float>(weight_sum)};
}

/// batch_weight: of the rows' labels together.
static BatchTerms<float> batch_terms(const MarginSoftmaxRows& work, AllClasses all, double batch_weight) {
  const MarginSoftmaxOperands& o = work.operands;
  const double normalizer = batch_weight > 0 ? 1 / batch_weight : 0;  // a batch of classes without weight is no loss
  return {.margin = ramped(work.head.margin, o.step->margin_ramp),
          .lambda = o.step->lambda,
          .label_smoothing = work.head.label_smoothing,
          .classes = static_cast<float>(all.count),
          .weight_sum = all.weight,
          .normalizer = static_cast<float>(normalizer)};
}

/// All rows, and the batch's report.
template <class Row>
[[gnu::always_inline]] inline void process_rows(const MarginSoftmaxRows& work, const Row& row) {
  const MarginSoftmaxOperands& o = work.operands;
  int32_t correct = 0, past_pi = 0;
  parallel_rows(work.rows, work.classes, [&](int64_t i) {
    const MarginSoftmaxRow::Verdict verdict = row.process(i);
#pragma omp atomic
    correct += verdict.correct ? 1 : 0;
#pragma omp atomic
    past_pi += verdict.past_pi ? 1 : 0;
  });

  double loss = 0, squares = 0;
  for (int64_t i = 0; i < work.rows; ++i) {
    loss += work.row_losses[i];
    squares += work.row_squares[i];
  }
  StepReport& report = o.report[o.step->report_index];
  report.loss = static_cast<float>(loss);
  report.correct = correct;
  report.past_pi = past_pi;
  if (work.totals != nullptr) work.totals->logit_squares = static_cast<float>(squares);
  else report.logit_gradient_norm = static_cast<float>(__builtin_sqrt(squares));
  if (!(loss - loss == 0)) *o.halted = 1;
}

/// Rows of one class would have raced.
static void add_class_radial(const MarginSoftmaxRows& work) {
  float* radial = work.operands.class_radial.f32();
  if (radial == nullptr) return;
  const int32_t* labels = work.operands.labels.i32();
  for (int64_t j = 0; j < work.classes; ++j) radial[j] = 0;
  for (int64_t i = 0; i < work.rows; ++i)
    if (labels[i] >= 0 && labels[i] < work.classes) radial[labels[i]] += work.row_radial[i];
}

static void margin_softmax(const MarginSoftmaxRows& work) {
  const MarginSoftmaxOperands& o = work.operands;
  const int32_t* labels = o.labels.i32();
  const float* weights = o.loss_weights.f32();
  if (work.class_factors != nullptr) fill_class_factors(work);
  double batch_weight = static_cast<double>(work.rows);
  if (weights != nullptr) {
    batch_weight = 0;
    for (int64_t i = 0; i < work.rows; ++i) batch_weight += weights[labels[i]];
  }
  process_rows(work, MarginSoftmaxRow{work, batch_terms(work, own_classes(work), batch_weight)});
  add_class_radial(work);
}

}  // namespace margincore::MARGINCORE_ISA
