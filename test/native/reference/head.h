// A whole head: embeddings, parameters and labels to the loss and all its gradients.
#pragma once

#include "nn/head.h"
#include "reference/elementwise.h"
#include "reference/margin_softmax.h"

namespace margincore::test::reference {

struct HeadProblem {
  HeadSpec spec;
  int64_t rows, size;
  Doubles x;        // (rows, size)
  Doubles weights;  // (classes, size)
  Doubles bias;     // (classes) or empty
  Ints labels;
  StepBlock step{};
  Dropout dropout;
  double scale = spec.scale;

  /// Rows that are normalised: samples, or the whole batch as one.
  int64_t norm_rows() const { return spec.batch_norm_scope ? 1 : rows; }
  int64_t norm_columns() const { return spec.batch_norm_scope ? rows * size : size; }
};

inline Doubles features(const HeadProblem& p) {
  const Doubles f = p.spec.normalize_features ? l2_scale_forward(p.x, p.scale, p.norm_rows(), p.norm_columns()) : p.x;
  return p.dropout.rate > 0 ? dropout(f, p.dropout, p.step) : f;
}

inline MarginSoftmaxProblem softmax_problem(const HeadProblem& p) {
  const HeadSpec& spec = p.spec;
  return {p.rows,
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
}

inline double head_loss(const HeadProblem& p) { return margin_softmax_loss(softmax_problem(p)); }

struct HeadGradients {
  double loss, dscale;
  Doubles dx, dweights, dbias;
};

inline HeadGradients head_gradients(const HeadProblem& p) {
  const MarginSoftmaxProblem problem = softmax_problem(p);
  const int64_t classes = problem.classes;
  const MarginSoftmaxAnswer answer = margin_softmax(problem, products(problem));
  HeadGradients result{answer.loss, 0, {}, {}, {}};
  result.dbias = cross_entropy(problem, answer.margin_logits).dz;
  result.dbias = column_sums(result.dbias, p.rows, classes);

  result.dweights = linear_backward_weight(answer.dlogits, problem.features, p.rows, p.size, classes);
  result.dweights = p.spec.normalize_weights ? remove_radial(result.dweights, p.weights, classes, p.size)
                                             : add_scaled_rows(result.dweights, p.weights, answer.class_radial, p.size);

  Doubles df = linear_backward_data(answer.dlogits, p.weights, p.rows, p.size, classes);
  df = add_scaled_rows(df, problem.features, answer.feature_radial, p.size);
  if (p.dropout.rate > 0) df = dropout(df, p.dropout, p.step);
  result.dx = df;
  if (p.spec.normalize_features) {
    result.dx = l2_scale_backward(df, p.x, p.scale, p.norm_rows(), p.norm_columns());
    result.dscale = l2_scale_backward_scale(df, p.x, p.norm_rows(), p.norm_columns());
  }
  return result;
}

}  // namespace margincore::test::reference
