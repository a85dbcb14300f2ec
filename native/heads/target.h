// The target logit of one sample, in the forms that keep fp32 gradients exact near the class centre.
#pragma once

#include "heads/heads.h"

namespace margincore {

/// Geometry of a sample and its class: z = |f|*omega*cos(theta), omega = |w| or, for unit class weights, 1; times the
/// class's own scale, where there is one.
template <class Real>
struct TargetGeometry {
  Real feature_norm, class_norm;  // |f|, |w|
  Real omega;
  Real cosine;  // clamped to [-1, 1]
  Real sine;    // 1/2 |f^ - w^| |f^ + w^|: unlike sqrt(1 - c^2) it does not cancel near theta = 0
};

template <class Real>
struct TargetLogit {
  Real logit;   // with margin
  Real dcos;    // factor of the direct term: d logit / d f = dcos * (omega w^) + radial * f^
  Real radial;  // omega * (phi - c*phi'): the part along f; along w it is radial * |f| / omega
  bool past_pi;
};

/// logit = un-margined logit + omega*|f|*(psi - c)/(1 + lambda), so that without a margin it is the plain head exactly.
template <class Real>
MARGINCORE_HOST_DEVICE TargetLogit<Real> target_logit(const Margin& margin, Real lambda, Real plain_logit,
                                                      const TargetGeometry<Real>& geometry) {
  const Real length = geometry.feature_norm * geometry.omega;
  // A zero feature or class weight has no angle: it keeps the un-margined logit and derivative.
  if (!has_margin(margin) || length == 0) return {plain_logit, Real(1), Real(0), false};
  const MarginValue<Real> value = evaluate_margin<Real>(margin, geometry.cosine, geometry.sine);
  const Real annealing = 1 / (1 + lambda);
  const Real correction = (value.phi - geometry.cosine) * annealing;
  const Real dphi = margin.exact ? 1 + (value.dphi - 1) * annealing : Real(1);
  const Real phi = geometry.cosine + correction;
  return {plain_logit + length * correction, dphi, geometry.omega * (phi - geometry.cosine * dphi), value.past_pi};
}

}  // namespace margincore
