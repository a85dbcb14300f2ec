// Between the sweeps: heads/row.h on the device.
#pragma once

#include "cuda/kernels/margin_softmax/problem.h"
#include "cuda/kernels/online_sum.h"

namespace margincore::cuda::margin_softmax_kernels {

MARGINCORE_DEVICE BatchTerms<float> batch_terms(const Problem& p, int64_t classes, const Totals& totals) {
  return {ramped(p.head.margin, p.step->margin_ramp),
          p.step->lambda,
          p.head.label_smoothing,
          static_cast<float>(classes),
          totals.classes,
          totals.per_batch};
}

MARGINCORE_DEVICE BatchTerms<float> batch_terms(const Problem& p) { return batch_terms(p, p.classes, totals_of(p)); }

/// What the first sweep found in a row's parts, together.
template <class Group>
MARGINCORE_DEVICE PartSums whole_row(const Group& group, const Problem& p, int64_t i) {
  const PartSums* parts = p.work.part_sums + i * p.division.parts;
  OnlineSum online;
  float weighted = 0, target = 0;
  for (int64_t k = group.first(); k < p.division.parts; k += group.stride()) {
    const ExponentSum<float> part = parts[k].others.exponents;
    const float max = part.max > online.max ? part.max : online.max;
    online = {max, online.sum * device::exponential(online.max - max) + part.sum * device::exponential(part.max - max)};
    weighted += parts[k].others.weighted;
    target += parts[k].target;
  }
  online = online.whole(group);
  return {{{online.max, online.sum}, group.sum(weighted)}, group.sum(target)};
}

template <class Group>
MARGINCORE_DEVICE TargetGeometry<float> geometry_of(const Group& group, const Problem& p, const Margin& margin,
                                                    int64_t i, int64_t target) {
  if (!has_margin(margin)) return {};
  const float feature_norm = p.feature_norms[i], class_norm = p.class_norms[target];
  const float unit_feature = inverse_norm(feature_norm), unit_class = inverse_norm(class_norm);
  const float* f = p.features + i * p.size;
  const float* w = p.class_weights + target * p.size;
  float squared_difference = 0, squared_sum = 0;
  walk<2>(group, 0, p.size, p.features_aligned, [&](const auto at) {
    float feature[at.kWidth], weight[at.kWidth];
    at.load(feature, f);
    at.load(weight, w);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) {
      const float a = feature[k] * unit_feature, b = weight[k] * unit_class;
      squared_difference += (a - b) * (a - b);
      squared_sum += (a + b) * (a + b);
    }
  });
  const Angle<float> angle = angle_between(group.sum(squared_difference), group.sum(squared_sum));
  const float class_scale = p.class_scale != nullptr ? p.class_scale[target] : 1;
  return target_geometry(feature_norm, class_norm, class_scale, p.head.normalize_weights != 0, angle);
}

template <class Group>
MARGINCORE_DEVICE RowTarget<float> target_of(const Group& group, const Problem& p, const BatchTerms<float>& batch,
                                             int64_t i, int64_t target, float product) {
  float factor[1], shift[1];
  load_classes(Singles<1>{target, 0}, factor, shift, p);
  return {product * factor[0] + shift[0], factor[0], weight_of(p, target),
          geometry_of(group, p, batch.margin, i, target)};
}

/// The row with this target, of the sums of a first sweep for it.
template <class Group>
MARGINCORE_DEVICE HeadRow<float> row_with(const Group& group, const Problem& p, const BatchTerms<float>& batch,
                                          int64_t i, int64_t target, const PartSums& sums) {
  return row_of(batch, target_of(group, p, batch, i, target, sums.target), sums.others);
}

MARGINCORE_DEVICE int32_t verdict_of(const HeadRow<float>& row) {
  return (row.correct ? 1 : 0) + (row.past_pi ? 2 : 0);
}

/// Writes what belongs to the row alone. target_squares: of the target's own gradient.
MARGINCORE_DEVICE void write_row(const Problem& p, int64_t i, const HeadRow<float>& row, float target_squares) {
  p.work.row_losses[i] = row.loss;
  p.work.row_target_squares[i] = target_squares;
  p.work.row_verdicts[i] = verdict_of(row);
  if (p.feature_radial != nullptr) p.feature_radial[i] = row.feature_radial;
  if (p.class_radial != nullptr) p.work.row_radial[i] = row.class_radial;
  if (p.target_terms != nullptr) {
    p.target_terms[2 * i] = row.dz;
    p.target_terms[2 * i + 1] = row.gradient.target_logit;
  }
}

/// Returns what the second sweep needs.
template <class Group>
MARGINCORE_DEVICE RowGradient<float> finish_row(const Group& group, const Problem& p, int64_t i, const PartSums& sums) {
  const HeadRow<float> row = row_with(group, p, batch_terms(p), i, p.labels[i], sums);
  if (group.first() == 0) write_row(p, i, row, row.dz * row.dz);
  return row.gradient;
}

}  // namespace margincore::cuda::margin_softmax_kernels
