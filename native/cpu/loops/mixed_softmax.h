// The head where a row has two labels y and y' (mixup, cutmix): loss_i = (1 - s_i) L(i, y) + s_i L(i, y'), where L is the
// row's loss with the margin on that label alone. Each label has a first sweep of its own, and they share the second. A
// row's part of a loss and of its gradients is in proportion to the batch's normaliser: the share goes in there.
#pragma once

#include "cpu/loops/margin_softmax.h"

namespace margincore::MARGINCORE_ISA {

struct MixedSoftmaxRow {
  const MarginSoftmaxRow& alone;  // as if it had one label

  /// A label's part in the row.
  struct Part {
    int64_t label;
    HeadRow<float> row;
  };

  [[gnu::always_inline]] inline MarginSoftmaxRow::Verdict process(int64_t i) const {
    const MarginSoftmaxRows& work = alone.work;
    const MarginSoftmaxOperands& o = work.operands;
    float* logits = o.logits.f32() + i * work.classes;
    const float second = o.mixed_share.f32()[i];
    const Part parts[2] = {part(logits, i, o.labels.i32()[i], 1 - second),
                           part(logits, i, o.mixed_labels.i32()[i], second)};
    work.row_squares[i] = write_gradients(logits, i, parts);
    work.row_losses[i] = parts[0].row.loss + parts[1].row.loss;
    if (o.feature_radial) o.feature_radial.f32()[i] = parts[0].row.feature_radial + parts[1].row.feature_radial;
    if (o.class_radial)
      for (int k = 0; k < 2; ++k) work.row_radial[k * work.rows + i] = parts[k].row.class_radial;
    const HeadRow<float>& larger = parts[second > 0.5f ? 1 : 0].row;
    return {larger.correct, larger.past_pi};
  }

 private:
  /// First sweep.
  [[gnu::always_inline]] inline Part part(const float* logits, int64_t i, int64_t label, float share) const {
    BatchTerms<float> batch = alone.batch;
    batch.normalizer *= share;
    const OtherClasses<float> others = alone.sum_others(logits, label);
    return {label, row_of(batch, alone.row_target(logits[label], i, label), others)};
  }

  /// Second sweep. Returns the sum of the squares of the logits' gradients, before the factors.
  [[gnu::always_inline]] inline float write_gradients(float* row, int64_t i, const Part (&parts)[2]) const {
    const MarginSoftmaxRows& work = alone.work;
    const float* factors = work.class_factors;
    float* shown = work.operands.margin_logits.f32();
    if (shown != nullptr) shown += i * work.classes;
    float squares = 0, of_labels = 0;
    for (int64_t begin = 0; begin < work.classes; begin += kClassBlock) {
      const int64_t width = width_at(begin, work.classes);
      float z[kClassBlock], sums[kClassBlock], second[kClassBlock];
      block_logits(z, row, factors, work.operands.class_shift.f32(), begin, width);
      alone.others_gradients(sums, z, begin, width, parts[0].label, parts[0].row.gradient);
      alone.others_gradients(second, z, begin, width, parts[1].label, parts[1].row.gradient);
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) sums[j] += second[j];
      float* gradients = row + begin;
      for (int64_t j = 0; j < width; ++j) {
        gradients[j] = factors != nullptr ? sums[j] * factors[begin + j] : sums[j];
        if (shown != nullptr) shown[begin + j] = z[j];
      }
      for (const Part& part : parts) {
        const int64_t own = part.label - begin;
        if (own < 0 || own >= width) continue;
        sums[own] += part.row.dz;
        gradients[own] += part.row.gradient.target;
        if (shown != nullptr) shown[begin + own] = part.row.gradient.target_logit;
      }
      // The labels' are nearly all of the sum: beside them the many small squares would be rounded off.
      for (const Part& part : parts) {
        const int64_t own = part.label - begin;
        if (own < 0 || own >= width) continue;
        of_labels += sums[own] * sums[own];
        sums[own] = 0;
      }
#pragma omp simd reduction(+ : squares)
      for (int64_t j = 0; j < width; ++j) squares += sums[j] * sums[j];
    }
    return squares + of_labels;
  }
};

static void mixed_margin_softmax(const MarginSoftmaxRows& work) {
  const MarginSoftmaxOperands& o = work.operands;
  const int32_t *labels = o.labels.i32(), *mixed_labels = o.mixed_labels.i32();
  const float *weights = o.loss_weights.f32(), *share = o.mixed_share.f32();
  if (work.class_factors != nullptr) fill_class_factors(work);
  double batch_weight = static_cast<double>(work.rows);
  if (weights != nullptr) {
    batch_weight = 0;
    for (int64_t i = 0; i < work.rows; ++i)
      batch_weight += (1 - share[i]) * weights[labels[i]] + share[i] * weights[mixed_labels[i]];
  }
  const MarginSoftmaxRow alone{work, batch_terms(work, own_classes(work), batch_weight)};
  process_rows(work, MixedSoftmaxRow{alone});

  if (o.class_radial) {
    float* radial = o.class_radial.f32();
    for (int64_t j = 0; j < work.classes; ++j) radial[j] = 0;
    for (int64_t i = 0; i < work.rows; ++i) {
      radial[labels[i]] += work.row_radial[i];
      radial[mixed_labels[i]] += work.row_radial[work.rows + i];
    }
  }
}

}  // namespace margincore::MARGINCORE_ISA
