#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "support/backends.h"
#include "support/compare.h"
#include "support/differences.h"
#include "support/margin_softmax.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::MarginSoftmaxAnswer;
using reference::MarginSoftmaxProblem;
using Call = MarginSoftmaxCall;

// One class, two dimensions, one row; more classes than a warp takes, with rows of whole fours and others.
const MarginSizes kSizes[] = {{1, 2, 2},   {1, 1, 5},    {3, 10, 2},    {2, 17, 16}, {127, 10, 33},
                              {128, 3, 7}, {5, 513, 17}, {4, 1009, 64}, {7, 8, 12},  {3, 516, 6}};

/// One of the two columns of `target_terms`.
template <class T>
std::vector<T> column(const std::vector<T>& pairs, size_t which) {
  std::vector<T> values;
  for (size_t i = which; i < pairs.size(); i += 2) values.push_back(pairs[i]);
  return values;
}

void expect_reference(Backend& backend, const MarginSoftmaxProblem& p) {
  const Floats products = to_floats(reference::products(p));
  const Call call(backend, p, products);
  const MarginSoftmaxAnswer expected = reference::margin_softmax(p, to_doubles(products));
  expect_close(Op::MarginLoss, {call.report().loss}, {expected.loss});
  expect_close(Op::LogitGradientNorm, {call.report().logit_gradient_norm}, {expected.logit_gradient_norm});
  CHECK(call.report().correct == expected.correct);
  CHECK(call.report().past_pi == expected.past_pi);
  CHECK_FALSE(call.halted());
  expect_close(Op::MarginLogits, call.device.read(call.operands.margin_logits), expected.margin_logits);
  expect_close(Op::MarginGradient, call.dlogits(), expected.dlogits);
  const Floats terms = call.device.read(call.operands.target_terms);
  expect_close(Op::MarginGradient, column(terms, 0), column(expected.target_terms, 0));
  expect_close(Op::MarginLogits, column(terms, 1), column(expected.target_terms, 1));
  if (call.operands.feature_radial)
    expect_close(Op::MarginRadial, call.device.read(call.operands.feature_radial), expected.feature_radial);
  if (call.operands.class_radial)
    expect_close(Op::MarginRadial, call.device.read(call.operands.class_radial), expected.class_radial);
  const auto reports = call.device.read<StepReport>(call.operands.report, 3);
  const StepReport untouched{-1, -1, -1, -1, -1};
  for (int other : {0, 2}) CHECK(std::memcmp(&reports[other], &untouched, sizeof untouched) == 0);
  CHECK(reports[1].gradient_norm == -1);  // another operation's entry
}

}  // namespace

TEST_CASE("margin_softmax against the reference: every margin and size") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const MarginSizes& sizes : kSizes) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(kind.name);
        CAPTURE(sizes.rows);
        CAPTURE(sizes.classes);
        CAPTURE(sizes.size);
        expect_reference(*backend, make_problem(sizes, kind, 1));
      }
    }
  }
}

TEST_CASE("margin_softmax: bias, class weights and label smoothing, one by one and together") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const MarginSizes& sizes : {MarginSizes{6, 10, 8}, MarginSizes{3, 600, 5}, MarginSizes{2, 1, 3}}) {
        for (int options = 1; options < 8; ++options) {
          CAPTURE(std::string(backend->info().device));
          CAPTURE(kind.name);
          CAPTURE(sizes.classes);
          CAPTURE(options);
          MarginSoftmaxProblem p = make_problem(sizes, kind, 2);
          Random random(3);
          if ((options & 1) != 0) p.class_shift = to_doubles(random.normals(sizes.classes));
          if ((options & 2) != 0) p.loss_weights = to_doubles(random.uniform(sizes.classes, 0.1, 3));
          if ((options & 4) != 0) p.head.label_smoothing = 0.125f;
          expect_reference(*backend, p);
        }
      }
    }
  }
}

TEST_CASE("margin_softmax: rows that are cut into parts, and rows just short of that") {
  const MarginSizes kManyClasses[] = {{1, 16'384, 4}, {5, 16'388, 3},  {4, 16'387, 2}, {3, 16'383, 2},
                                      {2, 40'001, 2}, {13, 16'390, 5}, {11, 16'385, 4}};
  for (Backend* backend : backends()) {
    for (const std::string kind : {"softmax", "arcface", "l-softmax"}) {
      for (const MarginSizes& sizes : kManyClasses) {
        for (const bool with_options : {false, true}) {
          CAPTURE(std::string(backend->info().device));
          CAPTURE(kind);
          CAPTURE(sizes.classes);
          CAPTURE(with_options);
          MarginSoftmaxProblem p = make_problem(sizes, margin_kind(kind), 16);
          p.labels[0] = static_cast<int32_t>(sizes.classes - 1);
          if (sizes.rows > 2) p.labels[1] = p.labels[2] = 1023;  // the end of a part; twice, to be added up
          if (with_options) {
            p.class_scale = to_doubles(Random(17).uniform(sizes.classes, 0.5, 1));
            p.class_shift = to_doubles(Random(18).normals(sizes.classes));
            p.loss_weights = to_doubles(Random(19).uniform(sizes.classes, 0.1, 3));
            p.head.label_smoothing = 0.125f;
          }
          expect_reference(*backend, p);
        }
      }
    }
  }
}

TEST_CASE("margin_softmax: classes of weight 0 count for nothing, and a batch of them is no loss") {
  for (Backend* backend : backends()) {
    MarginSoftmaxProblem p = make_problem({6, 10, 8}, margin_kind("arcface"), 2);
    p.labels = {0, 1, 2, 2, 1, 0};
    p.loss_weights = Doubles(10, 1);
    p.loss_weights[1] = 0;
    expect_reference(*backend, p);
    p.loss_weights = {0, 0, 0, 1, 1, 1, 1, 1, 1, 1};
    const Call call(*backend, p);
    CHECK(call.report().loss == 0);
    CHECK_FALSE(call.halted());
    for (float value : call.dlogits()) CHECK(value == 0);
  }
}

TEST_CASE("margin_softmax: a scale per class multiplies the target's margin, too") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      CAPTURE(kind.name);
      MarginSoftmaxProblem p = make_problem({6, 10, 8}, kind, 4);
      p.class_scale = to_doubles(Random(5).uniform(10, 0.5, 2));
      p.class_shift = to_doubles(Random(6).normals(10));
      expect_reference(*backend, p);
    }
  }
}

TEST_CASE("margin_softmax: gradients are the differences of the loss, in features and in class weights") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      if (!kind.margin.exact) continue;  // "detached" is no derivative
      for (const bool with_options : {false, true}) {
        CAPTURE(kind.name);
        CAPTURE(with_options);
        MarginSoftmaxProblem p = make_problem({4, 7, 5}, kind, 7);
        if (with_options) {
          p.class_shift = to_doubles(Random(8).normals(7));
          p.loss_weights = to_doubles(Random(9).uniform(7, 0.1, 3));
          p.head.label_smoothing = 0.125f;
        }
        const Call call(*backend, p);
        const auto all = [](const Doubles& values) { return Random(1).indices(values.size(), values.size()); };
        MarginSoftmaxProblem moved = p;
        const Doubles df = central_differences(p.features, all(p.features), 1e-5, [&](const Doubles& f) {
          moved.features = f;
          return reference::margin_softmax_loss(moved);
        });
        moved = p;
        const Doubles dw = central_differences(p.class_weights, all(p.class_weights), 1e-6, [&](const Doubles& w) {
          moved.class_weights = w;
          return reference::margin_softmax_loss(moved);
        });
        expect_close(Op::HeadGradient, to_floats(call.feature_gradient()), df);
        expect_close(Op::HeadGradient, to_floats(call.weight_gradient()), dw);
      }
    }
  }
}

TEST_CASE("margin_softmax: a loss that is not finite halts, one that is very large does not") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : {margin_kind("softmax"), margin_kind("arcface")}) {
      CAPTURE(kind.name);
      const MarginSoftmaxProblem p = make_problem({3, 600, 8}, kind, 10);
      const Floats products = to_floats(reference::products(p));
      for (const float bad : {kNaN, INFINITY}) {
        for (const size_t place : {size_t{0}, size_t{600 + 599}, size_t(2 * 600 + p.labels[2])}) {
          CAPTURE(bad);
          CAPTURE(place);
          Floats broken = products;
          broken[place] = bad;
          const Call call(*backend, p, broken);
          // Plus infinity on the target itself is a perfect sample; everywhere else the loss is not finite.
          if (bad == INFINITY && place == size_t(2 * 600 + p.labels[2])) continue;
          CHECK(call.halted());
          CHECK_FALSE(std::isfinite(call.report().loss));
        }
      }
      Floats far = products;
      far[p.labels[0]] = -1e6f;
      const Call call(*backend, p, far);
      CHECK_FALSE(call.halted());
      CHECK(call.report().loss > 1e5f);
      expect_finite(call.dlogits());
    }
  }
}

TEST_CASE("margin_softmax near certainty: loss and gradient keep their digits") {
  for (Backend* backend : backends()) {
    // One other class, at a distance of 20, 50 and 80 below and above the target.
    for (const double distance : {20.0, 50.0, 80.0}) {
      for (const double sign : {1.0, -1.0}) {
        CAPTURE(distance * sign);
        MarginSoftmaxProblem p{1, 2, 1, {1}, {distance * sign, 0}, {0}};
        const Call call(*backend, p);
        const double wrong = 1 / (1 + std::exp(distance * sign));  // 1 - p_y
        expect_close(Op::MarginLoss, {call.report().loss}, {sign > 0 ? std::log1p(std::exp(-distance)) : distance});
        expect_close(Op::MarginGradient, call.dlogits(), {-wrong, wrong});
      }
    }
  }
}

TEST_CASE("margin_softmax: zero features and zero class weights give finite gradients by the rule") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      CAPTURE(kind.name);
      MarginSoftmaxProblem p = make_problem({5, 6, 8}, kind, 11);
      p.labels = {0, 1, 2, 3, 1};
      std::fill_n(p.features.begin() + 8, 8, 0);        // row 1
      std::fill_n(p.class_weights.begin() + 16, 8, 0);  // class 2, the target of row 2
      expect_reference(*backend, p);
    }
  }
}

TEST_CASE("margin_softmax at exactly 0 and 180 degrees is finite and within the cap") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const double direction : {1.0, -1.0}) {
        CAPTURE(kind.name);
        CAPTURE(direction);
        MarginSoftmaxProblem p = make_problem({4, 6, 8}, kind, 12);
        for (int64_t i = 0; i < p.rows; ++i)
          for (int64_t k = 0; k < p.size; ++k)
            p.features[i * p.size + k] = direction * 4 * p.class_weights[p.labels[i] * p.size + k];
        const Call call(*backend, p);
        CHECK_FALSE(call.halted());
        expect_finite(call.dlogits());
        expect_finite(to_floats(call.feature_gradient()));
        expect_finite(to_floats(call.weight_gradient()));
        const double m1 = kind.margin.m1;
        const double cap = std::max(m1 * m1, 1 + m1 / 1e-4);
        for (int64_t i = 0; i < p.rows; ++i) {
          const double factor = reference::class_factor(p, p.labels[i]);
          CHECK(std::abs(call.dlogits()[i * p.classes + p.labels[i]]) <= 1.001 * factor * cap / p.rows);
        }
      }
    }
  }
}

TEST_CASE("margin_softmax counts the samples whose margin's angle lies beyond pi") {
  struct Expected {
    std::string kind;
    double degrees;
    int32_t past_pi;
  };
  const Expected kExpected[] = {
      {"softmax", 170, 0},
      {"l-softmax", 40, 0},
      {"l-softmax", 50, 5},  // 4 * 50 degrees
      {"am-softmax", 170, 0},
      {"arcface", 145, 0},
      {"arcface", 155, 5},  // and 28.6 more
      {"arcface, linear", 155, 5},
      {"arcface, no wrap", 155, 5},
      {"arcface, easy", 155, 0},  // has no margin there
      {"arcface, half ramp", 155, 0},
      {"arcface, half ramp", 170, 5},
      {"combined", 130, 0},
      {"combined", 140, 5},  // 1.25 * 140 + 14.3
  };
  for (Backend* backend : backends()) {
    for (const Expected& expected : kExpected) {
      CAPTURE(expected.kind);
      CAPTURE(expected.degrees);
      MarginSoftmaxProblem p = make_problem({7, 5, 2}, margin_kind(expected.kind), 14);
      for (int64_t i = 0; i < p.rows; ++i) {
        // Two rows stand at their class's weight.
        const double angle = i < 2 ? 0 : expected.degrees * reference::kPi / 180;
        const double* w = &p.class_weights[p.labels[i] * 2];
        p.features[2 * i] = std::cos(angle) * w[0] - std::sin(angle) * w[1];
        p.features[2 * i + 1] = std::sin(angle) * w[0] + std::cos(angle) * w[1];
      }
      CHECK(Call(*backend, p).report().past_pi == expected.past_pi);
    }
  }
}

TEST_CASE("margin_softmax: outputs that are not asked for change nothing") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      CAPTURE(kind.name);
      const MarginSoftmaxProblem p = make_problem({5, 600, 8}, kind, 15);
      Call call(*backend, p);
      const Floats expected = call.dlogits();
      const StepReport report = call.report();
      MarginSoftmaxOperands& o = call.operands;
      o.margin_logits = o.target_terms = o.feature_radial = o.class_radial = {};
      o.logits = call.device.inout(to_floats(reference::products(p)), o.logits.shape);
      call.device.call(backend->margin_softmax(o, p.head));
      expect_same(call.dlogits(), expected);
      const StepReport again = call.report();
      CHECK(std::memcmp(&again, &report, sizeof report) == 0);
    }
  }
}

TEST_CASE("margin_softmax: a margin of nothing is the plain head, bit for bit") {
  for (Backend* backend : backends()) {
    const Margin arcface = margin_kind("arcface").margin;
    const MarginSoftmaxProblem p = make_problem({16, 100, 32}, margin_kind("normface"), 13);
    const Call expected(*backend, p);
    const auto expect_plain = [&](const MarginSoftmaxProblem& other) {
      const Call call(*backend, other);
      expect_same(call.dlogits(), expected.dlogits());
      CHECK(call.report().loss == expected.report().loss);
      CHECK(call.report().correct == expected.report().correct);
    };
    MarginSoftmaxProblem ramped = p;
    ramped.head.margin = arcface;
    ramped.ramp = 0;
    expect_plain(ramped);
    MarginSoftmaxProblem annealed = p;
    annealed.head.margin = arcface;
    annealed.lambda = INFINITY;
    expect_plain(annealed);
  }
}

}  // namespace margincore::test
