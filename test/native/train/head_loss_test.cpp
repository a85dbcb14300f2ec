// Whole heads, fp32 against fp64: the project's gate of 1e-5 on gradients, at exact angles from 0.1 to 179 degrees.
#include "train/head_loss.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "reference/head.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/differences.h"
#include "support/head_kinds.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::HeadGradients;
using reference::HeadProblem;
using reference::kDegree;

struct Sizes {
  int64_t rows, classes, size;
  Op gate = Op::HeadGradient;
};

const Sizes kSizes[] = {
    {8, 10, 128},
    {32, 100, 64},
    {3, 1009, 64, Op::WideHeadGradient},
    {1, 3, 2, Op::WideHeadGradient},
};

Doubles rounded(const Doubles& values) { return to_doubles(to_floats(values)); }

/// Every feature at `degrees` from its class weight, in a random direction.
HeadProblem problem_at(const HeadKind& kind, const Sizes& sizes, double degrees) {
  Random random(static_cast<uint64_t>(sizes.classes));
  HeadProblem p{kind.spec, sizes.rows, sizes.size};
  p.spec.num_classes = sizes.classes;
  if (!p.spec.class_weights.empty()) p.spec.class_weights = random.uniform(sizes.classes, 0.2, 3);
  p.step.margin_ramp = 1;
  p.step.lambda = kind.lambda;
  p.dropout = {kind.spec.feature_dropout, 1u << 16};
  p.weights = to_doubles(random.normals(sizes.classes * sizes.size, 1 / std::sqrt(static_cast<double>(sizes.size))));
  if (p.spec.fixed_weights) p.weights = rounded(reference::unit_rows(p.weights, sizes.classes, sizes.size));
  if (p.spec.center_weight > 0) p.centers = to_doubles(random.normals(sizes.classes * sizes.size, 0.3));
  if (p.spec.bias) p.bias = to_doubles(random.normals(sizes.classes, 0.1));
  p.labels = random.integers(sizes.rows, 0, sizes.classes - 1);
  for (int64_t i = 0; i < sizes.rows; ++i) {
    const auto row = p.weights.begin() + p.labels[i] * sizes.size;
    const Doubles w(row, row + sizes.size), unit = reference::unit_rows(w, 1, sizes.size);
    Doubles side = reference::remove_radial(to_doubles(random.normals(sizes.size)), w, 1, sizes.size);
    side = reference::unit_rows(side, 1, sizes.size);
    const double length = random.between(1, 6), c = std::cos(degrees * kDegree), s = std::sin(degrees * kDegree);
    for (int64_t k = 0; k < sizes.size; ++k) {
      const double value = degrees == 0 || degrees == 180 ? c * 4 * w[k] : length * (c * unit[k] + s * side[k]);
      p.x.push_back(static_cast<float>(value));
    }
  }
  return p;
}

HeadLossResult run(const std::string& backend, const HeadProblem& p) {
  HeadLossRequest request;
  request.backend = backend;
  request.options.deterministic = 1;
  request.head = p.spec;
  request.embedding_size = p.size;
  request.lambda = p.step.lambda;
  request.features = to_floats(p.x);
  request.weights = to_floats(p.weights);
  request.bias = to_floats(p.bias);
  if (!p.spec.fixed_weights) request.centers = to_floats(p.centers);
  request.labels = p.labels;
  return head_loss(request);
}

void expect_gradients(Op gate, const HeadLossResult& found, const HeadGradients& expected, const HeadSpec& spec) {
  expect_close(gate, found.dfeatures, expected.dx);
  expect_close(gate, found.dweights, expected.dweights);
  if (spec.bias) expect_close(gate, found.dbias, expected.dbias);
  if (spec.learn_scale) expect_close(Op::HeadScaleGradient, found.dscale, {expected.dscale});
  expect_close(Op::HeadCenterGradient, found.dcenters, expected.dcenters);
}

}  // namespace

TEST_CASE("whole heads: loss and gradients within 1e-5 of fp64, from 1 to 179 degrees") {
  for (const std::string& backend : backend_names()) {
    for (const HeadKind& kind : kHeadKinds) {
      for (const Sizes& sizes : kSizes) {
        for (double degrees : {1.0, 10.0, 90.0, 170.0, 179.0}) {
          if (kind.spec.margin.easy && degrees == 90) degrees = 89;  // 90 is where it jumps
          CAPTURE(backend);
          CAPTURE(kind.name);
          CAPTURE(sizes.classes);
          CAPTURE(degrees);
          // A single row is its own mean: nothing but rounding is left of it. And centroids beyond a simplex are
          // searched for, which takes long.
          if (kind.spec.scaled_bn && sizes.rows == 1) continue;
          if (kind.spec.fixed_weights && sizes.size < sizes.classes - 1) continue;
          const HeadProblem p = problem_at(kind, sizes, degrees);
          const HeadGradients expected = reference::head_gradients(p);
          const HeadLossResult found = run(backend, p);
          expect_close(Op::HeadLoss, {found.loss}, {expected.loss});
          // Over the batch, no projection takes a row's large part along itself away again; and where every sample is
          // certain, the gradient is e^z of logits near -30, which are rounded to 2e-6.
          const bool wide = p.spec.batch_norm_scope || expected.loss < 1e-3;
          expect_gradients(wide ? Op::WideHeadGradient : sizes.gate, found, expected, p.spec);
        }
      }
    }
  }
}

TEST_CASE("whole heads: the reference's gradients are the differences of its loss") {
  const Sizes sizes{4, 6, 5};
  for (const HeadKind& kind : kHeadKinds) {
    if (!kind.spec.margin.exact) continue;
    for (const double degrees : {10.0, 63.0, 91.0, 170.0}) {
      CAPTURE(kind.name);
      CAPTURE(degrees);
      const HeadProblem p = problem_at(kind, sizes, degrees);
      const HeadGradients g = reference::head_gradients(p);
      const auto expect_differences = [&](const Doubles& gradient, const Doubles& start, auto assign) {
        HeadProblem moved = p;
        const auto all = Random(1).indices(start.size(), start.size());
        const Doubles slopes = central_differences(start, all, 1e-6, [&](const Doubles& values) {
          assign(moved, values);
          return reference::head_loss(moved);
        });
        CHECK(relative_distance(to_floats(gradient), slopes) < 1e-6);
      };
      expect_differences(g.dx, p.x, [](HeadProblem& q, const Doubles& values) { q.x = values; });
      if (!kind.spec.fixed_weights)
        expect_differences(g.dweights, p.weights, [](HeadProblem& q, const Doubles& values) { q.weights = values; });
      if (kind.spec.bias)
        expect_differences(g.dbias, p.bias, [](HeadProblem& q, const Doubles& values) { q.bias = values; });
      if (kind.spec.learn_scale)
        expect_differences({g.dscale}, {p.scale}, [](HeadProblem& q, const Doubles& values) { q.scale = values[0]; });
    }
  }
}

TEST_CASE("whole heads below 1 degree and at exactly 0 and 180: finite, and bounded by the floor of sin(theta)") {
  for (const std::string& backend : backend_names()) {
    for (const HeadKind& kind : kHeadKinds) {
      for (const double degrees : {0.0, 0.001, 0.1, 179.9, 180.0}) {
        CAPTURE(kind.name);
        CAPTURE(degrees);
        const HeadProblem p = problem_at(kind, {8, 10, 128}, degrees);
        const HeadLossResult found = run(backend, p);
        CHECK(std::isfinite(found.loss));
        expect_finite(found.dfeatures);
        expect_finite(found.dweights);
        const double m1 = p.spec.margin.m1, cap = p.spec.scale * std::max(m1 * m1, 1 + m1 / 1e-4);
        if (!p.spec.scaled_bn)  // which has a factor of its own
          for (float value : found.dfeatures) CHECK(std::abs(value) <= cap);
        if (degrees != 0.1 && degrees != 179.9) continue;
        // No gate is promised here; this is what the stable forms leave.
        const HeadGradients expected = reference::head_gradients(p);
        CHECK(relative_distance(found.dfeatures, expected.dx) < 1e-3);
        CHECK(relative_distance(found.dweights, expected.dweights) < 1e-3);
      }
    }
  }
}

TEST_CASE("whole heads: zero features and zero class weights") {
  for (const std::string& backend : backend_names()) {
    for (const HeadKind& kind : kHeadKinds) {
      CAPTURE(kind.name);
      const int64_t size = 16;
      HeadProblem p = problem_at(kind, {6, 7, size}, 60);
      p.labels = {0, 1, 2, 3, 2, 5};
      std::fill_n(p.x.begin() + size, size, 0);            // row 1
      std::fill_n(p.weights.begin() + 2 * size, size, 0);  // class 2, target of rows 2 and 4
      std::fill_n(p.weights.begin() + 6 * size, size, 0);  // class 6, nobody's target
      const HeadLossResult found = run(backend, p);
      CHECK(std::isfinite(found.loss));
      // The reference holds the rule: un-margined derivative for free vectors, none for directions.
      expect_gradients(Op::HeadGradient, found, reference::head_gradients(p), p.spec);
      const auto is_zero = [&](const Floats& matrix, int64_t row) {
        return std::all_of(matrix.begin() + row * size, matrix.begin() + (row + 1) * size,
                           [](float value) { return value == 0; });
      };
      if (kind.spec.normalize_features && !kind.spec.batch_norm_scope) CHECK(is_zero(found.dfeatures, 1));
      if (kind.spec.normalize_weights) {
        CHECK(is_zero(found.dweights, 2));
        CHECK(is_zero(found.dweights, 6));
      }
    }
  }
}

TEST_CASE("whole heads: one class, one dimension, one row") {
  for (const std::string& backend : backend_names()) {
    for (const HeadKind& kind : kHeadKinds) {
      for (const Sizes& sizes : {Sizes{4, 1, 8}, Sizes{4, 3, 1}, Sizes{1, 1, 1}, Sizes{1, 10, 16}}) {
        CAPTURE(kind.name);
        CAPTURE(sizes.rows);
        CAPTURE(sizes.classes);
        CAPTURE(sizes.size);
        const HeadProblem p = problem_at(kind, sizes, sizes.size == 1 ? 0 : 60);
        const HeadLossResult found = run(backend, p);
        expect_close(Op::HeadLoss, {found.loss}, {reference::head_loss(p)});
        for (const Floats* values : {&found.dfeatures, &found.dweights, &found.logits, &found.scores, &found.cosines})
          expect_finite(*values);
        CHECK(found.logits.size() == static_cast<size_t>(sizes.rows * sizes.classes));
      }
    }
  }
}

TEST_CASE("whole heads: logits with margin, margin-free scores and cosines") {
  for (const std::string& backend : backend_names()) {
    for (const HeadKind& kind : kHeadKinds) {
      for (const Sizes& sizes : {Sizes{5, 9, 16}, Sizes{12, 10, 512}}) {
        CAPTURE(kind.name);
        CAPTURE(sizes.size);
        const HeadProblem p = problem_at(kind, sizes, 75);
        const HeadLossResult found = run(backend, p);
        const reference::MarginSoftmaxProblem trained = softmax_problem(p);
        expect_close(Op::MarginLogits, found.logits,
                     reference::logits(trained, reference::products(trained)).with_margin);

        // Prediction: no dropout, no margin, and no norm of a batch that it does not have; scaled batch norm with the
        // statistics of these samples, as they were trained on.
        HeadProblem predicted = p;
        predicted.dropout.rate = 0;
        predicted.spec.margin = {};
        if (p.spec.batch_norm_scope) predicted.spec.normalize_features = false;
        reference::MarginSoftmaxProblem scored = softmax_problem(predicted);
        if (p.spec.scaled_bn) {
          scored.class_scale = trained.class_scale;
          scored.class_shift = trained.class_shift;
        }
        expect_close(Op::MarginLogits, found.scores, reference::logits(scored, reference::products(scored)).plain);

        const Doubles products = reference::linear_forward(p.x, p.weights, {}, sizes.rows, sizes.size, sizes.classes);
        expect_close(Op::MarginLogits, found.cosines,
                     reference::scale_logits(products, reference::row_norms(p.x, sizes.rows, sizes.size),
                                             reference::row_norms(p.weights, sizes.classes, sizes.size), {}, {},
                                             sizes.rows, sizes.classes));
      }
    }
  }
}

TEST_CASE("head_loss: fixed weights count by direction, and centres that are not given are 0") {
  for (const std::string& backend : backend_names()) {
    for (const HeadKind& kind : kHeadKinds) {
      if (kind.spec.center_weight == 0) continue;
      CAPTURE(kind.name);
      HeadProblem p = problem_at(kind, {6, 7, 16}, 60);
      for (double& weight : p.weights) weight *= kind.spec.fixed_weights ? 4 : 1;
      p.centers.clear();
      const HeadLossResult found = run(backend, p);
      for (double& weight : p.weights) weight /= kind.spec.fixed_weights ? 4 : 1;
      p.centers.assign(7 * 16, 0);
      const HeadGradients expected = reference::head_gradients(p);
      expect_close(Op::HeadLoss, {found.loss}, {expected.loss});
      expect_gradients(Op::HeadGradient, found, expected, p.spec);
    }
  }
}

}  // namespace margincore::test
