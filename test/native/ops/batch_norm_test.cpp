#include "reference/batch_norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>

#include "base/row_range.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::ChannelStats;

// Around vectors of channels and what is loaded at once; one row; rows and channels for several parts of the work.
const Shape kShapes[] = {{1, 1},          {1, 17},      {2, 3},      {2, 64},         {7, 33},         {127, 512},
                         {128, 1009},     {3, 5, 7, 1}, {70'001, 1}, {2, 3, 3, 8},    {5, 11, 7, 16},  {2, 9, 13, 17},
                         {3, 16, 16, 64}, {1030, 33},   {700, 520},  {4, 40, 40, 64}, {128, 32, 32, 3}};

struct Variant {
  bool relu, residual, y_given, in_place;
};

/// Where there is a residual, a ReLU cannot be found again from x alone.
const Variant kVariants[] = {{false, false, false, false}, {false, false, true, true}, {false, true, false, false},
                             {true, false, false, false},  {true, false, true, false}, {true, false, false, true},
                             {true, true, true, false},    {true, true, true, true}};

/// Operands as they are stored, and what the reference makes of them.
struct Problem {
  DType dtype;
  Shape shape;
  int64_t channels, rows;
  Floats x, dy, residual;  // activations
  Floats gamma, beta, mean, variance;
  BatchNorm norm;

  Problem(const Shape& shape, DType dtype, bool with_residual, bool relu, double offset = 0.5)
      : dtype(dtype), shape(shape), channels(shape[shape.rank - 1]), rows(shape.count() / channels) {
    Random random(static_cast<uint64_t>(rows * 1000 + channels));
    const Floats spread = random.uniform(channels, 0.5, 2), middle = random.normals(channels, offset);
    x = random.normals(shape.count());
    for (size_t i = 0; i < x.size(); ++i) x[i] = x[i] * spread[i % channels] + middle[i % channels];
    x = as_stored(x, dtype);
    dy = as_stored(random.normals(shape.count()), dtype);
    if (with_residual) residual = as_stored(random.normals(shape.count()), dtype);
    gamma = random.normals(channels);
    beta = random.normals(channels, 0.5);
    // With few rows and a small epsilon nothing but rounding is left of dx: x^ is then dy's mirror image.
    norm.epsilon = rows <= 8 ? 0.5f : 1e-5f;
    norm.relu = relu;
    const ChannelStats stats = reference::batch_norm_stats(to_doubles(x), rows, channels);
    mean = to_floats(stats.mean);
    variance = to_floats(stats.variance);
  }

  /// As rounded to fp32.
  ChannelStats stats() const { return {to_doubles(mean), to_doubles(variance), {}}; }

  Doubles y(const Doubles& of_x, const ChannelStats& with, const Doubles& of_gamma, const Doubles& of_beta,
            const Doubles& of_residual) const {
    return reference::batch_norm_apply(of_x, with, of_gamma, of_beta, of_residual, norm);
  }
  Doubles y() const { return y(to_doubles(x), stats(), to_doubles(gamma), to_doubles(beta), to_doubles(residual)); }

  /// An element that is within rounding of 0 may pass a ReLU or not: neither is wrong. Such ones get no gradient.
  void settle_relu() {
    const Doubles result = y();
    for (size_t i = 0; i < dy.size(); ++i)
      if (std::abs(result[i]) < 1e-4) dy[i] = 0;
  }
};

/// Statistics and parameters on the device.
struct Parameters {
  Tensor mean, variance, gamma, beta;

  Parameters(Device& device, const Problem& p)
      : mean(device.input(p.mean, {p.channels})),
        variance(device.input(p.variance, {p.channels})),
        gamma(device.input(p.gamma, {p.channels})),
        beta(device.input(p.beta, {p.channels})) {}
};

struct Gradients {
  Floats dx, dgamma, dbeta, dresidual;
};

/// y: as values or, as bytes, its mask; or empty.
template <class Y>
Gradients backward(Backend& backend, const Problem& p, const Y& y, bool in_place) {
  Device device(backend);
  const Parameters q(device, p);
  const Tensor dy = in_place ? device.inout(p.dy, p.shape, p.dtype) : device.input(p.dy, p.shape, p.dtype);
  const Tensor dx = in_place ? dy : device.output(p.shape, p.dtype);
  const Tensor dgamma = device.output({p.channels}), dbeta = device.output({p.channels});
  const Tensor dresidual = p.residual.empty() ? Tensor() : device.output(p.shape, p.dtype);
  Tensor told;
  if constexpr (std::is_same_v<Y, Bytes>) told = device.input(y, {static_cast<int64_t>(y.size())});
  else if (!y.empty()) told = device.input(y, p.shape, p.dtype);
  device.call(backend.batch_norm_backward(dx, dgamma, dbeta, dresidual, dy, device.input(p.x, p.shape, p.dtype), told,
                                          q.mean, q.variance, q.gamma, q.beta, p.norm));
  return {device.read(dx), device.read(dgamma), device.read(dbeta), dresidual ? device.read(dresidual) : Floats()};
}

/// body(variant) for all of them, or for the fullest alone where there are many elements.
template <class Body>
void for_each_variant(const Shape& shape, const Body& body) {
  for (const Variant& variant : kVariants) {
    if (shape.count() > 300'000 && !(variant.relu && variant.in_place)) continue;
    CAPTURE(variant.relu);
    CAPTURE(variant.residual);
    CAPTURE(variant.y_given);
    CAPTURE(variant.in_place);
    body(variant);
  }
}

struct FoundStats {
  Floats mean, variance, unbiased_variance;
};

FoundStats stats_of(Backend& backend, const Floats& x, const Shape& shape, DType dtype) {
  const int64_t channels = shape[shape.rank - 1];
  Device device(backend);
  const Tensor mean = device.output({channels}), variance = device.output({channels});
  const Tensor unbiased = device.output({channels}), in = device.input(x, shape, dtype);
  device.call(backend.batch_norm_stats(mean, variance, unbiased, in));
  const FoundStats found{device.read(mean), device.read(variance), device.read(unbiased)};
  const Tensor mean_alone = device.output({channels}), variance_alone = device.output({channels});
  device.call(backend.batch_norm_stats(mean_alone, variance_alone, {}, in));
  expect_same(device.read(mean_alone), found.mean);
  expect_same(device.read(variance_alone), found.variance);
  return found;
}

void expect_stats(const FoundStats& found, const Floats& x, const Shape& shape) {
  const int64_t channels = shape[shape.rank - 1];
  const ChannelStats expected = reference::batch_norm_stats(to_doubles(x), shape.count() / channels, channels);
  expect_close(Op::BatchNormMean, found.mean, expected.mean);
  expect_close(Op::BatchNormVariance, found.variance, expected.variance);  // of one row: exactly 0
  expect_close(Op::BatchNormVariance, found.unbiased_variance, expected.unbiased_variance);
}

}  // namespace

TEST_CASE("batch_norm_stats") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    const Problem p(shape, dtype, false, false);
    expect_stats(stats_of(backend, p.x, shape, dtype), p.x, shape);
  });
}

TEST_CASE("batch_norm_stats: a variance that is small beside the mean keeps its digits") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    if (shape.count() / shape[shape.rank - 1] < 3) return;
    const Problem p(shape, dtype, false, false, 3000);
    expect_stats(stats_of(backend, p.x, shape, dtype), p.x, shape);
  });
}

TEST_CASE("batch norm of a channel that is constant: variance 0, and nothing of it is left") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    Problem p(shape, dtype, false, false);
    for (size_t i = 0; i < p.x.size(); i += p.channels) p.x[i] = 1.375f;
    for (size_t i = 1; p.channels > 1 && i < p.x.size(); i += p.channels) p.x[i] = as_stored({0.1f}, dtype)[0];
    const FoundStats found = stats_of(backend, p.x, shape, dtype);
    CHECK(found.mean[0] == 1.375f);
    CHECK(found.variance[0] == 0);
    CHECK(found.unbiased_variance[0] == 0);
    if (p.channels > 1) {  // sums of 0.1 are rounded
      CHECK(found.variance[1] >= 0);
      CHECK(found.variance[1] < 1e-14f);
    }
    p.mean = found.mean;
    p.variance = found.variance;
    Device device(backend);
    const Parameters q(device, p);
    const Tensor y = device.output(shape, dtype);
    device.call(backend.batch_norm_apply(y, {}, device.input(p.x, shape, dtype), q.mean, q.variance, q.gamma, q.beta,
                                         {}, p.norm));
    const Floats result = device.read(y), beta = as_stored(p.beta, dtype);
    for (size_t i = 0; i < result.size(); i += p.channels) CHECK(result[i] == beta[0]);
    expect_finite(backward(backend, p, Floats(), false).dx);
  });
}

TEST_CASE("batch norm shows a NaN in its channel and in no other") {
  const int64_t rows = 900, channels = 36, bad = 21;
  for (Backend* backend : backends()) {
    for (const DType dtype : activation_types(*backend)) {
      Problem p({rows, channels}, dtype, false, true);
      p.x[700 * channels + bad] = kNaN;
      const FoundStats found = stats_of(*backend, p.x, p.shape, dtype);
      for (int64_t j = 0; j < channels; ++j) {
        CHECK(std::isnan(found.mean[j]) == (j == bad));
        CHECK(std::isnan(found.variance[j]) == (j == bad));
      }
      Device device(*backend);
      const Parameters q(device, p);
      const Tensor y = device.output(p.shape, dtype);
      device.call(backend->batch_norm_apply(y, {}, device.input(p.x, p.shape, dtype), q.mean, q.variance, q.gamma,
                                            q.beta, {}, p.norm));
      const Floats result = device.read(y);
      for (size_t i = 0; i < result.size(); ++i) REQUIRE(std::isnan(result[i]) == std::isnan(p.x[i]));

      p.norm.relu = 0;
      p.x[700 * channels + bad] = 0;
      p.dy[700 * channels + bad] = kNaN;
      const Gradients g = backward(*backend, p, Floats(), false);
      for (int64_t j = 0; j < channels; ++j) {
        CHECK(std::isnan(g.dgamma[j]) == (j == bad));
        CHECK(std::isnan(g.dbeta[j]) == (j == bad));
        CHECK(std::isnan(g.dx[j]) == (j == bad));
      }
    }
  }
}

TEST_CASE("batch_norm_apply") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    for_each_variant(shape, [&](const Variant& variant) {
      const Problem p(shape, dtype, variant.residual, variant.relu);
      Device device(backend);
      const Parameters q(device, p);
      const auto operand = [&](const Floats& values, bool overwritten) {
        return overwritten ? device.inout(values, shape, dtype) : device.input(values, shape, dtype);
      };
      const Doubles expected = p.y();
      // In place: y is x, or the residual where there is one.
      const Tensor x = operand(p.x, variant.in_place && !variant.residual);
      const Tensor residual = variant.residual ? operand(p.residual, variant.in_place) : Tensor();
      const Tensor y = !variant.in_place ? device.output(shape, dtype) : variant.residual ? residual : x;
      device.call(backend.batch_norm_apply(y, {}, x, q.mean, q.variance, q.gamma, q.beta, residual, p.norm));
      expect_close(Op::BatchNormApply, device.read(y), expected, dtype);
      if (!variant.in_place || !variant.residual) return;
      const Tensor over_x = device.inout(p.x, shape, dtype);
      device.call(backend.batch_norm_apply(over_x, {}, over_x, q.mean, q.variance, q.gamma, q.beta,
                                           device.input(p.residual, shape, dtype), p.norm));
      expect_same(device.read(over_x), device.read(y));
    });
  });
}

TEST_CASE("batch_norm_backward against the reference") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    for_each_variant(shape, [&](const Variant& variant) {
      Problem p(shape, dtype, variant.residual, variant.relu);
      p.settle_relu();
      const Doubles y = p.y();
      const Gradients found = backward(backend, p, variant.y_given ? to_floats(y) : Floats(), variant.in_place);
      const reference::BatchNormGradients expected =
          reference::batch_norm_backward(to_doubles(p.dy), to_doubles(p.x), y, p.stats(), to_doubles(p.gamma), p.norm);
      expect_close(Op::BatchNormBackward, found.dx, expected.dx, dtype);
      expect_close(Op::BatchNormParameters, found.dgamma, expected.dgamma);
      expect_close(Op::BatchNormParameters, found.dbeta, expected.dbeta);
      if (variant.residual) expect_same(found.dresidual, to_floats(expected.dresidual));
    });
  });
}

TEST_CASE("batch_norm_backward gives the differences of the forward pass, through its statistics") {
  for (Backend* backend : backends()) {
    for (const Shape& shape : {Shape{5, 3}, Shape{13, 17}, Shape{3, 4, 5, 8}, Shape{2, 2, 2, 1}}) {
      for_each_variant(shape, [&](const Variant& variant) {
        CAPTURE(to_string(shape));
        Problem p(shape, DType::F32, variant.residual, variant.relu);
        p.settle_relu();
        const Doubles x = to_doubles(p.x), gamma = to_doubles(p.gamma), beta = to_doubles(p.beta);
        const Doubles dy = to_doubles(p.dy), residual = to_doubles(p.residual);
        const auto loss = [&](const Doubles& of_x, const Doubles& of_gamma, const Doubles& of_beta,
                              const Doubles& of_residual) {
          const ChannelStats stats = reference::batch_norm_stats(of_x, p.rows, p.channels);
          return dot(dy, p.y(of_x, stats, of_gamma, of_beta, of_residual));
        };
        const Gradients found = backward(*backend, p, variant.y_given ? to_floats(p.y()) : Floats(), variant.in_place);
        const auto all = [](const Doubles& values) { return Random(1).indices(values.size(), values.size()); };
        const auto expect = [&](Op op, const Floats& gradient, const Doubles& at, const auto& f) {
          expect_close(op, gradient, central_differences(at, all(at), 1e-6, f));
        };
        expect(Op::BatchNormBackward, found.dx, x,
               [&](const Doubles& moved) { return loss(moved, gamma, beta, residual); });
        expect(Op::BatchNormParameters, found.dgamma, gamma,
               [&](const Doubles& moved) { return loss(x, moved, beta, residual); });
        expect(Op::BatchNormParameters, found.dbeta, beta,
               [&](const Doubles& moved) { return loss(x, gamma, moved, residual); });
        if (variant.residual)
          expect(Op::BatchNormBackward, found.dresidual, residual,
                 [&](const Doubles& moved) { return loss(x, gamma, beta, moved); });
      });
    }
  }
}

TEST_CASE("a ReLU that is found again from x is the one that was applied") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    // Many elements at 0, up to rounding: beta is what the normalisation takes away.
    Problem p(shape, dtype, false, true);
    for (int64_t j = 0; j < p.channels; ++j)
      p.beta[j] = (p.mean[j] - p.x[j]) * p.gamma[j] / std::sqrt(p.variance[j] + p.norm.epsilon);
    for (size_t i = 0; i < p.x.size(); ++i)
      if (i / p.channels % 3 == 0) p.x[i] = p.x[i % p.channels];
    Device device(backend);
    const Parameters q(device, p);
    const Tensor y = device.output(shape, dtype);
    device.call(backend.batch_norm_apply(y, {}, device.input(p.x, shape, dtype), q.mean, q.variance, q.gamma, q.beta,
                                         {}, p.norm));
    const Gradients by_output = backward(backend, p, device.read(y), false),
                    by_input = backward(backend, p, Floats(), false);
    expect_same(by_input.dx, by_output.dx);
    expect_same(by_input.dgamma, by_output.dgamma);
    expect_same(by_input.dbeta, by_output.dbeta);
  });
}

TEST_CASE("a ReLU's mask says where y is above 0, and the gradient by it is the one by y") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    if (shape[shape.rank - 1] % kMaskedChannels != 0) return;
    for (const bool residual : {false, true}) {
      for (const bool in_place : {false, true}) {
        CAPTURE(residual);
        CAPTURE(in_place);
        Problem p(shape, dtype, residual, true);
        p.x[p.x.size() / 2] = 0;
        Device device(backend);
        const Parameters q(device, p);
        const Tensor x = device.input(p.x, shape, dtype), alone = device.output(shape, dtype);
        const Tensor y = in_place ? device.inout(p.x, shape, dtype) : device.output(shape, dtype);
        const Tensor mask = device.output({shape.count() / kMaskedChannels}, DType::U8);
        const Tensor added = residual ? device.input(p.residual, shape, dtype) : Tensor();
        const auto apply = [&](const Tensor& to, const Tensor& mask, const Tensor& from) {
          return backend.batch_norm_apply(to, mask, from, q.mean, q.variance, q.gamma, q.beta, added, p.norm);
        };
        if (backend.info().relu_masks == 0) {
          CHECK(apply(y, mask, x).code == ErrorCode::Unsupported);
          continue;
        }
        device.call(apply(alone, {}, x));
        device.call(apply(y, mask, in_place ? y : x));
        const Floats values = device.read(y);
        expect_same(values, device.read(alone));
        const Bytes found = device.read_bytes(mask);
        for (size_t i = 0; i < values.size(); ++i)
          REQUIRE((found[i / kMaskedChannels] >> i % kMaskedChannels & 1) == (values[i] > 0 ? 1 : 0));
        for (const uint8_t byte : found) REQUIRE(byte < 1 << kMaskedChannels);
        const Gradients by_mask = backward(backend, p, found, in_place), by_y = backward(backend, p, values, in_place);
        expect_same(by_mask.dx, by_y.dx);
        expect_same(by_mask.dgamma, by_y.dgamma);
        expect_same(by_mask.dbeta, by_y.dbeta);
        expect_same(by_mask.dresidual, by_y.dresidual);
      }
    }
  });
}

namespace {

/// What two ranks have of a batch: the first `rows` rows, and those behind them.
std::pair<Floats, Floats> cut(const Floats& values, int64_t rows, int64_t channels) {
  if (values.empty()) return {};
  return {Floats(values.begin(), values.begin() + rows * channels),
          Floats(values.begin() + rows * channels, values.end())};
}

}  // namespace

TEST_CASE("batch_norm_merge: the statistics of ranks' rows become those of the batch") {
  struct Sizes {
    int64_t batch, pixels, channels;
    int32_t ranks;
  };
  for (Backend* backend : backends()) {
    // One rank; as many rows as ranks, and fewer; uneven parts; more channels than a block has threads; a single row.
    for (const Sizes& s : {Sizes{5, 4, 3, 1}, {4, 1, 17, 4}, {2, 9, 5, 8}, {13, 6, 300, 3}, {1, 1, 2, 2}}) {
      CAPTURE(s.ranks);
      Random random(static_cast<uint64_t>(s.batch + s.channels));
      const Doubles x = to_doubles(random.normals(s.batch * s.pixels * s.channels, 3));
      Floats parts;
      for (int32_t rank = 0; rank < s.ranks; ++rank) {
        const RowRange own = rows_of_rank(s.batch, rank, s.ranks);
        const auto begin = x.begin() + own.first * s.pixels * s.channels;
        ChannelStats stats{Doubles(s.channels, 0), Doubles(s.channels, 0), {}};
        if (own.count > 0)
          stats = reference::batch_norm_stats(Doubles(begin, begin + own.count * s.pixels * s.channels),
                                              own.count * s.pixels, s.channels);
        for (const Doubles& each : {stats.mean, stats.variance})
          for (const double value : each) parts.push_back(static_cast<float>(value));
      }
      Device device(*backend);
      const Tensor mean = device.output({s.channels}), variance = device.output({s.channels});
      const Tensor unbiased = device.output({s.channels});
      device.call(backend->batch_norm_merge(mean, variance, unbiased, device.input(parts, {s.ranks, 2, s.channels}),
                                            s.batch, s.pixels));
      const ChannelStats expected = reference::batch_norm_stats(x, s.batch * s.pixels, s.channels);
      expect_close(Op::BatchNormMean, device.read(mean), expected.mean);
      expect_close(Op::BatchNormVariance, device.read(variance), expected.variance);
      expect_close(Op::BatchNormVariance, device.read(unbiased), expected.unbiased_variance);
    }
  }
}

TEST_CASE("batch_norm_backward of ranks that share a batch: sums first, and with those of all the gradient") {
  for_each_case(kShapes, [](Backend& backend, DType dtype, const Shape& shape) {
    for_each_variant(shape, [&](const Variant& variant) {
      Problem p(shape, dtype, variant.residual, variant.relu);
      if (p.rows < 2) return;
      p.settle_relu();
      const Doubles y = p.y();
      const auto expected =
          reference::batch_norm_backward(to_doubles(p.dy), to_doubles(p.x), y, p.stats(), to_doubles(p.gamma), p.norm);
      const Floats stored_y = variant.y_given ? to_floats(y) : Floats();
      const int64_t own = (p.rows + 1) / 2, c = p.channels;
      const auto x = cut(p.x, own, c), dy = cut(p.dy, own, c), ys = cut(stored_y, own, c);
      Device device(backend);
      const Parameters q(device, p);
      struct Rank {
        Tensor dx, dgamma, dbeta, dresidual, dy, x, y;
      };
      const auto rank_of = [&](const Floats& own_x, const Floats& own_dy, const Floats& own_y) {
        const Shape rows{static_cast<int64_t>(own_x.size()) / c, c};
        Rank rank{};
        rank.dy = variant.in_place ? device.inout(own_dy, rows, dtype) : device.input(own_dy, rows, dtype);
        rank.dx = variant.in_place ? rank.dy : device.output(rows, dtype);
        rank.dgamma = device.output({c});
        rank.dbeta = device.output({c});
        if (variant.residual) rank.dresidual = device.output(rows, dtype);
        rank.x = device.input(own_x, rows, dtype);
        if (!own_y.empty()) rank.y = device.input(own_y, rows, dtype);
        return rank;
      };
      Floats dgamma(c, 0), dbeta(c, 0);
      const std::vector<Rank> ranks = {rank_of(x.first, dy.first, ys.first), rank_of(x.second, dy.second, ys.second)};
      for (const Rank& rank : ranks) {
        device.call(backend.batch_norm_backward({}, rank.dgamma, rank.dbeta, rank.dresidual, rank.dy, rank.x, rank.y,
                                                q.mean, q.variance, q.gamma, q.beta, p.norm));
        const Floats own_dgamma = device.read(rank.dgamma), own_dbeta = device.read(rank.dbeta);
        for (int64_t j = 0; j < c; ++j) {
          dgamma[j] += own_dgamma[j];
          dbeta[j] += own_dbeta[j];
        }
      }
      expect_close(Op::BatchNormParameters, dgamma, expected.dgamma);
      expect_close(Op::BatchNormParameters, dbeta, expected.dbeta);
      BatchNorm all = p.norm;
      all.all_rows = p.rows;
      const Tensor all_dgamma = device.input(dgamma, {c}), all_dbeta = device.input(dbeta, {c});
      Floats dx, dresidual;
      for (const Rank& rank : ranks) {
        device.call(backend.batch_norm_backward(rank.dx, all_dgamma, all_dbeta, rank.dresidual, rank.dy, rank.x, rank.y,
                                                q.mean, q.variance, q.gamma, q.beta, all));
        const Floats own_dx = device.read(rank.dx);
        dx.insert(dx.end(), own_dx.begin(), own_dx.end());
        if (!variant.residual) continue;
        const Floats own_dresidual = device.read(rank.dresidual);
        dresidual.insert(dresidual.end(), own_dresidual.begin(), own_dresidual.end());
      }
      expect_close(Op::BatchNormBackward, dx, expected.dx, dtype);
      if (variant.residual) expect_same(dresidual, to_floats(expected.dresidual));
    });
  });
}

}  // namespace margincore::test
