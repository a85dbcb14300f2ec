// One row of the head, between the two sweeps over its classes: from sums over the classes other than the target to the
// row's share of the loss and to everything that its gradient is written with. A backend adds the sweeps:
//
//   first    OtherClasses, and the product of the target's class
//   here     row_of
//   second   d loss / d z_j = per_exponent * e^(z_j - max) - smooth * w_j, over the logits; the target's own as given
#pragma once

#include "heads/cross_entropy.h"
#include "heads/norm.h"
#include "heads/target.h"

namespace margincore {

/// Sums over the classes other than the target; those of parts of a row add up.
template <class Real>
struct OtherClasses {
  ExponentSum<Real> exponents;
  Real weighted;  // sum of w_j z_j, w_j the class's weight in the loss; used with label smoothing only
};

/// What is the same in all rows of a batch.
template <class Real>
struct BatchTerms {
  Margin margin;  // in force at this step
  Real lambda;    // annealing of the margin
  Real label_smoothing;
  Real classes;
  Real weight_sum;  // of all classes
  Real normalizer;  // 1 / sum of the weights of the batch's targets
};

/// The row's own class.
template <class Real>
struct RowTarget {
  Real plain;   // logit without margin
  Real factor;  // d plain / d product
  Real weight;  // in the loss
  TargetGeometry<Real> geometry;
};

/// What the second sweep writes a row's gradient with.
template <class Real>
struct RowGradient {
  Real max, per_exponent, smooth;  // of the other classes
  Real target;                     // d loss / d product of the target's class
  Real target_logit;               // with margin
};

template <class Real>
struct HeadRow {
  RowGradient<Real> gradient;
  Real loss;            // the row's share of the batch's
  Real dz;              // d loss / d logit of the target
  Real feature_radial;  // d loss / d f gains feature_radial * f
  Real class_radial;    // d loss / d w gains class_radial * w, w the target's class weight, if not normalised
  bool correct;         // its logit without margin is the highest
  bool past_pi;
};

/// A sample and its class; with a zero vector there is no angle, which a length of 0 says.
template <class Real>
MARGINCORE_HOST_DEVICE TargetGeometry<Real> target_geometry(Real feature_norm, Real class_norm, Real class_scale,
                                                            bool unit_weights, const Angle<Real>& angle) {
  const bool degenerate = inverse_norm(feature_norm) == 0 || inverse_norm(class_norm) == 0;
  const Real omega = degenerate ? 0 : unit_weights ? 1 : class_norm;
  return {feature_norm, class_norm, class_scale * omega, angle.cosine, angle.sine};
}

template <class Real>
MARGINCORE_HOST_DEVICE TargetLogit<Real> logit_of(const BatchTerms<Real>& batch, const RowTarget<Real>& target) {
  return target_logit<Real>(batch.margin, batch.lambda, target.plain, target.geometry);
}

template <class Real>
MARGINCORE_HOST_DEVICE HeadRow<Real> row_of(const BatchTerms<Real>& batch, const RowTarget<Real>& target,
                                            const TargetLogit<Real>& logit, const OtherClasses<Real>& others) {
  const TargetGeometry<Real>& geometry = target.geometry;
  const RowLoss<Real> loss = row_loss(others.exponents, logit.logit);
  const GradientTerms<Real> terms =
      gradient_terms(batch.label_smoothing, target.weight, batch.weight_sum, batch.classes, batch.normalizer);
  // sum_j w_j * -log p_j = W * logsumexp - sum_j w_j z_j, with the target's own term apart: exactly 0 of one class.
  const Real smoothed = (batch.weight_sum - target.weight) * loss.log_sum - others.weighted + target.weight * loss.loss;
  const Real dz = -terms.hard * loss.others + terms.smooth * (batch.weight_sum * (1 - loss.others) - target.weight);
  const Real unit_class = inverse_norm(geometry.class_norm);

  HeadRow<Real> row;
  row.gradient = {others.exponents.max, loss.per_exponent * terms.per_probability, terms.smooth,
                  dz * logit.dcos * target.factor, logit.logit};
  row.loss = terms.hard * loss.loss + (terms.smooth > 0 ? terms.smooth * smoothed : 0);
  row.dz = dz;
  row.feature_radial = dz * logit.radial * inverse_norm(geometry.feature_norm);
  row.class_radial = dz * logit.radial * geometry.feature_norm * unit_class * unit_class;
  row.correct = target.plain > others.exponents.max || batch.classes == 1;
  row.past_pi = logit.past_pi;
  return row;
}

template <class Real>
MARGINCORE_HOST_DEVICE HeadRow<Real> row_of(const BatchTerms<Real>& batch, const RowTarget<Real>& target,
                                            const OtherClasses<Real>& others) {
  return row_of(batch, target, logit_of(batch, target), others);
}

}  // namespace margincore
