// A whole head: embeddings, parameters and labels to the loss and all its gradients.
#pragma once

#include "nn/head.h"
#include "reference/centers.h"
#include "reference/elementwise.h"
#include "reference/margin_softmax.h"
#include "reference/scaled_bn.h"

namespace margincore::test::reference {

struct HeadProblem {
  HeadSpec spec;
  int64_t rows, size;
  Doubles x = {};        // (rows, size)
  Doubles weights = {};  // (classes, size)
  Doubles bias = {};     // (classes) or empty
  Doubles centers = {};  // (classes, size) or empty; fixed weights are their own centres
  Ints labels = {};
  StepBlock step{};
  Dropout dropout = {};
  double scale = spec.scale;

  /// Rows that are normalised: samples, or the whole batch as one.
  int64_t norm_rows() const { return spec.l2_scope == L2Scope::Batch ? 1 : rows; }
  int64_t norm_columns() const { return spec.l2_scope == L2Scope::Batch ? rows * size : size; }
  /// Whether a sample counts by its direction alone.
  bool by_direction() const { return spec.normalize_features && spec.l2_scope == L2Scope::Sample; }
};

inline Doubles features(const HeadProblem& p) {
  const Doubles f = p.spec.normalize_features ? l2_scale_forward(p.x, p.scale, p.norm_rows(), p.norm_columns()) : p.x;
  return p.dropout.rate > 0 ? dropout(f, p.dropout, p.step) : f;
}

inline MarginSoftmaxProblem softmax_problem(const HeadProblem& p) {
  const HeadSpec& spec = p.spec;
  const MarginSoftmaxProblem problem{p.rows,
                                     spec.num_classes,
                                     p.size,
                                     features(p),
                                     p.weights,
                                     p.labels,
                                     {spec.margin, spec.label_smoothing, spec.normalize_weights},
                                     p.step.lambda,
                                     p.step.margin_ramp,
                                     {},
                                     p.bias,
                                     to_doubles(spec.class_weights)};
  return spec.scaled_bn ? with_scaled_bn(problem, *spec.scaled_bn) : problem;
}

/// What is compared with the centres.
inline Doubles compared(const HeadProblem& p) { return p.by_direction() ? unit_rows(p.x, p.rows, p.size) : p.x; }

inline Doubles centers(const HeadProblem& p) {
  return p.spec.fixed_weights ? unit_rows(p.weights, p.spec.num_classes, p.size) : p.centers;
}

inline double head_loss(const HeadProblem& p) {
  const double loss = margin_softmax_loss(softmax_problem(p));
  if (p.spec.center_weight == 0) return loss;
  return loss + center_loss(compared(p), centers(p), p.labels, p.spec.center_weight, p.size);
}

struct HeadGradients {
  double loss, dscale;
  Doubles dx, dweights, dbias;
  Doubles dcenters;  // what the centres' rate multiplies; empty where there are none that move
};

inline HeadGradients head_gradients(const HeadProblem& p) {
  const HeadSpec& spec = p.spec;
  const MarginSoftmaxProblem problem = softmax_problem(p);
  const int64_t classes = problem.classes;
  const MarginSoftmaxAnswer answer = margin_softmax(problem, products(problem));
  const Doubles dz = cross_entropy(problem, answer.margin_logits).dz;
  HeadGradients result{head_loss(p), 0, {}, {}, column_sums(dz, p.rows, classes), {}};

  Doubles dlogits = answer.dlogits;
  if (spec.scaled_bn) {
    const Doubles norms = column_norms(problem), u = products(problem);
    dlogits = scaled_bn_backward(dlogits, u, dz, answer.margin_logits, column_stats(u, norms, p.rows, classes), norms,
                                 *spec.scaled_bn, p.rows, classes);
  }
  if (spec.fixed_weights) {
    result.dweights = Doubles(p.weights.size(), 0);
  } else {
    result.dweights = linear_backward_weight(dlogits, problem.features, p.rows, p.size, classes);
    result.dweights = spec.normalize_weights ? remove_radial(result.dweights, p.weights, classes, p.size)
                                             : add_scaled_rows(result.dweights, p.weights, answer.class_radial, p.size);
  }

  Doubles df = linear_backward_data(dlogits, p.weights, p.rows, p.size, classes);
  df = add_scaled_rows(df, problem.features, answer.feature_radial, p.size);
  if (p.dropout.rate > 0) df = dropout(df, p.dropout, p.step);
  result.dx = df;
  if (spec.normalize_features) {
    result.dx = l2_scale_backward(df, p.x, p.scale, p.norm_rows(), p.norm_columns());
    result.dscale = l2_scale_backward_scale(df, p.x, p.norm_rows(), p.norm_columns());
  }

  if (spec.center_weight == 0) return result;
  const Doubles x = compared(p), from = centers(p);
  Doubles pull = center_gradient(x, from, p.labels, spec.center_weight, p.size);
  if (p.by_direction()) pull = l2_scale_backward(pull, p.x, 1, p.rows, p.size);
  for (size_t i = 0; i < pull.size(); ++i) result.dx[i] += pull[i];
  if (spec.fixed_weights) return result;
  const Doubles moved = center_update(from, x, p.labels, 1, p.size);
  for (size_t i = 0; i < from.size(); ++i) result.dcenters.push_back(from[i] - moved[i]);
  return result;
}

}  // namespace margincore::test::reference
