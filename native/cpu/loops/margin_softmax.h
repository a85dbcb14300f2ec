// The head: softmax cross-entropy with a margin on the target, gradient written over the logits.
// A row is read twice and written once: the first sweep gathers max and sum over the other classes, the second writes
// the gradient. Formulas: heads/target.h and heads/cross_entropy.h.
#pragma once

#include "cpu/loops/exponential.h"
#include "cpu/loops/parallel.h"
#include "cpu/loops/rows.h"
#include "heads/cross_entropy.h"
#include "heads/target.h"

namespace margincore::MARGINCORE_ISA {

inline constexpr int64_t kClassBlock = 512;  // logits handled at once: 2 KB, stays in the first-level cache

[[gnu::always_inline]] inline Angle angle_between(const float* a, float inverse_a, const float* b, float inverse_b,
                                                  int64_t count) {
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

/// Sum of e^z over all classes but the target.
[[gnu::always_inline]] inline ExponentSum<float> sum_others(const float* products, const float* factors,
                                                            const float* shifts, int64_t classes, int64_t target) {
  ExponentSum<float> total{-__builtin_inff(), 0};
  for (int64_t begin = 0; begin < classes; begin += kClassBlock) {
    const int64_t width = width_at(begin, classes);
    if (width == 1 && begin == target) continue;
    float z[kClassBlock];
    block_logits(z, products, factors, shifts, begin, width);
    const int64_t excluded = target - begin;
    if (excluded >= 0 && excluded < width) z[excluded] = -__builtin_inff();
    float max = -__builtin_inff();
#pragma omp simd reduction(max : max)
    for (int64_t j = 0; j < width; ++j) max = z[j] > max ? z[j] : max;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < width; ++j) sum += exponential(z[j] - max);
    total = merge(total, ExponentSum<float>{max, sum});
  }
  return total;
}

struct MarginSoftmaxRow {
  const MarginSoftmaxRows& work;
  Margin margin;
  float loss_normalizer;  // 1 / sum of the batch's class weights
  float weight_sum;       // of all class weights

  struct Verdict {
    bool correct, past_pi;
  };

  /// Writes the row's gradient, its radial coefficients and its share of the loss.
  [[gnu::always_inline]] inline Verdict process(int64_t i) const {
    const MarginSoftmaxOperands& o = work.operands;
    const int64_t classes = work.classes;
    const int64_t target = static_cast<const int32_t*>(o.labels.data)[i];
    const float* factors = work.class_factors;
    const float* shifts = o.class_shift.f32();
    const float* weights = o.loss_weights.f32();
    float* row = o.logits.f32() + i * classes;

    const ExponentSum<float> others = sum_others(row, factors, shifts, classes, target);
    const float factor = factors != nullptr ? factors[target] : 1;
    const float plain = row[target] * factor + (shifts != nullptr ? shifts[target] : 0);
    const TargetGeometry<float> geometry = target_geometry(i, target);
    const TargetLogit<float> logit = target_logit<float>(margin, o.step->lambda, plain, geometry);
    const RowLoss<float> loss = row_loss(others, logit.logit);
    const GradientTerms<float> terms =
        gradient_terms(work.head.label_smoothing, weights != nullptr ? weights[target] : 1.0f, weight_sum,
                       static_cast<float>(classes), loss_normalizer);

    float row_total = terms.hard * loss.loss;
    if (terms.smooth > 0) row_total += terms.smooth * smoothed_loss(row, target, logit.logit, loss.log_sum);
    work.row_losses[i] = row_total;

    const float squares = write_gradients(row, i, target, others.max, loss, terms, logit.logit);
    const float target_weight = weights != nullptr ? weights[target] : 1.0f;
    const float dz = -terms.hard * loss.others + terms.smooth * (weight_sum * (1 - loss.others) - target_weight);
    row[target] = dz * logit.dcos * factor;
    work.row_squares[i] = squares + dz * dz;
    if (o.target_terms) {
      o.target_terms.f32()[2 * i] = dz;
      o.target_terms.f32()[2 * i + 1] = logit.logit;
    }
    if (o.feature_radial) o.feature_radial.f32()[i] = dz * logit.radial * inverse_norm(geometry.feature_norm);
    // Rows of one class would race here: the caller sums these after all rows are done.
    if (o.class_radial) {
      const float unit = inverse_norm(o.class_norms.f32()[target]);
      work.row_radial[i] = dz * logit.radial * geometry.feature_norm * unit * unit;
    }
    return {plain > others.max || classes == 1, logit.past_pi};
  }

 private:
  [[gnu::always_inline]] inline TargetGeometry<float> target_geometry(int64_t i, int64_t target) const {
    const MarginSoftmaxOperands& o = work.operands;
    if (!has_margin(margin)) return {0, 0, 0, 0};
    const float feature_norm = o.feature_norms.f32()[i], class_norm = o.class_norms.f32()[target];
    const float inverse_feature = inverse_norm(feature_norm), inverse_class = inverse_norm(class_norm);
    const int64_t size = work.embedding_size;
    const Angle angle = angle_between(o.features.f32() + i * size, inverse_feature,
                                      o.class_weights.f32() + target * size, inverse_class, size);
    const bool degenerate = inverse_feature == 0 || inverse_class == 0;
    const float class_scale = o.class_scale ? o.class_scale.f32()[target] : 1;
    const float omega = degenerate ? 0 : work.head.normalize_weights ? 1 : class_norm;
    return {feature_norm, class_scale * omega, angle.cosine, angle.sine};
  }

  /// sum_j w_j * -log p_j
  [[gnu::always_inline]] inline float smoothed_loss(const float* row, int64_t target, float target_value,
                                                    float log_sum) const {
    const float* weights = work.operands.loss_weights.f32();
    double total = 0;
    for (int64_t begin = 0; begin < work.classes; begin += kClassBlock) {
      const int64_t width = width_at(begin, work.classes);
      float z[kClassBlock];
      block_logits(z, row, work.class_factors, work.operands.class_shift.f32(), begin, width);
      if (target >= begin && target < begin + width) z[target - begin] = target_value;
      for (int64_t j = 0; j < width; ++j) total += (weights != nullptr ? weights[begin + j] : 1.0f) * (log_sum - z[j]);
    }
    return static_cast<float>(total);
  }

  /// Second sweep: the gradients of all classes but the target, whose entry the caller overwrites. Returns the sum of
  /// their squares (before the factors).
  [[gnu::always_inline]] inline float write_gradients(float* row, int64_t i, int64_t target, float max,
                                                      const RowLoss<float>& loss, const GradientTerms<float>& terms,
                                                      float target_value) const {
    const float* factors = work.class_factors;
    const float* weights = work.operands.loss_weights.f32();
    float* shown = work.operands.margin_logits.f32();
    const float per_exponent = loss.per_exponent * terms.per_probability;
    float squares = 0;
    for (int64_t begin = 0; begin < work.classes; begin += kClassBlock) {
      const int64_t width = width_at(begin, work.classes);
      float z[kClassBlock];
      block_logits(z, row, factors, work.operands.class_shift.f32(), begin, width);
      if (shown != nullptr) {
        for (int64_t j = 0; j < width; ++j) shown[i * work.classes + begin + j] = z[j];
        if (target >= begin && target < begin + width) shown[i * work.classes + target] = target_value;
      }
      float* gradients = row + begin;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) gradients[j] = exponential(z[j] - max) * per_exponent;
      if (terms.smooth > 0)
        for (int64_t j = 0; j < width; ++j)
          gradients[j] -= terms.smooth * (weights != nullptr ? weights[begin + j] : 1.0f);
      if (target >= begin && target < begin + width) gradients[target - begin] = 0;
#pragma omp simd reduction(+ : squares)
      for (int64_t j = 0; j < width; ++j) squares += gradients[j] * gradients[j];
      if (factors != nullptr) {
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) gradients[j] *= factors[begin + j];
      }
    }
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

static void margin_softmax(const MarginSoftmaxRows& work) {
  const MarginSoftmaxOperands& o = work.operands;
  const int32_t* labels = static_cast<const int32_t*>(o.labels.data);
  const float* weights = o.loss_weights.f32();
  if (work.class_factors != nullptr) fill_class_factors(work);

  double batch_weight = static_cast<double>(work.rows), weight_sum = static_cast<double>(work.classes);
  if (weights != nullptr) {
    batch_weight = weight_sum = 0;
    for (int64_t i = 0; i < work.rows; ++i) batch_weight += weights[labels[i]];
    for (int64_t j = 0; j < work.classes; ++j) weight_sum += weights[j];
  }
  const double normalizer = batch_weight > 0 ? 1 / batch_weight : 0;  // a batch of classes without weight is no loss
  MarginSoftmaxRow row{work, ramped(work.head.margin, o.step->margin_ramp), static_cast<float>(normalizer),
                       static_cast<float>(weight_sum)};
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
  report.logit_gradient_norm = static_cast<float>(__builtin_sqrt(squares));
  if (!(loss - loss == 0)) *o.halted = 1;

  if (o.class_radial) {
    float* radial = o.class_radial.f32();
    for (int64_t j = 0; j < work.classes; ++j) radial[j] = 0;
    for (int64_t i = 0; i < work.rows; ++i) radial[labels[i]] += work.row_radial[i];
  }
}

}  // namespace margincore::MARGINCORE_ISA
