// margin_softmax where classes are sharded among ranks: the ranks here are several sets of operands on one device.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>

#include "support/backends.h"
#include "support/compare.h"
#include "support/margin_softmax.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::MarginSoftmaxAnswer;
using reference::MarginSoftmaxProblem;

/// Where each rank's classes end.
using Cuts = std::vector<int64_t>;

Doubles slice(const Doubles& values, int64_t begin, int64_t end) {
  return values.empty() ? Doubles() : Doubles(values.begin() + begin, values.begin() + end);
}

MarginSoftmaxProblem part_of(const MarginSoftmaxProblem& p, int64_t begin, int64_t end) {
  MarginSoftmaxProblem part = p;
  part.classes = end - begin;
  part.class_weights = slice(p.class_weights, begin * p.size, end * p.size);
  part.class_scale = slice(p.class_scale, begin, end);
  part.class_shift = slice(p.class_shift, begin, end);
  part.loss_weights = slice(p.loss_weights, begin, end);
  for (int32_t& label : part.labels) label -= static_cast<int32_t>(begin);
  return part;
}

Floats columns_of(const Floats& matrix, int64_t columns, int64_t begin, int64_t end) {
  Floats part;
  for (size_t row = 0; row < matrix.size(); row += columns)
    part.insert(part.end(), matrix.begin() + row + begin, matrix.begin() + row + end);
  return part;
}

struct Rank {
  int64_t begin, end;
  Device device;
  MarginSoftmaxOperands operands;
  RowParts parts;
  StepTotals* totals;

  Rank(Backend& backend, const MarginSoftmaxProblem& p, const Floats& products, int64_t begin, int64_t end)
      : begin(begin),
        end(end),
        device(backend),
        operands(softmax_operands(device, part_of(p, begin, end), columns_of(products, p.classes, begin, end))),
        parts{device.output({p.rows}), device.output({p.rows}), device.output({kRowSums, p.rows})},
        totals(device.variable(std::vector<StepTotals>{{-1, 0, 0}})) {}

  StepReport report() const { return device.read<StepReport>(operands.report, 3)[1]; }
  StepTotals found_totals() const { return device.read<StepTotals>(totals, 1)[0]; }
};

using Ranks = std::vector<std::unique_ptr<Rank>>;

/// Puts a part of all ranks together.
template <class Join>
void exchange(Backend& backend, const Ranks& ranks, Tensor RowParts::* part, const Join& join) {
  Floats all = ranks[0]->device.read(ranks[0]->parts.*part);
  for (size_t rank = 1; rank < ranks.size(); ++rank) {
    const Floats own = ranks[rank]->device.read(ranks[rank]->parts.*part);
    for (size_t i = 0; i < all.size(); ++i) all[i] = join(all[i], own[i]);
  }
  for (const auto& rank : ranks)
    check(backend.upload((rank->parts.*part).data, all.data(), all.size() * sizeof(float)));
}

/// The three operations on all ranks, and what is exchanged between them.
Ranks run(Backend& backend, const MarginSoftmaxProblem& p, const Floats& products, const Cuts& cuts) {
  Ranks ranks;
  int64_t begin = 0;
  for (const int64_t end : cuts) {
    ranks.push_back(std::make_unique<Rank>(backend, p, products, begin, end));
    begin = end;
  }
  for (const auto& rank : ranks) rank->device.call(backend.margin_softmax_sums(rank->parts, rank->operands, p.head));
  exchange(backend, ranks, &RowParts::largest, [](float a, float b) { return std::max(a, b); });
  for (const auto& rank : ranks) rank->device.call(backend.margin_softmax_rebase(rank->parts));
  exchange(backend, ranks, &RowParts::sums, std::plus<>());
  AllClasses all{p.classes, 0};
  for (int64_t j = 0; j < p.classes; ++j) all.weight += static_cast<float>(p.weight_of(j));
  for (const auto& rank : ranks)
    rank->device.call(backend.margin_softmax_gradients(rank->totals, rank->parts, rank->operands, p.head, all));
  return ranks;
}

/// Ranks' columns beside one another.
Floats whole(const Ranks& ranks, Tensor MarginSoftmaxOperands::* which, int64_t rows, int64_t classes) {
  Floats all(rows * classes);
  for (const auto& rank : ranks) {
    const Floats own = rank->device.read(rank->operands.*which);
    const int64_t width = rank->end - rank->begin;
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(own.begin() + i * width, width, all.begin() + i * classes + rank->begin);
  }
  return all;
}

void expect_reference(Backend& backend, const MarginSoftmaxProblem& p, const Cuts& cuts) {
  const Floats products = to_floats(reference::products(p));
  const MarginSoftmaxAnswer expected = reference::margin_softmax(p, to_doubles(products));
  const Ranks ranks = run(backend, p, products, cuts);
  Floats feature_radial(p.rows), class_radial;
  StepTotals totals{};
  for (const auto& rank : ranks) {
    const StepReport report = rank->report();
    expect_close(Op::MarginLoss, {report.loss}, {expected.loss});
    CHECK(report.correct == expected.correct);
    CHECK(report.past_pi == expected.past_pi);
    CHECK(report.logit_gradient_norm == -1);  // finish_report's
    CHECK(report.gradient_norm == -1);
    CHECK(rank->device.read<int32_t>(rank->operands.halted, 1)[0] == 0);
    totals.logit_squares += rank->found_totals().logit_squares;
    const Floats terms = rank->device.read(rank->operands.target_terms);
    Floats gradients, logits;
    Doubles expected_gradients, expected_logits;
    for (int64_t i = 0; i < p.rows; ++i) {
      gradients.push_back(terms[2 * i]);
      logits.push_back(terms[2 * i + 1]);
      expected_gradients.push_back(expected.target_terms[2 * i]);
      expected_logits.push_back(expected.target_terms[2 * i + 1]);
    }
    expect_close(Op::MarginGradient, gradients, expected_gradients);
    expect_close(Op::MarginLogits, logits, expected_logits);
    if (rank->operands.feature_radial) {
      const Floats own = rank->device.read(rank->operands.feature_radial);
      for (int64_t i = 0; i < p.rows; ++i) {
        if (p.labels[i] < rank->begin || p.labels[i] >= rank->end) CHECK(own[i] == 0);
        feature_radial[i] += own[i];
      }
    }
    if (rank->operands.class_radial) {
      const Floats own = rank->device.read(rank->operands.class_radial);
      class_radial.insert(class_radial.end(), own.begin(), own.end());
    }
  }
  expect_close(Op::LogitGradientNorm, {std::sqrt(totals.logit_squares)}, {expected.logit_gradient_norm});
  expect_close(Op::MarginLogits, whole(ranks, &MarginSoftmaxOperands::margin_logits, p.rows, p.classes),
               expected.margin_logits);
  expect_close(Op::MarginGradient, whole(ranks, &MarginSoftmaxOperands::logits, p.rows, p.classes), expected.dlogits);
  if (ranks[0]->operands.feature_radial) expect_close(Op::MarginRadial, feature_radial, expected.feature_radial);
  if (!class_radial.empty()) expect_close(Op::MarginRadial, class_radial, expected.class_radial);
  for (const auto& rank : ranks) {  // all have the same bits
    CHECK(rank->report().loss == ranks[0]->report().loss);
    CHECK(rank->device.read(rank->operands.target_terms) == ranks[0]->device.read(ranks[0]->operands.target_terms));
  }
}

}  // namespace

TEST_CASE("sharded softmax against the reference: every margin, by several cuts") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const Cuts& cuts : {Cuts{13}, Cuts{1, 13}, Cuts{4, 6, 13}, Cuts{1, 2, 3, 5, 8, 9, 12, 13}}) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(kind.name);
        CAPTURE(cuts.size());
        expect_reference(*backend, make_problem({6, 13, 9}, kind, 1), cuts);
      }
    }
  }
}

TEST_CASE("sharded softmax: a scale, a bias, class weights and label smoothing, one by one and together") {
  for (Backend* backend : backends()) {
    for (const std::string kind : {"softmax", "l-softmax", "arcface", "combined, free, lambda 1"}) {
      for (int options = 1; options < 16; ++options) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(kind);
        CAPTURE(options);
        MarginSoftmaxProblem p = make_problem({7, 611, 8}, margin_kind(kind), 2);
        Random random(3);
        if ((options & 1) != 0) p.class_shift = to_doubles(random.normals(p.classes));
        if ((options & 2) != 0) p.loss_weights = to_doubles(random.uniform(p.classes, 0.1, 3));
        if ((options & 4) != 0) p.head.label_smoothing = 0.125f;
        if ((options & 8) != 0) p.class_scale = to_doubles(random.uniform(p.classes, 0.5, 2));
        expect_reference(*backend, p, {7, 520, 611});
      }
    }
  }
}

TEST_CASE("sharded softmax: many classes, of which some ranks have no targets") {
  for (Backend* backend : backends()) {
    for (const std::string kind : {"softmax", "arcface", "l-softmax"}) {
      CAPTURE(std::string(backend->info().device));
      CAPTURE(kind);
      MarginSoftmaxProblem p = make_problem({5, 40'003, 3}, margin_kind(kind), 17);
      p.labels = {0, 16'999, 17'000, 17'000, 30'000};
      expect_reference(*backend, p, {17'000, 17'001, 33'500, 40'003});
    }
  }
}

TEST_CASE("sharded softmax: one class, a rank whose only class is the target, zero rows and weights") {
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      CAPTURE(std::string(backend->info().device));
      CAPTURE(kind.name);
      expect_reference(*backend, make_problem({3, 1, 4}, kind, 4), {1});
      MarginSoftmaxProblem p = make_problem({5, 6, 8}, kind, 11);
      p.labels = {0, 1, 2, 3, 1};
      std::fill_n(p.features.begin() + 8, 8, 0);
      std::fill_n(p.class_weights.begin() + 16, 8, 0);
      expect_reference(*backend, p, {1, 2, 4, 6});
    }
  }
}

TEST_CASE("sharded softmax: exponents far apart, and near certainty, keep their digits") {
  for (Backend* backend : backends()) {
    for (const double distance : {20.0, 50.0, 80.0, 1000.0}) {
      for (const double sign : {1.0, -1.0}) {
        CAPTURE(distance * sign);
        // The target, a class as far from it, and one that is much smaller than both, on three ranks.
        const MarginSoftmaxProblem p{1, 3, 1, {1}, {distance * sign, 0, -4 * distance}, {0}};
        const Ranks ranks = run(*backend, p, to_floats(reference::products(p)), {1, 2, 3});
        const double wrong = 1 / (1 + std::exp(distance * sign));  // 1 - p_y
        const double loss = sign > 0 ? std::log1p(std::exp(-distance)) : distance;
        for (const auto& rank : ranks) expect_close(Op::MarginLoss, {rank->report().loss}, {loss});
        expect_close(Op::MarginGradient, whole(ranks, &MarginSoftmaxOperands::logits, 1, 3), {-wrong, wrong, 0});
      }
    }
  }
}

TEST_CASE("sharded softmax: what is not finite on one rank halts all of them") {
  for (Backend* backend : backends()) {
    const MarginSoftmaxProblem p = make_problem({3, 20, 8}, margin_kind("arcface"), 10);
    for (const float bad : {kNaN, INFINITY}) {
      CAPTURE(bad);
      Floats broken = to_floats(reference::products(p));
      broken[20 + (p.labels[1] == 19 ? 18 : 19)] = bad;
      for (const auto& rank : run(*backend, p, broken, {8, 20})) {
        CHECK(rank->device.read<int32_t>(rank->operands.halted, 1)[0] == 1);
        CHECK_FALSE(std::isfinite(rank->report().loss));
      }
    }
  }
}

TEST_CASE("sharded softmax: a rank that has the target alone has no largest logit, and no exponents") {
  for (Backend* backend : backends()) {
    MarginSoftmaxProblem p = make_problem({2, 5, 4}, margin_kind("softmax"), 6);
    p.labels = {2, 2};
    const Ranks ranks = run(*backend, p, to_floats(reference::products(p)), {2, 3, 5});
    for (const float largest : ranks[1]->device.read(ranks[1]->parts.own_largest)) CHECK(largest == -INFINITY);
  }
}

TEST_CASE("sharded softmax: rows with two labels are refused") {
  for (Backend* backend : backends()) {
    const MarginSoftmaxProblem p = make_problem({2, 5, 4}, margin_kind("softmax"), 6);
    Rank rank(*backend, p, to_floats(reference::products(p)), 0, 5);
    rank.operands.mixed_labels = rank.operands.labels;
    CHECK(backend->margin_softmax_sums(rank.parts, rank.operands, p.head).code == ErrorCode::Unsupported);
  }
}

TEST_CASE("finish_report adds what was added up, and halts where the loss is then not finite") {
  for (Backend* backend : backends()) {
    for (const float center_loss : {0.0f, 2.5f, kNaN, INFINITY}) {
      CAPTURE(center_loss);
      Device device(*backend);
      StepBlock block{};
      block.report_index = 1;
      StepReport* reports = device.variable(std::vector<StepReport>(3, {1.5f, 2, 3, 4, 5}));
      int32_t* halted = device.variable(Ints{0});
      device.call(backend->finish_report(reports, halted, device.constant(StepTotals{9, center_loss, 100}),
                                         device.constant(block)));
      const auto found = device.read<StepReport>(reports, 3);
      const bool is_finite = std::isfinite(center_loss);
      if (is_finite) CHECK(found[1].loss == 1.5f + center_loss);
      CHECK(device.read<int32_t>(halted, 1)[0] == (is_finite ? 0 : 1));
      CHECK(found[1].logit_gradient_norm == 3);
      CHECK((found[1].correct == 2 && found[1].gradient_norm == 3 && found[1].past_pi == 5));
      for (const int other : {0, 2}) CHECK((found[other].loss == 1.5f && found[other].logit_gradient_norm == 4));
    }
  }
}

}  // namespace margincore::test
