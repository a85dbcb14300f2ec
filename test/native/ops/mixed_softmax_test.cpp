#include <doctest/doctest.h>

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

// A row alone, one class, rows of whole fours and others, more classes than a warp takes, and so many that rows of one
// label are cut into parts.
const MarginSizes kSizes[] = {{1, 2, 2},  {3, 1, 5},    {3, 10, 2},    {128, 3, 7},
                              {7, 8, 12}, {5, 513, 17}, {4, 1009, 64}, {3, 16'390, 5}};

MarginSoftmaxProblem make_mixed_problem(const MarginSizes& sizes, const MarginKind& kind, uint64_t seed) {
  MarginSoftmaxProblem p = make_problem(sizes, kind, seed);
  Random random(seed + 100);
  p.mixed_labels = random.integers(sizes.rows, 0, sizes.classes - 1);
  p.mixed_share = to_doubles(random.uniform(sizes.rows, 0, 1));  // as rounded
  if (sizes.rows < 3) return p;
  p.mixed_share[0] = 0.5;
  p.mixed_labels[1] = p.labels[1];               // both images of one class
  p.mixed_labels[2] = p.labels[3 % sizes.rows];  // of one row the first label, of another the second
  return p;
}

void add_options(MarginSoftmaxProblem& p, int options) {
  Random random(3);
  if ((options & 1) != 0) p.class_shift = to_doubles(random.normals(p.classes));
  if ((options & 2) != 0) p.loss_weights = to_doubles(random.uniform(p.classes, 0.1, 3));
  if ((options & 4) != 0) p.head.label_smoothing = 0.125f;
  if ((options & 8) != 0) p.class_scale = to_doubles(random.uniform(p.classes, 0.5, 2));
}

void expect_answer(const Call& call, const MarginSoftmaxAnswer& expected) {
  expect_close(Op::MarginLoss, {call.report().loss}, {expected.loss});
  expect_close(Op::LogitGradientNorm, {call.report().logit_gradient_norm}, {expected.logit_gradient_norm});
  CHECK(call.report().correct == expected.correct);
  CHECK(call.report().past_pi == expected.past_pi);
  CHECK_FALSE(call.halted());
  expect_close(Op::MarginLogits, call.device.read(call.operands.margin_logits), expected.margin_logits);
  expect_close(Op::MarginGradient, call.dlogits(), expected.dlogits);
  if (call.operands.feature_radial)
    expect_close(Op::MarginRadial, call.device.read(call.operands.feature_radial), expected.feature_radial);
  if (call.operands.class_radial)
    expect_close(Op::MarginRadial, call.device.read(call.operands.class_radial), expected.class_radial);
  const auto reports = call.device.read<StepReport>(call.operands.report, 3);
  const StepReport untouched{-1, -1, -1, -1, -1};
  for (int other : {0, 2}) CHECK(std::memcmp(&reports[other], &untouched, sizeof untouched) == 0);
  CHECK(reports[1].gradient_norm == -1);  // another operation's entry
}

void expect_reference(Backend& backend, const MarginSoftmaxProblem& p) {
  const Floats products = to_floats(reference::products(p));
  expect_answer(Call(backend, p, products), reference::mixed_margin_softmax(p, to_doubles(products)));
}

}  // namespace

TEST_CASE("two labels per row against the reference: every margin, size and option") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const MarginSizes& sizes : kSizes) {
        for (const int options : {0, 1, 2, 4, 8, 15}) {
          if (options != 0 && sizes.classes != 10 && sizes.classes != 513 && sizes.classes != 1) continue;
          CAPTURE(std::string(backend->info().device));
          CAPTURE(kind.name);
          CAPTURE(sizes.rows);
          CAPTURE(sizes.classes);
          CAPTURE(options);
          MarginSoftmaxProblem p = make_mixed_problem(sizes, kind, 1);
          add_options(p, options);
          expect_reference(*backend, p);
        }
      }
    }
  }
}

TEST_CASE("two labels per row: gradients are the differences of the loss, in features and in class weights") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      if (!kind.margin.exact) continue;  // "detached" is no derivative
      for (const int options : {0, 7}) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(kind.name);
        CAPTURE(options);
        MarginSoftmaxProblem p = make_mixed_problem({4, 7, 5}, kind, 7);
        add_options(p, options);
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

TEST_CASE("a share of 0 or 1, or twice the same label, is a row with one label") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const int options : {0, 7}) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(kind.name);
        CAPTURE(options);
        MarginSoftmaxProblem one = make_problem({6, 10, 8}, kind, 2);
        add_options(one, options);
        const Floats products = to_floats(reference::products(one));
        MarginSoftmaxAnswer expected = reference::margin_softmax(one, to_doubles(products));
        MarginSoftmaxProblem two = one;
        two.mixed_labels = one.labels;
        two.mixed_share = {0, 1, 0.25, 0.5, 0.75, 1};
        two.labels[1] = (one.labels[1] + 1) % 10;  // of no share
        two.labels[5] = (one.labels[5] + 3) % 10;
        two.mixed_labels[0] = (one.labels[0] + 1) % 10;
        const Call call(*backend, two, products);
        expected.margin_logits = reference::mixed_margin_softmax(two, to_doubles(products)).margin_logits;
        expect_answer(call, expected);
      }
    }
  }
}

TEST_CASE("two labels per row: classes of weight 0 count for nothing, and a batch of them is no loss") {
  for (Backend* backend : backends()) {
    CAPTURE(std::string(backend->info().device));
    MarginSoftmaxProblem p = make_mixed_problem({6, 10, 8}, margin_kind("arcface"), 2);
    p.labels = {0, 1, 2, 2, 1, 0};
    p.mixed_labels = {1, 0, 1, 3, 2, 2};
    p.loss_weights = Doubles(10, 1);
    p.loss_weights[1] = 0;
    expect_reference(*backend, p);
    p.loss_weights = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
    const Call call(*backend, p);
    CHECK(call.report().loss == 0);
    CHECK_FALSE(call.halted());
    for (float value : call.dlogits()) CHECK(value == 0);
  }
}

TEST_CASE("two labels per row: a loss that is not finite halts") {
  for (Backend* backend : backends()) {
    const MarginSoftmaxProblem p = make_mixed_problem({3, 600, 8}, margin_kind("arcface"), 10);
    const Floats products = to_floats(reference::products(p));
    for (const size_t place : {size_t{0}, size_t{600 + 599}, size_t(2 * 600 + p.mixed_labels[2])}) {
      CAPTURE(place);
      Floats broken = products;
      broken[place] = kNaN;
      const Call call(*backend, p, broken);
      CHECK(call.halted());
    }
  }
}

TEST_CASE("two labels per row have no target_terms, and outputs that are not asked for change nothing") {
  for (Backend* backend : backends()) {
    const MarginSoftmaxProblem p = make_mixed_problem({5, 600, 8}, margin_kind("arcface, free weights"), 15);
    Call call(*backend, p);
    const Floats expected = call.dlogits();
    MarginSoftmaxOperands& o = call.operands;
    o.margin_logits = o.feature_radial = o.class_radial = {};
    o.logits = call.device.inout(to_floats(reference::products(p)), o.logits.shape);
    call.device.call(backend->margin_softmax(o, p.head));
    expect_same(call.dlogits(), expected);
    o.target_terms = call.device.output({p.rows, 2});
    const Status refused = backend->margin_softmax(o, p.head);
    CHECK(refused.code == ErrorCode::Unsupported);
    CHECK(std::string(refused.message).find("target_terms") != std::string::npos);
  }
}

}  // namespace margincore::test
