#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "reference/margin_softmax.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::MarginSoftmaxAnswer;
using reference::MarginSoftmaxProblem;

struct Sizes {
  int64_t rows, classes, size;
};

// More classes than one block of 512, one more than a block, one class, two dimensions, one row.
const Sizes kSizes[] = {{1, 2, 2},     {1, 1, 5},   {3, 10, 2},   {2, 17, 16},
                        {127, 10, 33}, {128, 3, 7}, {5, 513, 17}, {4, 1009, 64}};

Margin margin(float m1, float m2, float m3, Wrap wrap = Wrap::Continue, int easy = 0, int exact = 1) {
  return {m1, m2, m3, wrap, easy, exact};
}

struct Kind {
  std::string name;
  Margin margin;
  bool normalize_weights;
  double feature_norm;  // about; the scale of cosine heads
  double lambda, ramp;
};

const Kind kKinds[] = {
    {"softmax", margin(1, 0, 0), false, 3, 0, 1},
    {"normface", margin(1, 0, 0), true, 16, 0, 1},
    {"l-softmax", margin(4, 0, 0), false, 3, 0, 1},
    {"l-softmax, lambda 5", margin(3, 0, 0), false, 3, 5, 1},
    {"a-softmax, lambda 0.5", margin(4, 0, 0), true, 8, 0.5, 1},
    {"am-softmax", margin(1, 0, 0.35f), true, 30, 0, 1},
    {"arcface", margin(1, 0.5f, 0), true, 30, 0, 1},
    {"arcface, free weights", margin(1, 0.5f, 0), false, 3, 0, 1},
    {"arcface, linear", margin(1, 0.5f, 0, Wrap::Linear), true, 16, 0, 1},
    {"arcface, no wrap", margin(1, 0.5f, 0, Wrap::None), true, 16, 0, 1},
    {"arcface, easy", margin(1, 0.5f, 0, Wrap::Continue, 1), true, 16, 0, 1},
    {"arcface, detached", margin(1, 0.5f, 0, Wrap::Continue, 0, 0), true, 30, 0, 1},
    {"arcface, half ramp", margin(1, 0.5f, 0), true, 30, 0, 0.5},
    {"combined", margin(1.25f, 0.25f, 0.125f), true, 16, 0, 1},
    {"combined, free, lambda 1", margin(1.5f, 0.25f, 0.125f), false, 3, 1, 1},
};

MarginSoftmaxProblem make_problem(const Sizes& sizes, const Kind& kind, uint64_t seed) {
  Random random(seed);
  MarginSoftmaxProblem p{sizes.rows, sizes.classes, sizes.size, {}, {}, {}, {}, kind.lambda, kind.ramp, {}, {}, {}};
  const double spread = 1 / std::sqrt(static_cast<double>(sizes.size));
  p.features = to_doubles(random.normals(sizes.rows * sizes.size, kind.feature_norm * spread));
  p.class_weights = to_doubles(random.normals(sizes.classes * sizes.size, spread));
  p.labels = random.integers(sizes.rows, 0, sizes.classes - 1);
  p.head = {kind.margin, 0, kind.normalize_weights};
  return p;
}

/// The operands of one call, on the device.
class Call {
 public:
  Call(Backend& backend, const MarginSoftmaxProblem& p) : Call(backend, p, to_floats(reference::products(p))) {}

  Call(Backend& backend, const MarginSoftmaxProblem& p, const Floats& products) : device(backend), problem(p) {
    const int64_t classes = p.classes;
    const bool has_norms = has_angles(p);
    const auto optional = [&](const Doubles& values) {
      return values.empty() ? Tensor() : device.input(to_floats(values), {classes});
    };
    StepBlock block{};
    block.lambda = static_cast<float>(p.lambda);
    block.margin_ramp = static_cast<float>(p.ramp);
    block.report_index = 1;
    operands.logits = device.inout(products, {p.rows, classes});
    operands.margin_logits = device.output({p.rows, classes});
    if (has_norms) operands.feature_radial = device.output({p.rows});
    if (has_norms && !p.head.normalize_weights) operands.class_radial = device.output({classes});
    operands.report = device.variable(std::vector<StepReport>(3, {-1, -1, -1}));
    operands.halted = device.variable(Ints{0});
    operands.labels = device.input(p.labels, {p.rows});
    operands.features = device.input(to_floats(p.features), {p.rows, p.size});
    operands.class_weights = device.input(to_floats(p.class_weights), {classes, p.size});
    if (has_norms)
      operands.feature_norms = device.input(to_floats(reference::row_norms(p.features, p.rows, p.size)), {p.rows});
    if (has_norms || p.head.normalize_weights)
      operands.class_norms = device.input(to_floats(reference::row_norms(p.class_weights, classes, p.size)), {classes});
    operands.class_scale = optional(p.class_scale);
    operands.class_shift = optional(p.class_shift);
    operands.loss_weights = optional(p.loss_weights);
    operands.step = device.constant(block);
    device.call(backend.margin_softmax(operands, p.head));
  }

  StepReport report() const { return device.read<StepReport>(operands.report, 3)[1]; }
  bool halted() const { return device.read<int32_t>(operands.halted, 1)[0] != 0; }
  Floats dlogits() const { return device.read(operands.logits); }

  /// d loss / d features: what the seam says the parts add up to.
  Doubles feature_gradient() const {
    const Doubles from_logits = reference::linear_backward_data(to_doubles(dlogits()), problem.class_weights,
                                                                problem.rows, problem.size, problem.classes);
    if (!operands.feature_radial) return from_logits;
    return reference::add_scaled_rows(from_logits, problem.features, to_doubles(device.read(operands.feature_radial)),
                                      problem.size);
  }

  Doubles weight_gradient() const {
    const Doubles from_logits = reference::linear_backward_weight(to_doubles(dlogits()), problem.features, problem.rows,
                                                                  problem.size, problem.classes);
    if (problem.head.normalize_weights)
      return reference::remove_radial(from_logits, problem.class_weights, problem.classes, problem.size);
    if (!operands.class_radial) return from_logits;
    return reference::add_scaled_rows(from_logits, problem.class_weights,
                                      to_doubles(device.read(operands.class_radial)), problem.size);
  }

  static bool has_angles(const MarginSoftmaxProblem& p) {
    return p.head.margin.m1 != 1 || p.head.margin.m2 != 0 || p.head.margin.m3 != 0;
  }

  Device device;
  MarginSoftmaxOperands operands;

 private:
  MarginSoftmaxProblem problem;
};

void expect_reference(Backend& backend, const MarginSoftmaxProblem& p) {
  const Floats products = to_floats(reference::products(p));
  const Call call(backend, p, products);
  const MarginSoftmaxAnswer expected = reference::margin_softmax(p, to_doubles(products));
  expect_close(Op::MarginLoss, {call.report().loss}, {expected.loss});
  CHECK(call.report().correct == expected.correct);
  CHECK_FALSE(call.halted());
  expect_close(Op::MarginLogits, call.device.read(call.operands.margin_logits), expected.margin_logits);
  expect_close(Op::MarginGradient, call.dlogits(), expected.dlogits);
  if (call.operands.feature_radial)
    expect_close(Op::MarginRadial, call.device.read(call.operands.feature_radial), expected.feature_radial);
  if (call.operands.class_radial)
    expect_close(Op::MarginRadial, call.device.read(call.operands.class_radial), expected.class_radial);
  const auto reports = call.device.read<StepReport>(call.operands.report, 3);
  for (int other : {0, 2}) CHECK((reports[other].loss == -1 && reports[other].correct == -1));
  CHECK(reports[1].gradient_norm == -1);  // another operation's entry
}

}  // namespace

TEST_CASE("margin_softmax against the reference: every margin and size") {
  for (Backend* backend : backends()) {
    for (const Kind& kind : kKinds) {
      for (const Sizes& sizes : kSizes) {
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
    for (const Kind& kind : kKinds) {
      for (const Sizes& sizes : {Sizes{6, 10, 8}, Sizes{3, 600, 5}, Sizes{2, 1, 3}}) {
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

TEST_CASE("margin_softmax: classes of weight 0 count for nothing, and a batch of them is no loss") {
  for (Backend* backend : backends()) {
    MarginSoftmaxProblem p = make_problem({6, 10, 8}, kKinds[6], 2);
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
    for (const Kind& kind : kKinds) {
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
    for (const Kind& kind : kKinds) {
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
    for (const Kind& kind : {kKinds[0], kKinds[6]}) {
      CAPTURE(kind.name);
      const MarginSoftmaxProblem p = make_problem({3, 600, 8}, kind, 10);
      const Floats products = to_floats(reference::products(p));
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
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
        MarginSoftmaxProblem p{1, 2, 1, {1}, {distance * sign, 0}, {0}, {}, 0, 1, {}, {}, {}};
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
    for (const Kind& kind : kKinds) {
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
    for (const Kind& kind : kKinds) {
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

TEST_CASE("margin_softmax: a margin of nothing is the plain head, bit for bit") {
  for (Backend* backend : backends()) {
    const Kind plain = kKinds[1], arcface = kKinds[6];
    const MarginSoftmaxProblem p = make_problem({16, 100, 32}, plain, 13);
    const Call expected(*backend, p);
    const auto expect_plain = [&](const MarginSoftmaxProblem& other) {
      const Call call(*backend, other);
      expect_same(call.dlogits(), expected.dlogits());
      CHECK(call.report().loss == expected.report().loss);
      CHECK(call.report().correct == expected.report().correct);
    };
    MarginSoftmaxProblem ramped = p;
    ramped.head.margin = arcface.margin;
    ramped.ramp = 0;
    expect_plain(ramped);
    MarginSoftmaxProblem annealed = p;
    annealed.head.margin = arcface.margin;
    annealed.lambda = INFINITY;
    expect_plain(annealed);
  }
}

}  // namespace margincore::test
