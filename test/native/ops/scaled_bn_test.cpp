#include "reference/scaled_bn.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "support/cases.h"
#include "support/compare.h"
#include "support/differences.h"
#include "support/margin_softmax.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::ColumnStats;
using reference::MarginSoftmaxProblem;
using Call = MarginSoftmaxCall;

const Matrix kCases[] = {{1, 1},     {1, 10}, {2, 17},   {128, 1},   {127, 255}, {128, 257}, {3, 1009},
                         {300, 513}, {64, 8}, {300, 12}, {300, 516}, {40, 8452}, {9, 8453},  {257, 8452}};

Random random_for(const Matrix& m) { return Random(static_cast<uint64_t>(m.rows * 10'000 + m.columns)); }

ColumnStats rounded(const ColumnStats& stats) {
  return {to_doubles(to_floats(stats.mean)), to_doubles(to_floats(stats.variance))};
}

/// Statistics, factors, margin softmax and the gradient through the statistics, each from what the one before it left.
/// `p` has no factors of its own.
Call whole_chain(Backend& backend, MarginSoftmaxProblem p, const ScaledBn& norm) {
  const Floats products = to_floats(reference::products(p)), norms = to_floats(reference::column_norms(p));
  const Shape shape{p.rows, p.classes}, columns{p.classes};
  Device device(backend);
  const Tensor in = device.input(products, shape);
  const Tensor column_norms = norms.empty() ? Tensor() : device.input(norms, columns);
  const Tensor mean = device.output(columns), variance = device.output(columns);
  const Tensor scale = device.output(columns), shift = device.output(columns);
  device.call(backend.column_stats(mean, variance, in, column_norms));
  device.call(backend.scaled_bn_fold(scale, shift, mean, variance, norm));
  p.class_scale = to_doubles(device.read(scale));
  p.class_shift = to_doubles(device.read(shift));
  Call call(backend, p, products);
  call.device.call(backend.scaled_bn_backward(call.operands.logits, in, call.operands.labels,
                                              call.operands.target_terms, mean, variance, column_norms, norm));
  CHECK(device.damage() == "");
  return call;
}

}  // namespace

TEST_CASE("column_stats, of products and of products by the norms of their columns") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats p = random.normals(m.rows * m.columns, 3);
    Floats norms = random.uniform(m.columns, 0.5, 2);
    if (m.columns > 10) norms[3] = 0;  // a class weight of zeros: its logits are 0
    for (const Floats& column_norms : {Floats(), norms}) {
      CAPTURE(column_norms.empty());
      Device device(backend);
      const Tensor mean = device.output({m.columns}), variance = device.output({m.columns});
      device.call(backend.column_stats(mean, variance, device.input(p, {m.rows, m.columns}),
                                       column_norms.empty() ? Tensor() : device.input(column_norms, {m.columns})));
      const ColumnStats expected = reference::column_stats(to_doubles(p), to_doubles(column_norms), m.rows, m.columns);
      expect_close(Op::ColumnMean, device.read(mean), expected.mean);
      expect_close(Op::ColumnVariance, device.read(variance), expected.variance);  // of one row: exactly 0
    }
  });
}

TEST_CASE("column_stats: a variance that is small beside the mean keeps its digits") {
  for_each_case(kCases, [](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    if (m.rows == 1) return;
    Floats p = random.normals(m.rows * m.columns);
    for (size_t i = 0; i < p.size(); ++i) p[i] += i % 2 == 0 ? 1000.0f : -1000.0f;
    if (m.columns % 2 != 0)  // so that every column has one sign
      for (size_t i = 0; i < p.size(); ++i) p[i] = std::abs(p[i]);
    Device device(backend);
    const Tensor mean = device.output({m.columns}), variance = device.output({m.columns});
    device.call(backend.column_stats(mean, variance, device.input(p, {m.rows, m.columns}), {}));
    const ColumnStats expected = reference::column_stats(to_doubles(p), {}, m.rows, m.columns);
    expect_close(Op::ColumnMean, device.read(mean), expected.mean);
    expect_close(Op::ColumnVariance, device.read(variance), expected.variance);
  });
}

TEST_CASE("column_stats shows a NaN in its column and in no other") {
  for (Backend* backend : backends()) {
    Floats p = Random(1).normals(3 * 300);
    p[300 + 270] = kNaN;
    Device device(*backend);
    const Tensor mean = device.output({300}), variance = device.output({300});
    device.call(backend->column_stats(mean, variance, device.input(p, {3, 300}), {}));
    const Floats means = device.read(mean), variances = device.read(variance);
    for (size_t j = 0; j < 300; ++j) {
      CHECK(std::isnan(means[j]) == (j == 270));
      CHECK(std::isnan(variances[j]) == (j == 270));
    }
  }
}

TEST_CASE("scaled_bn_fold") {
  for (Backend* backend : backends()) {
    for (const ScaledBn& norm : {ScaledBn{1, 1e-5f}, ScaledBn{0.8f, 1e-3f}, ScaledBn{30, 1}}) {
      for (const int64_t columns : {1, 17, 1009}) {
        CAPTURE(norm.scale);
        CAPTURE(columns);
        Random random(static_cast<uint64_t>(columns));
        const Floats means = random.normals(columns, 5);
        Floats variances = random.uniform(columns, 0, 4);
        variances[columns / 2] = 0;
        Device device(*backend);
        const Tensor scale = device.output({columns}), shift = device.output({columns});
        device.call(backend->scaled_bn_fold(scale, shift, device.input(means, {columns}),
                                            device.input(variances, {columns}), norm));
        const auto expected = reference::scaled_bn_fold({to_doubles(means), to_doubles(variances)}, norm);
        expect_close(Op::ScaledBnFold, device.read(scale), expected.scale);
        expect_close(Op::ScaledBnFold, device.read(shift), expected.shift);
      }
    }
  }
}

TEST_CASE("statistics, folded into the logits, are the normalisation as it is defined") {
  const ScaledBn norm{0.9f, 1e-5f};
  for_each_case(kCases, [&](Backend& backend, const Matrix& m) {
    Random random = random_for(m);
    const Floats p = random.normals(m.rows * m.columns, 3), norms = random.uniform(m.columns, 0.5, 2);
    Device device(backend);
    const Shape columns{m.columns};
    const Tensor z = device.inout(p, {m.rows, m.columns}), column_norms = device.input(norms, columns);
    const Tensor mean = device.output(columns), variance = device.output(columns);
    const Tensor scale = device.output(columns), shift = device.output(columns);
    device.call(backend.column_stats(mean, variance, z, column_norms));
    device.call(backend.scaled_bn_fold(scale, shift, mean, variance, norm));
    device.call(backend.scale_logits(z, {}, column_norms, scale, shift));
    if (m.rows == 1) {  // a single row is its own mean: what is left is the rounding of 1/sqrt(epsilon) times it
      for (float value : device.read(z)) CHECK(std::abs(value) < 1e-3f);
      return;
    }
    const Doubles u = reference::scale_logits(to_doubles(p), {}, to_doubles(norms), {}, {}, m.rows, m.columns);
    const ColumnStats stats = reference::column_stats(u, {}, m.rows, m.columns);
    expect_close(Op::MarginLogits, device.read(z), reference::scaled_bn(u, stats, norm, m.rows, m.columns));
  });
}

TEST_CASE("scaled_bn_backward against the reference: every margin, with class weights and smoothing") {
  // Beside two rows nothing but rounding is left of a column without margin: each is the other's mirror image.
  const MarginSizes kSizes[] = {{3, 10, 5}, {5, 513, 17}, {16, 257, 8}, {127, 10, 33}, {128, 3, 7},
                                {70, 8, 5}, {33, 516, 4}, {5, 8452, 2}, {3, 8453, 2}};
  const ScaledBn norm{0.9f, 1e-5f};
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const MarginSizes& sizes : kSizes) {
        for (const bool with_options : {false, true}) {
          CAPTURE(std::string(backend->info().device));
          CAPTURE(kind.name);
          CAPTURE(sizes.rows);
          CAPTURE(sizes.classes);
          CAPTURE(with_options);
          MarginSoftmaxProblem p = make_problem(sizes, kind, 1);
          if (with_options) {
            p.loss_weights = to_doubles(Random(2).uniform(sizes.classes, 0.1, 3));
            p.head.label_smoothing = 0.125f;
          }
          // Each operand as it is rounded to fp32.
          const Doubles products = to_doubles(to_floats(reference::products(p)));
          const Doubles norms = to_doubles(to_floats(reference::column_norms(p)));
          const ColumnStats stats = rounded(reference::column_stats(products, norms, p.rows, p.classes));
          const auto folded = reference::scaled_bn_fold(stats, norm);
          p.class_scale = folded.scale;
          p.class_shift = folded.shift;
          const auto answer = reference::margin_softmax(p, products);
          const Floats dp = to_floats(answer.dlogits);

          Device device(*backend);
          const Shape shape{p.rows, p.classes}, columns{p.classes};
          const Tensor gradient = device.inout(dp, shape);
          device.call(backend->scaled_bn_backward(
              gradient, device.input(to_floats(products), shape), device.input(p.labels, {p.rows}),
              device.input(to_floats(answer.target_terms), {p.rows, 2}), device.input(to_floats(stats.mean), columns),
              device.input(to_floats(stats.variance), columns),
              norms.empty() ? Tensor() : device.input(to_floats(norms), columns), norm));
          expect_close(Op::ScaledBnBackward, device.read(gradient),
                       reference::scaled_bn_backward(to_doubles(dp), products,
                                                     reference::cross_entropy(p, answer.margin_logits).dz,
                                                     answer.margin_logits, stats, norms, norm, p.rows, p.classes));
        }
      }
    }
  }
}

TEST_CASE("scaled batch norm: gradients are the differences of the loss, in features and in class weights") {
  const ScaledBn norm{0.9f, 1e-2f};
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      if (!kind.margin.exact) continue;
      for (const bool with_options : {false, true}) {
        CAPTURE(kind.name);
        CAPTURE(with_options);
        MarginSoftmaxProblem p = make_problem({6, 7, 5}, kind, 7);
        if (with_options) {
          p.loss_weights = to_doubles(Random(9).uniform(7, 0.1, 3));
          p.head.label_smoothing = 0.125f;
        }
        const Call call = whole_chain(*backend, p, norm);
        const auto all = [](const Doubles& values) { return Random(1).indices(values.size(), values.size()); };
        MarginSoftmaxProblem moved = p;
        const Doubles df = central_differences(p.features, all(p.features), 1e-5, [&](const Doubles& f) {
          moved.features = f;
          return reference::margin_softmax_loss(reference::with_scaled_bn(moved, norm));
        });
        moved = p;
        const Doubles dw = central_differences(p.class_weights, all(p.class_weights), 1e-6, [&](const Doubles& w) {
          moved.class_weights = w;
          return reference::margin_softmax_loss(reference::with_scaled_bn(moved, norm));
        });
        expect_close(Op::HeadGradient, to_floats(call.feature_gradient()), df);
        expect_close(Op::HeadGradient, to_floats(call.weight_gradient()), dw);
      }
    }
  }
}

TEST_CASE("scaled batch norm: class weights of zeros, and a batch of one row, give finite gradients") {
  const ScaledBn norm{1, 1e-5f};
  for (Backend* backend : backends()) {
    for (const MarginKind& kind : kMarginKinds) {
      for (const int64_t rows : {1, 2, 5}) {
        CAPTURE(kind.name);
        CAPTURE(rows);
        MarginSoftmaxProblem p = make_problem({rows, 6, 8}, kind, 11);
        p.labels[0] = 2;
        std::fill_n(p.class_weights.begin() + 2 * 8, 8, 0);  // the first row's target
        std::fill_n(p.class_weights.begin() + 5 * 8, 8, 0);  // nobody's target, or somebody's
        const Call call = whole_chain(*backend, p, norm);
        CHECK_FALSE(call.halted());
        CHECK(std::isfinite(call.report().loss));
        const Floats dp = call.dlogits();
        expect_finite(dp);
        for (int64_t i = 0; i < rows; ++i) {
          // Of a direction that is not there nothing depends.
          if (kind.normalize_weights) CHECK((dp[i * 6 + 2] == 0 && dp[i * 6 + 5] == 0));
          // A row that is its own mean moves nothing by itself; only a margin does.
          for (int64_t j = 0; rows == 1 && j < 6; ++j)
            if (j != p.labels[i]) CHECK(dp[j] == 0);
        }
      }
    }
  }
}

TEST_CASE("running_average") {
  for (Backend* backend : backends()) {
    for (const int64_t count : {1, 17, 1009, 20'001}) {
      for (const double factor : {1.0, 8.0 / 7}) {
        for (const double momentum : {0.0, 0.1, 1.0}) {
          CAPTURE(count);
          CAPTURE(factor);
          CAPTURE(momentum);
          Random random(static_cast<uint64_t>(count));
          const Floats before = random.normals(count), current = random.normals(count);
          Device device(*backend);
          const Tensor running = device.inout(before, {count});
          device.call(backend->running_average(running, device.input(current, {count}), static_cast<float>(momentum),
                                               static_cast<float>(factor), device.constant(int32_t{0})));
          expect_close(Op::RunningAverage, device.read(running),
                       reference::running_average(to_doubles(before), to_doubles(current), momentum, factor));
          // `input`: once halted, it may not change.
          device.call(backend->running_average(device.input(before, {count}), device.input(Floats(count, NAN), {count}),
                                               static_cast<float>(momentum), static_cast<float>(factor),
                                               device.constant(int32_t{1})));
        }
      }
    }
  }
}

TEST_CASE("scaled_bn_backward: of a part of the columns the same as of all, where labels may be none of them") {
  for (Backend* backend : backends()) {
    const int64_t rows = 9, columns = 11;
    Random random(4);
    const Floats dp = random.normals(rows * columns), p = random.normals(rows * columns, 2);
    const Floats mean = random.normals(columns), variance = random.uniform(columns, 0.5, 2);
    const Floats norms = random.uniform(columns, 0.5, 2), terms = random.normals(rows * 2);
    const Ints labels = random.integers(rows, 0, columns - 1);
    const auto gradient = [&](int64_t begin, int64_t end) {
      const auto part = [&](const Floats& matrix) {
        Floats values;
        for (int64_t i = 0; i < static_cast<int64_t>(matrix.size()); i += columns)
          values.insert(values.end(), matrix.begin() + i + begin, matrix.begin() + i + end);
        return values;
      };
      Ints own = labels;
      for (int32_t& label : own) label -= static_cast<int32_t>(begin);
      Device device(*backend);
      const Shape shape{rows, end - begin}, each{end - begin};
      const Tensor found = device.inout(part(dp), shape);
      device.call(backend->scaled_bn_backward(found, device.input(part(p), shape), device.input(own, {rows}),
                                              device.input(terms, {rows, 2}), device.input(part(mean), each),
                                              device.input(part(variance), each), device.input(part(norms), each),
                                              ScaledBn{2, 1e-5f}));
      return device.read(found);
    };
    const Floats whole = gradient(0, columns), left = gradient(0, 4), right = gradient(4, columns);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        CHECK((j < 4 ? left[i * 4 + j] : right[i * 7 + j - 4]) ==
              doctest::Approx(whole[i * columns + j]).epsilon(1e-5));
  }
}

}  // namespace margincore::test
