// Softmax cross-entropy of one row, written around the classes other than the target:
//
//   L = logsumexp_{j != y} z_j,   loss = log(1 + e^{L - z_y}),   1 - p_y = sigmoid(L - z_y)
//
// so that neither the loss nor the target's gradient -(1 - p_y) is a difference of nearly equal numbers.
// Weighted and smoothed forms are those of PyTorch's cross_entropy.
#pragma once

#include <cmath>

#include "base/host_device.h"

namespace margincore {

/// sum_j e^{z_j} as scale * e^{max}; the empty sum is {-infinity, 0}.
template <class Real>
struct ExponentSum {
  Real max;
  Real sum;
};

template <class Real>
MARGINCORE_HOST_DEVICE ExponentSum<Real> merge(const ExponentSum<Real>& a, const ExponentSum<Real>& b) {
  if (a.sum == 0) return b;
  if (b.sum == 0) return a;
  const Real max = a.max > b.max ? a.max : b.max;
  return {max, a.sum * std::exp(a.max - max) + b.sum * std::exp(b.max - max)};
}

template <class Real>
struct RowLoss {
  Real loss;          // -log p_y
  Real others;        // 1 - p_y
  Real per_exponent;  // p_j = per_exponent * e^{z_j - max} for j != y
  Real log_sum;       // logsumexp over all classes
};

template <class Real>
MARGINCORE_HOST_DEVICE RowLoss<Real> row_loss(const ExponentSum<Real>& others, Real target) {
  if (others.sum == 0) return {Real(0), Real(0), Real(0), target};  // a single class
  const Real excess = others.max + std::log(others.sum) - target;
  const Real tail = std::log1p(std::exp(excess > 0 ? -excess : excess));
  const Real loss = excess > 0 ? excess + tail : tail;
  const Real e = std::exp(excess > 0 ? -excess : excess);
  const Real wrong = excess > 0 ? 1 / (1 + e) : e / (1 + e);
  return {loss, wrong, wrong / others.sum, target + loss};
}

/// Coefficients of one row's gradient, dz_j = per_probability * p_j - smooth * w_j, and for the target additionally
/// -hard; from smoothing e, the target's weight w_y, the sum of all class weights W, and the batch's normaliser
/// 1 / sum_i w_{y_i}.
template <class Real>
struct GradientTerms {
  Real hard;             // (1 - e) * w_y
  Real smooth;           // e / C, times each class's own weight
  Real per_probability;  // hard + smooth * W
};

template <class Real>
MARGINCORE_HOST_DEVICE GradientTerms<Real> gradient_terms(Real smoothing, Real target_weight, Real weight_sum,
                                                          Real classes, Real normalizer) {
  const Real hard = (1 - smoothing) * target_weight * normalizer;
  const Real smooth = smoothing / classes * normalizer;
  return {hard, smooth, hard + smooth * weight_sum};
}

}  // namespace margincore
