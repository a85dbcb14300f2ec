// The target logit z = |f| * omega * phi(theta) and its parts along f and w, in fp64.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "heads/target.h"
#include "reference/margin.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

constexpr int64_t kSize = 5;

struct Pair {
  Doubles f, w;
};

Pair random_pair(uint64_t seed) {
  Random random(seed);
  return {to_doubles(random.normals(kSize, 2)), to_doubles(random.normals(kSize))};
}

TargetGeometry<double> geometry(const Doubles& f, const Doubles& w, bool unit_weights) {
  const double norm_f = std::sqrt(dot(f, f)), norm_w = std::sqrt(dot(w, w));
  const double c = dot(f, w) / (norm_f * norm_w);
  return {norm_f, norm_w, unit_weights ? 1 : norm_w, c, std::sqrt(1 - c * c)};
}

TargetLogit<double> logit(const Margin& margin, double lambda, const Doubles& f, const Doubles& w, bool unit_weights) {
  const TargetGeometry<double> g = geometry(f, w, unit_weights);
  return target_logit<double>(margin, lambda, g.feature_norm * g.omega * g.cosine, g);
}

const Margin kMargins[] = {{4, 0, 0}, {1, 0.5f, 0}, {1, 0, 0.35f}, {1.5f, 0.25f, 0.125f}};

}  // namespace

TEST_CASE("target_logit is |f| omega (lambda c + phi) / (1 + lambda)") {
  for (const Margin& margin : kMargins) {
    for (const double lambda : {0.0, 0.5, 1000.0}) {
      for (const bool unit_weights : {false, true}) {
        for (uint64_t seed = 0; seed < 20; ++seed) {
          const Pair pair = random_pair(seed);
          const TargetGeometry<double> g = geometry(pair.f, pair.w, unit_weights);
          const double phi = reference::margin(margin, std::acos(g.cosine)).phi;
          const double expected = g.feature_norm * g.omega * (lambda * g.cosine + phi) / (1 + lambda);
          CHECK(logit(margin, lambda, pair.f, pair.w, unit_weights).logit == doctest::Approx(expected).epsilon(1e-9));
        }
      }
    }
  }
}

TEST_CASE("target_logit: dcos and radial make up its derivatives in f and w") {
  const std::vector<size_t> all = {0, 1, 2, 3, 4};
  for (const Margin& margin : kMargins) {
    for (const double lambda : {0.0, 0.5}) {
      for (const bool unit_weights : {false, true}) {
        for (uint64_t seed = 0; seed < 20; ++seed) {
          CAPTURE(margin.m1);
          CAPTURE(margin.m2);
          CAPTURE(unit_weights);
          CAPTURE(seed);
          const Pair p = random_pair(seed);
          const TargetGeometry<double> g = geometry(p.f, p.w, unit_weights);
          const TargetLogit<double> z = logit(margin, lambda, p.f, p.w, unit_weights);
          const double norm_w = std::sqrt(dot(p.w, p.w));
          const Doubles df = central_differences(
              p.f, all, 1e-6, [&](const Doubles& f) { return logit(margin, lambda, f, p.w, unit_weights).logit; });
          const Doubles dw = central_differences(
              p.w, all, 1e-6, [&](const Doubles& w) { return logit(margin, lambda, p.f, w, unit_weights).logit; });
          for (int64_t k = 0; k < kSize; ++k) {
            const double unit_f = p.f[k] / g.feature_norm, unit_w = p.w[k] / norm_w;
            CHECK(z.dcos * g.omega * unit_w + z.radial * unit_f == doctest::Approx(df[k]).epsilon(1e-7));
            // A unit weight has no part along w: |f| dcos (f^ - c w^) / |w|.
            const double expected = unit_weights ? z.dcos * g.feature_norm * (unit_f - g.cosine * unit_w) / norm_w
                                                 : z.dcos * p.f[k] + z.radial * g.feature_norm / g.omega * unit_w;
            CHECK(expected == doctest::Approx(dw[k]).epsilon(1e-7));
          }
        }
      }
    }
  }
}

TEST_CASE("target_logit without a margin, without an angle or with endless lambda is the plain logit, exactly") {
  const double infinity = std::numeric_limits<double>::infinity(), plain = 1.2345;
  const TargetGeometry<double> usual{3, 2, 2, 0.6, 0.8};
  const auto expect_plain = [&](const TargetLogit<double>& z) {
    CHECK(z.logit == plain);
    CHECK(z.dcos == 1);
    CHECK(z.radial == 0);
  };
  expect_plain(target_logit<double>({1, 0, 0}, 0, plain, usual));
  for (const Margin& margin : kMargins) {
    expect_plain(target_logit<double>(margin, 0, plain, {0, 2, 2, 0, 0}));
    expect_plain(target_logit<double>(margin, 0, plain, {3, 0, 0, 0, 0}));
    expect_plain(target_logit<double>(ramped(margin, 0), 0, plain, usual));
    expect_plain(target_logit<double>(margin, infinity, plain, usual));
  }
}

TEST_CASE("a detached gradient is that of c itself, with the margin's value") {
  const TargetGeometry<double> usual{3, 2, 2, 0.6, 0.8};
  Margin margin{1, 0.5f, 0};
  const TargetLogit<double> exact = target_logit<double>(margin, 0, 3.6, usual);
  margin.exact = 0;
  const TargetLogit<double> detached = target_logit<double>(margin, 0, 3.6, usual);
  CHECK(detached.logit == exact.logit);
  CHECK(detached.dcos == 1);
  CHECK(exact.dcos != 1);
}

}  // namespace margincore::test
