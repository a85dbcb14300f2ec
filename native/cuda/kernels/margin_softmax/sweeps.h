// The two sweeps over rows of logits. `Classes` is how what belongs to a class is read: PlainClasses, where rows are whole,
// and another in many_classes.cu.
#pragma once

#include "cuda/kernels/margin_softmax/problem.h"
#include "cuda/kernels/online_sum.h"

namespace margincore::cuda::margin_softmax_kernels {

/// What belongs to a class is read and computed by each row.
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
    const float all_weighted = smoothing ? group.sum(weighted[r]) : 0;
    sums[r] = {{{online[r].max, online[r].sum}, all_weighted}, group.sum(product[r])};
  }
}

/// Second sweep: writes the gradients; returns the sum of their squares but for the targets'.
template <int kRows, class Group, class Classes>
MARGINCORE_DEVICE float write_tile(const Group& group, const Problem& p, const Classes& classes,
                                   const Tile<kRows>& tile, const RowGradient<float> (&rows)[kRows]) {
  const float smooth = rows[0].smooth;  // the same in every row
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
        for (int k = 0; k < at.kWidth; ++k) written[k] = at.offset(k) == target ? rows[r].target_logit : z[r][k];
        at.store(p.margin_logits + tile.row(r) * p.classes, written);
      }
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) z[r][k] = device::exponential(z[r][k] - rows[r].max) * rows[r].per_exponent;
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
          if (at.offset(k) == target) z[r][k] = rows[r].target;
      }
      at.store(tile.logits[r], z[r]);
    }
  });
  return group.sum(squares);
}

}  // namespace margincore::cuda::margin_softmax_kernels
