// The head where classes are sharded among ranks: the two sweeps over the own ones, each by itself, since ranks put what the
// first has found together before the second.
#pragma once

#include "cpu/loops/margin_softmax.h"

namespace margincore::MARGINCORE_ISA {

struct ShardedSoftmaxRow {
  const MarginSoftmaxRow& own;  // as if there were no other classes

  [[gnu::always_inline]] inline bool has_target(int64_t i) const {
    const int64_t target = own.work.operands.labels.i32()[i];
    return target >= 0 && target < own.work.classes;
  }

  /// Number `which` of row i.
  [[gnu::always_inline]] inline float& sum(RowSum which, int64_t i) const {
    return own.work.parts.sums.f32()[which * own.work.rows + i];
  }

  [[gnu::always_inline]] inline RowTarget<float> own_target(int64_t i) const {
    const int64_t target = own.work.operands.labels.i32()[i];
    return own.row_target(own.work.operands.logits.f32()[i * own.work.classes + target], i, target);
  }

  /// First sweep.
  [[gnu::always_inline]] inline void add_up(int64_t i) const {
    const MarginSoftmaxRows& work = own.work;
    const MarginSoftmaxOperands& o = work.operands;
    const OtherClasses<float> others = own.sum_others(o.logits.f32() + i * work.classes, o.labels.i32()[i]);
    work.parts.own_largest.f32()[i] = work.parts.largest.f32()[i] = others.exponents.max;
    sum(kExponents, i) = others.exponents.sum;
    sum(kWeightedLogits, i) = others.weighted;
    const bool has = has_target(i);
    const RowTarget<float> target = has ? own_target(i) : RowTarget<float>{};
    const TargetLogit<float> logit = has ? logit_of(own.batch, target) : TargetLogit<float>{};
    sum(kTargetPlain, i) = target.plain;
    sum(kTargetLogit, i) = logit.logit;
    sum(kTargetWeight, i) = target.weight;
    sum(kPastPi, i) = logit.past_pi ? 1 : 0;
  }

  /// Second sweep.
  [[gnu::always_inline]] inline MarginSoftmaxRow::Verdict process(int64_t i) const {
    const MarginSoftmaxRows& work = own.work;
    const OtherClasses<float> others{{work.parts.largest.f32()[i], sum(kExponents, i)}, sum(kWeightedLogits, i)};
    RowTarget<float> target{};
    TargetLogit<float> logit{};
    if (has_target(i)) {
      target = own_target(i);
      logit = logit_of(own.batch, target);
    }
    target.plain = sum(kTargetPlain, i);
    target.weight = sum(kTargetWeight, i);
    logit.logit = sum(kTargetLogit, i);
    logit.past_pi = sum(kPastPi, i) > 0;
    return own.finish(i, row_of(own.batch, target, logit, others));
  }
};

/// Rows' targets have no weights here yet: they are asked for one by one.
static void margin_softmax_sums(const MarginSoftmaxRows& work) {
  if (work.class_factors != nullptr) fill_class_factors(work);
  const MarginSoftmaxRow own{work, batch_terms(work, own_classes(work), 0)};
  const ShardedSoftmaxRow row{own};
  parallel_rows(work.rows, work.classes, [&](int64_t i) { row.add_up(i); });
}

static void margin_softmax_rebase(const RowParts& parts) {
  const float *own_largest = parts.own_largest.f32(), *largest = parts.largest.f32();
  float* exponents = parts.sums.f32();
  for (int64_t i = 0; i < parts.largest.count(); ++i)
    if (exponents[i] != 0) exponents[i] *= exponential(own_largest[i] - largest[i]);
}

static void margin_softmax_gradients(const MarginSoftmaxRows& work, AllClasses all) {
  const float* weights = work.parts.sums.f32() + kTargetWeight * work.rows;
  double batch_weight = 0;
  for (int64_t i = 0; i < work.rows; ++i) batch_weight += weights[i];
  if (work.class_factors != nullptr) fill_class_factors(work);
  const MarginSoftmaxRow own{work, batch_terms(work, all, batch_weight)};
  process_rows(work, ShardedSoftmaxRow{own});
  add_class_radial(work);
}

}  // namespace margincore::MARGINCORE_ISA
