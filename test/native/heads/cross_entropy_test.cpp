#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

#include "heads/cross_entropy.h"

namespace margincore::test {

namespace { constexpr double kInfinity = std::numeric_limits<double>::infinity(); }  // namespace

TEST_CASE("merge adds sums of exponentials with different maxima; the empty sum adds nothing") {
  const ExponentSum<double> empty{-kInfinity, 0}, a{3, 1.5}, b{-2, 4};
  for (const auto& sum : {merge(a, b), merge(b, a)}) {
    CHECK(sum.max == 3);
    CHECK(sum.sum * std::exp(sum.max) == doctest::Approx(1.5 * std::exp(3) + 4 * std::exp(-2)).epsilon(1e-14));
  }
  for (const auto& sum : {merge(a, empty), merge(empty, a)}) CHECK((sum.max == 3 && sum.sum == 1.5));
  CHECK(merge(empty, empty).sum == 0);
}

TEST_CASE("row_loss over the whole range of a sample's certainty") {
  // Other classes sum to 2 e^others; the target is at 0. In fp64, log1p(e^x) and 1/(1 + e^-x) lose no digits.
  for (const double others : {-80.0, -20.0, -5.0, -0.1, 0.0, 0.3, 5.0, 20.0, 80.0}) {
    CAPTURE(others);
    const double excess = others + std::log(2);
    const double loss = excess > 30 ? excess : std::log1p(std::exp(excess)), wrong = 1 / (1 + std::exp(-excess));
    const RowLoss<double> exact = row_loss(ExponentSum<double>{others, 2}, 0.0);
    CHECK(std::abs(exact.loss - loss) <= 1e-13 * loss);
    CHECK(std::abs(exact.others - wrong) <= 1e-13 * wrong);
    CHECK(std::abs(exact.per_exponent * 2 - wrong) <= 1e-13 * wrong);
    CHECK(exact.log_sum == doctest::Approx(loss));

    const RowLoss<float> single = row_loss(ExponentSum<float>{static_cast<float>(others), 2}, 0.0f);
    const double rounding = 3e-7 + 1e-7 * std::abs(others);  // of the excess itself
    CHECK(std::abs(single.loss - loss) <= rounding * loss);
    CHECK(std::abs(single.others - wrong) <= rounding * wrong);
  }
}

TEST_CASE("row_loss of a single class is nothing") {
  const RowLoss<double> loss = row_loss(ExponentSum<double>{-kInfinity, 0}, 7.0);
  CHECK((loss.loss == 0 && loss.others == 0 && loss.per_exponent == 0 && loss.log_sum == 7));
}

TEST_CASE("row_loss keeps NaN") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(row_loss(ExponentSum<double>{1, 2}, nan).loss));
  CHECK(std::isnan(row_loss(ExponentSum<double>{1, nan}, 0.0).loss));
}

TEST_CASE("gradient_terms: a row's gradient sums to zero") {
  const double weights[] = {0.5, 2, 1}, p[] = {0.2, 0.5, 0.3}, sum = 3.5;
  for (const double smoothing : {0.0, 0.1, 0.9}) {
    const GradientTerms<double> terms = gradient_terms(smoothing, weights[1], sum, 3.0, 0.25);
    double total = -terms.hard;
    for (int j = 0; j < 3; ++j) total += terms.per_probability * p[j] - terms.smooth * weights[j];
    CHECK(std::abs(total) < 1e-15);
    CHECK(terms.hard == doctest::Approx((1 - smoothing) * 2 * 0.25));
  }
}

}  // namespace margincore::test
