// Whole heads, fp32 against fp64: the project's gate of 1e-5 on gradients, at exact angles from 0.1 to 179 degrees.
#include "train/head_loss.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "reference/head.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::HeadGradients;
using reference::HeadProblem;

struct Kind {
  std::string name;
  HeadSpec spec;
  float lambda = 0;
};

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

/// normalize features, normalize weights, scale, margin
HeadSpec head(bool features, bool weights, float scale, Margin margin) {
  HeadSpec spec;
  spec.normalize_features = features;
  spec.normalize_weights = weights;
  spec.scale = scale;
  spec.margin = margin;
  return spec;
}

HeadSpec with_bias(HeadSpec spec) {
  spec.bias = true;
  return spec;
}

HeadSpec over_batch(HeadSpec spec) {
  spec.batch_norm_scope = true;
  return spec;
}

HeadSpec learned(HeadSpec spec) {
  spec.learn_scale = true;
  return spec;
}

HeadSpec with_options(HeadSpec spec) {
  spec.feature_dropout = 0.25f;
  spec.label_smoothing = 0.1f;
  spec.class_weights = {0};  // filled for the number of classes
  return spec;
}

const Margin kNone{}, kArcFace{1, 0.5f, 0};

const Kind kKinds[] = {
    {"softmax", with_bias(head(false, false, 1, kNone))},
    {"l2-softmax", with_bias(head(true, false, 16, kNone))},
    {"l2-softmax, learned", learned(with_bias(head(true, false, 16, kNone)))},
    {"l2-softmax over the batch", over_batch(with_bias(head(true, false, 50, kNone)))},
    {"normface", head(true, true, 16, kNone)},
    {"l-softmax m 1", head(false, false, 1, {1, 0, 0})},
    {"l-softmax m 2", head(false, false, 1, {2, 0, 0})},
    {"l-softmax m 4", head(false, false, 1, {4, 0, 0})},
    {"l-softmax m 4, lambda 5", head(false, false, 1, {4, 0, 0}), 5},
    {"a-softmax m 4", head(false, true, 1, {4, 0, 0})},
    {"am-softmax", head(true, true, 30, {1, 0, 0.35f})},
    {"arcface", head(true, true, 30, kArcFace)},
    {"arcface m 1.5", head(true, true, 30, {1, 1.5f, 0})},
    {"arcface, learned", learned(head(true, true, 30, kArcFace))},
    {"arcface, linear", head(true, true, 30, {1, 0.5f, 0, Wrap::Linear})},
    {"arcface, no wrap", head(true, true, 30, {1, 0.5f, 0, Wrap::None})},
    {"arcface, easy", head(true, true, 30, {1, 0.5f, 0, Wrap::Continue, 1})},
    {"arcface, detached", head(true, true, 30, {1, 0.5f, 0, Wrap::Continue, 0, 0})},
    {"arcface with every option", with_options(head(true, true, 30, kArcFace))},
    {"arcface over the batch", over_batch(head(true, true, 50, kArcFace))},
    {"combined", head(true, true, 30, {1.25f, 0.25f, 0.125f})},
};

constexpr double kDegree = reference::kPi / 180;

/// Every feature at `degrees` from its class weight, in a random direction.
HeadProblem problem_at(const Kind& kind, const Sizes& sizes, double degrees) {
  Random random(static_cast<uint64_t>(sizes.classes));
  HeadProblem p{kind.spec, sizes.rows, sizes.size, {}, {}, {}, {}, {}, {}};
  p.spec.num_classes = sizes.classes;
  if (!p.spec.class_weights.empty()) p.spec.class_weights = random.uniform(sizes.classes, 0.2, 3);
  p.step.margin_ramp = 1;
  p.step.lambda = kind.lambda;
  p.dropout = {kind.spec.feature_dropout, 1u << 16};
  p.weights = to_doubles(random.normals(sizes.classes * sizes.size, 1 / std::sqrt(static_cast<double>(sizes.size))));
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
  request.labels = p.labels;
  return head_loss(request);
}

void expect_gradients(Op gate, const HeadLossResult& found, const HeadGradients& expected, const HeadSpec& spec) {
  expect_close(gate, found.dfeatures, expected.dx);
  expect_close(gate, found.dweights, expected.dweights);
  if (spec.bias) expect_close(gate, found.dbias, expected.dbias);
  if (spec.learn_scale) expect_close(Op::HeadScaleGradient, found.dscale, {expected.dscale});
}

}  // namespace

TEST_CASE("whole heads: loss and gradients within 1e-5 of fp64, from 1 to 179 degrees") {
  for (const std::string& backend : backend_names()) {
    for (const Kind& kind : kKinds) {
      for (const Sizes& sizes : kSizes) {
        for (double degrees : {1.0, 10.0, 90.0, 170.0, 179.0}) {
          if (kind.spec.margin.easy && degrees == 90) degrees = 89;  // 90 is where it jumps
          CAPTURE(backend);
          CAPTURE(kind.name);
          CAPTURE(sizes.classes);
          CAPTURE(degrees);
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
  for (const Kind& kind : kKinds) {
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
    for (const Kind& kind : kKinds) {
      for (const double degrees : {0.0, 0.001, 0.1, 179.9, 180.0}) {
        CAPTURE(kind.name);
        CAPTURE(degrees);
        const HeadProblem p = problem_at(kind, {8, 10, 128}, degrees);
        const HeadLossResult found = run(backend, p);
        CHECK(std::isfinite(found.loss));
        expect_finite(found.dfeatures);
        expect_finite(found.dweights);
        const double m1 = p.spec.margin.m1, cap = p.spec.scale * std::max(m1 * m1, 1 + m1 / 1e-4);
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
    for (const Kind& kind : kKinds) {
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

TEST_CASE("whole heads: logits with margin, margin-free scores and cosines") {
  for (const std::string& backend : backend_names()) {
    for (const Kind& kind : kKinds) {
      CAPTURE(kind.name);
      const Sizes sizes{5, 9, 16};
      const HeadProblem p = problem_at(kind, sizes, 75);
      const HeadLossResult found = run(backend, p);
      const reference::MarginSoftmaxProblem trained = softmax_problem(p);
      expect_close(Op::MarginLogits, found.logits,
                   reference::logits(trained, reference::products(trained)).with_margin);

      // Prediction: no dropout, no margin, and no norm of a batch that it does not have.
      HeadProblem predicted = p;
      predicted.dropout.rate = 0;
      predicted.spec.margin = {};
      if (p.spec.batch_norm_scope) predicted.spec.normalize_features = false;
      const reference::MarginSoftmaxProblem scored = softmax_problem(predicted);
      expect_close(Op::MarginLogits, found.scores, reference::logits(scored, reference::products(scored)).plain);

      const Doubles products = reference::linear_forward(p.x, p.weights, {}, sizes.rows, sizes.size, sizes.classes);
      expect_close(Op::MarginLogits, found.cosines,
                   reference::scale_logits(products, reference::row_norms(p.x, sizes.rows, sizes.size),
                                           reference::row_norms(p.weights, sizes.classes, sizes.size), {}, sizes.rows,
                                           sizes.classes));
    }
  }
}

TEST_CASE("options that cannot go together are refused") {
  const auto refused = [](const HeadSpec& spec, const char* what) {
    CHECK_THROWS_WITH_AS(validate(spec), (std::string("head: expected ") + what).c_str(), Error);
  };
  HeadSpec good = head(true, true, 30, kArcFace);
  good.num_classes = 10;
  CHECK_NOTHROW(validate(good));
  HeadSpec bad = good;
  bad.num_classes = 0;
  refused(bad, "at least one class");
  refused(with_bias(good), "no bias beside normalised class weights");
  bad = learned(good);
  bad.normalize_features = false;
  refused(bad, "normalised features where the scale is learned");
  for (const float scale : {0.0f, -1.0f, INFINITY, NAN}) {
    bad = good;
    bad.scale = scale;
    refused(bad, "a finite scale above 0");
  }
  bad = good;
  bad.margin.m1 = 0;
  refused(bad, "a finite m1 above 0");
  bad = good;
  bad.margin.m2 = NAN;
  refused(bad, "finite margins");
  bad = good;
  bad.feature_dropout = 1;
  refused(bad, "featureDropout in [0, 1)");
  bad = good;
  bad.label_smoothing = 1;
  refused(bad, "labelSmoothing in [0, 1)");
  bad = good;
  bad.class_weights = Floats(10, 1);
  bad.class_weights[3] = -1;
  refused(bad, "classWeights of at least 0");
  bad.class_weights = {1, 2};
  refused(bad, "as many classWeights as classes");
}

}  // namespace margincore::test
