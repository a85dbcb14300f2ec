// One row between its two sweeps: in fp64 against the plain reference of the whole operation, in fp32 against fp64.
#include <doctest/doctest.h>

#include <cmath>

#include "heads/row.h"
#include "reference/margin_softmax.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::MarginSoftmaxProblem;

constexpr int64_t kClasses = 6, kSize = 4;

/// A single sample; `classes` class weights, of which its own is the second, where there is one.
MarginSoftmaxProblem problem(uint64_t seed, int64_t classes = kClasses) {
  Random random(seed);
  MarginSoftmaxProblem p{.rows = 1,
                         .classes = classes,
                         .size = kSize,
                         .features = to_doubles(random.normals(kSize, 2)),
                         .class_weights = to_doubles(random.normals(classes * kSize)),
                         .labels = {classes > 1 ? 1 : 0}};
  p.head.margin.m2 = 0.5f;
  return p;
}

void add_class_terms(MarginSoftmaxProblem& p, uint64_t seed) {
  Random random(seed);
  for (int64_t j = 0; j < p.classes; ++j) {
    p.class_scale.push_back(1.5 + 0.25 * static_cast<double>(j % 3));
    p.class_shift.push_back(random.normals(1)[0]);
    p.loss_weights.push_back(0.5 + 0.5 * static_cast<double>(j % 4));
  }
}

/// The row as a backend asks for it, in numbers of the type.
template <class Real>
struct Row {
  OtherClasses<Real> others;
  HeadRow<Real> row;
};

template <class Real>
Row<Real> row(const MarginSoftmaxProblem& p) {
  const int64_t y = p.labels[0];
  const Doubles z = reference::logits(p, reference::products(p)).plain;
  double max = -1e30, sum = 0, weighted = 0, weight_sum = 0;
  for (int64_t j = 0; j < p.classes; ++j) {
    weight_sum += p.weight_of(j);
    if (j == y) continue;
    max = std::max(max, z[j]);
    weighted += p.weight_of(j) * z[j];
  }
  for (int64_t j = 0; j < p.classes; ++j) sum += j == y ? 0 : std::exp(z[j] - max);

  const double* f = p.features.data();
  const double* w = &p.class_weights[y * p.size];
  double f_norm = 0, w_norm = 0, squared_difference = 0, squared_sum = 0;
  for (int64_t k = 0; k < p.size; ++k) {
    f_norm += f[k] * f[k];
    w_norm += w[k] * w[k];
  }
  f_norm = std::sqrt(f_norm);
  w_norm = std::sqrt(w_norm);
  for (int64_t k = 0; k < p.size; ++k) {
    const double a = f[k] * inverse_norm(f_norm), b = w[k] * inverse_norm(w_norm);
    squared_difference += (a - b) * (a - b);
    squared_sum += (a + b) * (a + b);
  }
  const BatchTerms<Real> batch{.margin = ramped(p.head.margin, static_cast<float>(p.ramp)),
                               .lambda = Real(p.lambda),
                               .label_smoothing = p.head.label_smoothing,
                               .classes = Real(p.classes),
                               .weight_sum = Real(weight_sum),
                               .normalizer = Real(1 / p.weight_of(y))};
  const RowTarget<Real> target{
      .plain = Real(z[y]),
      .factor = Real(reference::class_factor(p, y)),
      .weight = Real(p.weight_of(y)),
      .geometry = target_geometry<Real>(Real(f_norm), Real(w_norm), Real(p.scale_of(y)), p.head.normalize_weights != 0,
                                        angle_between(Real(squared_difference), Real(squared_sum)))};
  const OtherClasses<Real> others{{Real(max), Real(sum)}, Real(weighted)};
  return {others, row_of(batch, target, others)};
}

/// Everything of a row, with the gradients that a second sweep would write.
template <class Real>
Doubles numbers(const MarginSoftmaxProblem& p) {
  const Row<Real> found = row<Real>(p);
  const RowGradient<Real>& gradient = found.row.gradient;
  Doubles result{found.row.loss, found.row.dz, gradient.target_logit, found.row.feature_radial, gradient.target};
  if (!p.head.normalize_weights) result.push_back(found.row.class_radial);
  const Doubles z = reference::logits(p, reference::products(p)).plain;
  for (int64_t j = 0; j < p.classes; ++j) {
    if (j == p.labels[0]) continue;
    const Real exponential = std::exp(Real(z[j]) - gradient.max);
    const Real dz = gradient.per_exponent * exponential - gradient.smooth * Real(p.weight_of(j));
    result.push_back(static_cast<double>(dz) * reference::class_factor(p, j));
  }
  return result;
}

Doubles expected_numbers(const MarginSoftmaxProblem& p) {
  const reference::MarginSoftmaxAnswer answer = reference::margin_softmax(p, reference::products(p));
  const int64_t y = p.labels[0];
  Doubles result{answer.loss, answer.target_terms[0], answer.target_terms[1], answer.feature_radial[0],
                 answer.dlogits[y]};
  if (!p.head.normalize_weights) result.push_back(answer.class_radial[y]);
  for (int64_t j = 0; j < p.classes; ++j)
    if (j != y) result.push_back(answer.dlogits[j]);
  return result;
}

void expect_near(const Doubles& found, const Doubles& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance * (1 + std::abs(expected[i])));
  }
}

void expect_as_reference(const MarginSoftmaxProblem& p) {
  const reference::MarginSoftmaxAnswer answer = reference::margin_softmax(p, reference::products(p));
  const HeadRow<double> found = row<double>(p).row;
  CHECK(found.correct == (answer.correct == 1));
  CHECK(found.past_pi == (answer.past_pi == 1));
  expect_near(numbers<double>(p), expected_numbers(p), 1e-12);
  expect_near(numbers<float>(p), numbers<double>(p), 1e-5);
}

}  // namespace

TEST_CASE("a row is that of the whole operation's reference, with every option of the head") {
  const Margin margins[] = {{1, 0, 0}, {3, 0, 0}, {1, 0.5f, 0}, {1, 0, 0.35f}, {1.5f, 0.25f, 0.125f}};
  for (const Margin& margin : margins) {
    for (const int32_t unit_weights : {0, 1}) {
      for (const float smoothing : {0.0f, 0.1f}) {
        for (const bool class_terms : {false, true}) {
          for (uint64_t seed = 0; seed < 10; ++seed) {
            CAPTURE(margin.m1);
            CAPTURE(margin.m2);
            CAPTURE(unit_weights);
            CAPTURE(smoothing);
            CAPTURE(class_terms);
            CAPTURE(seed);
            MarginSoftmaxProblem p = problem(seed);
            p.head.margin = margin;
            p.head.normalize_weights = unit_weights;
            p.head.label_smoothing = smoothing;
            p.lambda = 0.25 * static_cast<double>(seed % 3);
            p.ramp = seed % 4 == 0 ? 0.5 : 1;
            if (class_terms) add_class_terms(p, seed);
            expect_as_reference(p);
          }
        }
      }
    }
  }
}

TEST_CASE("a row of a single class has no loss and no gradient, exactly") {
  for (const float smoothing : {0.0f, 0.1f}) {
    MarginSoftmaxProblem p = problem(1, 1);
    p.head.label_smoothing = smoothing;
    add_class_terms(p, 1);
    p.loss_weights = {0.3};
    const HeadRow<float> found = row<float>(p).row;
    CHECK(found.loss == 0);
    CHECK(found.dz == 0);
    CHECK(found.gradient.target == 0);
    CHECK(found.correct);
    expect_as_reference(p);
  }
}

TEST_CASE("a row with a zero feature or class weight keeps its logit, and nothing goes along either") {
  for (const bool zero_feature : {true, false}) {
    for (const int32_t unit_weights : {0, 1}) {
      CAPTURE(zero_feature);
      CAPTURE(unit_weights);
      MarginSoftmaxProblem p = problem(2);
      p.head.normalize_weights = unit_weights;
      p.head.label_smoothing = 0.1f;
      add_class_terms(p, 2);
      for (int64_t k = 0; k < kSize; ++k) (zero_feature ? p.features[k] : p.class_weights[kSize + k]) = 0;
      const HeadRow<float> found = row<float>(p).row;
      CHECK(found.gradient.target_logit == static_cast<float>(p.shift_of(1)));
      CHECK(found.feature_radial == 0);
      CHECK(found.class_radial == 0);
      CHECK_FALSE(found.past_pi);
      expect_as_reference(p);
    }
  }
}

TEST_CASE("a row whose feature is not a number is none") {
  MarginSoftmaxProblem p = problem(3);
  p.features[0] = std::nan("");
  const HeadRow<float> found = row<float>(p).row;
  CHECK(std::isnan(found.loss));
  CHECK(std::isnan(found.dz));
  CHECK_FALSE(found.correct);
}

}  // namespace margincore::test
