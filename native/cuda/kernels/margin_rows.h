// What threads do with rows of logits in margin_softmax.cu: sums of the first sweep, what lies between the sweeps, the
// gradients of the second. Formulas: heads/target.h and heads/cross_entropy.h.
#pragma once

#include <cmath>

#include "cuda/kernels/inverse_norms.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/online_sum.h"
#include "cuda/kernels/walk.h"
#include "heads/cross_entropy.h"
#include "heads/norm.h"
#include "heads/target.h"

namespace margincore::cuda::margin_rows {

/// Over the classes of a part of a row, but for the target.
struct PartSums {
  float max, sum;  // sum of e^z as sum * e^max
  float weighted;  // sum of class weight * z, for smoothing
  float target;    // the target's product, or 0 in parts without it
};

/// What the sweeps over many classes read of them, computed once: logit = product * factor + shift, and the weights
/// that smoothing needs. Null: 1, 0 and 1. Rows begin at up to four places between multiples of 16 bytes; each of these
/// has a copy, in which fours begin where they do in the row.
struct PreparedClasses {
  float *factor, *shift, *weights;
  int64_t copy_size;

  /// Where class 0 is, of a copy for rows with `leading` classes before their first four.
  MARGINCORE_DEVICE static int64_t first(int64_t copy, int64_t copy_size, int leading) {
    return copy * copy_size + (4 - leading) % 4;
  }
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
  Totals* totals;             // where classes have weights
  float* row_losses;          // (N)
  float* squares;             // (blocks or rows): of the logits' gradients; the targets' own in row_target_squares
  float* row_target_squares;  // (N)
  float* row_radial;          // (N)
  int32_t* row_verdicts;      // (N): bit 0 correct, bit 1 past pi
  PartSums* part_sums;        // (N, parts)
  RowTerms* row_terms;        // (N)
  PreparedClasses prepared;   // where rows are cut into parts
};

/// Who does what. Where `parts` is 1 a group does a row; else a block does a tile: a part of kTileRows rows.
struct Division {
  int64_t parts, part_size;
  int64_t squares;  // how many the second sweep leaves
  int row_step;     // rows from one to the next that begins at the same place between multiples of 16 bytes
};

/// Everything the kernels of one call know, passed by value.
struct Problem {
  int64_t rows, classes, size;
  Division division;
  bool aligned, features_aligned;  // rows begin at multiples of 16 bytes
  bool alike;                      // rows of logits and of margin_logits begin at the same place between those
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
  at.load_beside(norm, p.class_norms);
  MARGINCORE_UNROLL
  for (int k = 0; k < At::kWidth; ++k) factor[k] *= quick_inverse_norm(norm[k]);
}

/// Classes as a sweep over few of them reads them.
struct PlainClasses {
  const Problem& p;

  template <class Group, class Body>
  MARGINCORE_DEVICE void walk(const Group& group, const RowPart& part, const Body& body) const {
    walk_row(group, part, p.aligned, body);
  }
  template <class At>
  MARGINCORE_DEVICE void load(const At& at, float (&factor)[At::kWidth], float (&shift)[At::kWidth]) const {
    load_classes(at, factor, shift, p);
  }
  template <class At>
  MARGINCORE_DEVICE void load_weights(const At& at, float (&weight)[At::kWidth]) const {
    load_or(at, weight, p.loss_weights, 1);
  }
};

/// One of the copies.
struct ClassCopy {
  const float *factor, *shift, *weights;

  MARGINCORE_DEVICE ClassCopy(const PreparedClasses& all, int64_t copy, const float* row) {
    const int64_t first = PreparedClasses::first(copy, all.copy_size, before_aligned(row));
    factor = all.factor != nullptr ? all.factor + first : nullptr;
    shift = all.shift != nullptr ? all.shift + first : nullptr;
    weights = all.weights != nullptr ? all.weights + first : nullptr;
  }

  template <class Group, class Body>
  MARGINCORE_DEVICE void walk(const Group& group, const RowPart& part, const Body& body) const {
    walk_row<1>(group, part, body);
  }
  template <class At>
  MARGINCORE_DEVICE void load(const At& at, float (&f)[At::kWidth], float (&s)[At::kWidth]) const {
    load_alike_or(at, f, factor, 1);
    load_alike_or(at, s, shift, 0);
  }
  template <class At>
  MARGINCORE_DEVICE void load_weights(const At& at, float (&w)[At::kWidth]) const {
    load_alike_or(at, w, weights, 1);
  }
};

MARGINCORE_DEVICE float weight_of(const Problem& p, int64_t j) {
  return p.loss_weights != nullptr ? p.loss_weights[j] : 1;
}

MARGINCORE_DEVICE Totals totals_of(const Problem& p) {
  if (p.loss_weights != nullptr) return *p.work.totals;
  return {1 / static_cast<float>(p.rows), static_cast<float>(p.classes)};
}

// ---- a tile: the same classes of one row or several -----------------------------------------------------------------

constexpr int kTileRows = 2;  // where rows are cut into parts; with more, registers would leave room for fewer threads

/// Rows `row_step` from one to the next, so that 16 bytes can be loaded at a time of all of them.
template <int kRows>
struct Tile {
  int64_t first_row;
  int row_step, rows;  // of kRows; the others repeat the first one and write nothing
  int32_t target[kRows];
  float* logits[kRows];  // the rows
  RowPart part;

  MARGINCORE_DEVICE Tile(const Problem& p, int64_t first_row, int64_t number)
      : first_row(first_row),
        row_step(p.division.row_step),
        rows(1),
        part(p.logits + first_row * p.classes, p.classes, p.alike, number, p.division.part_size) {
    MARGINCORE_UNROLL
    for (int r = 1; r < kRows; ++r) rows += first_row + r * row_step < p.rows ? 1 : 0;
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      target[r] = p.labels[row(r)];
      logits[r] = p.logits + row(r) * p.classes;
    }
  }

  MARGINCORE_DEVICE int64_t row(int r) const { return first_row + (r < rows ? r : 0) * row_step; }
};

/// First sweep; the sums are the same in all threads of the group.
template <int kRows, class Group, class Classes>
MARGINCORE_DEVICE void sum_tile(PartSums (&sums)[kRows], const Group& group, const Problem& p, const Classes& classes,
                                const Tile<kRows>& tile) {
  const bool smoothing = p.head.label_smoothing > 0;
  OnlineSum online[kRows];
  float weighted[kRows] = {}, product[kRows] = {};
  classes.walk(group, tile.part, [&](const auto at) {
    float z[kRows][at.kWidth], factor[at.kWidth], shift[at.kWidth], weight[at.kWidth] = {};
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) at.load(z[r], tile.logits[r]);
    classes.load(at, factor, shift);
    if (smoothing) classes.load_weights(at, weight);
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
template <int kRows, class Group, class Classes>
MARGINCORE_DEVICE float write_tile(const Group& group, const Problem& p, const Classes& classes,
                                   const Tile<kRows>& tile, const RowTerms (&terms)[kRows]) {
  const float smooth = terms[0].smooth;  // the same in every row
  float squares = 0;
  classes.walk(group, tile.part, [&](const auto at) {
    float z[kRows][at.kWidth], factor[at.kWidth], shift[at.kWidth], weight[at.kWidth] = {};
    MARGINCORE_UNROLL
    for (int r = 0; r < kRows; ++r) at.load(z[r], tile.logits[r]);
    classes.load(at, factor, shift);
    if (smooth > 0) classes.load_weights(at, weight);
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
      for (int k = 0; k < at.kWidth; ++k) z[r][k] = device::exponential(z[r][k] - terms[r].max) * terms[r].per_exponent;
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
  const Angle angle = angle_between(group.sum(squared_difference), group.sum(squared_sum));
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
    // sum_j w_j * -log p_j = W * logsumexp - sum_j w_j z_j, with the target's own term apart: exactly 0 of one class
    const float smoothed = (weight_sum - target_weight) * loss.log_sum - sums.weighted + target_weight * loss.loss;
    p.work.row_losses[i] = terms.hard * loss.loss + (terms.smooth > 0 ? terms.smooth * smoothed : 0);
    p.work.row_target_squares[i] = dz * dz;
    const bool correct = plain > sums.max || p.classes == 1;
    p.work.row_verdicts[i] = (correct ? 1 : 0) + (logit.past_pi ? 2 : 0);
    if (p.feature_radial != nullptr) p.feature_radial[i] = dz * logit.radial * inverse_norm(geometry.feature_norm);
    if (p.class_radial != nullptr) {
      const float unit = inverse_norm(p.class_norms[target]);
      p.work.row_radial[i] = dz * logit.radial * geometry.feature_norm * unit * unit;
    }
    if (p.target_terms != nullptr) {
      p.target_terms[2 * i] = dz;
      p.target_terms[2 * i + 1] = logit.logit;
    }
  }
  return {sums.max, loss.per_exponent * terms.per_probability, terms.smooth, dz * logit.dcos * factor[0], logit.logit};
}

}  // namespace margincore::cuda::margin_rows
