// Row math of native/heads/ in fp64 against the papers' formulas and against central differences.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "heads/target.h"
#include "reference/margin.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::kDegree;
using reference::kPi;

Margin margin(double m1, double m2, double m3, Wrap wrap = Wrap::Continue, int easy = 0) {
  return {static_cast<float>(m1), static_cast<float>(m2), static_cast<float>(m3), wrap, easy, 1};
}

std::string name_of(const Margin& m) {
  return format("m1 %g, m2 %g, m3 %g, wrap %d, easy %d", m.m1, m.m2, m.m3, static_cast<int>(m.wrap), m.easy);
}

std::vector<Margin> integer_margins() {
  std::vector<Margin> margins;
  for (int m = 1; m <= 16; ++m) margins.push_back(margin(m, 0, 0));
  return margins;
}

std::vector<Margin> arcface_margins(Wrap wrap, int easy) {
  std::vector<Margin> margins;
  for (int tenths = 1; tenths <= 15; ++tenths) margins.push_back(margin(1, 0.1 * tenths, 0, wrap, easy));
  margins.push_back(margin(1, kPi / 2, 0, wrap, easy));
  return margins;
}

std::vector<Margin> combined_margins() {
  std::vector<Margin> margins;
  for (const double m1 : {0.8, 1.25, 1.5, 2.5, 3.7, 5.0})
    for (const double m2 : {0.0, 0.2, 0.5, 1.5})
      for (const double m3 : {0.0, 0.35}) margins.push_back(margin(m1, m2, m3));
  for (const double m2 : {0.3, 0.5}) margins.push_back(margin(1, m2, 0.2));
  return margins;
}

/// Those by psi: continuous and decreasing.
std::vector<Margin> continued_margins() {
  std::vector<Margin> margins = {margin(1, 0, 0), margin(1, 0, 0.1), margin(1, 0, 0.35)};
  for (const auto& more : {integer_margins(), arcface_margins(Wrap::Continue, 0), combined_margins()})
    margins.insert(margins.end(), more.begin(), more.end());
  return margins;
}

std::vector<Margin> all_margins() {
  std::vector<Margin> margins = continued_margins();
  for (const Wrap wrap : {Wrap::Continue, Wrap::Linear, Wrap::None})
    for (const int easy : {0, 1}) {
      if (wrap == Wrap::Continue && easy == 0) continue;
      const auto more = arcface_margins(wrap, easy);
      margins.insert(margins.end(), more.begin(), more.end());
    }
  return margins;
}

MarginValue<double> value_at(const Margin& m, double theta) {
  return evaluate_margin<double>(m, std::cos(theta), std::sin(theta));
}

/// d phi / d c by differences in theta, where dc = -sin(theta) dtheta.
double slope_by_differences(const Margin& m, double theta) {
  const double h = 1e-6;
  return -(value_at(m, theta + h).phi - value_at(m, theta - h).phi) / (2 * h) / std::sin(theta);
}

/// Angles inside (0, pi) where the formula changes: each multiple of pi in u, and where an easy margin begins.
std::vector<double> branch_points(const Margin& m) {
  std::vector<double> angles;
  for (int k = 1; (k * kPi - m.m2) / m.m1 < kPi - 1e-6; ++k) angles.push_back((k * kPi - m.m2) / m.m1);
  if (m.easy) angles.push_back(kPi / 2);
  return angles;
}

bool is_branch_point(const Margin& m, double theta) {
  for (const double branch : branch_points(m))
    if (std::abs(theta - branch) < 1e-6) return true;
  return false;
}

bool is_near(double a, double b, double relative) {
  return std::abs(a - b) <= relative * std::max({1.0, std::abs(a), std::abs(b)});
}

/// Every degree inside (0, 180), tenths near the ends, and branch points: both sides, and where psi has a derivative
/// there, the point itself.
std::vector<double> sweep(const Margin& m) {
  std::vector<double> angles = {0.1 * kDegree, 0.5 * kDegree, 179.5 * kDegree, 179.9 * kDegree};
  for (int degree = 1; degree < 180; ++degree) angles.push_back(degree * kDegree);
  for (const double angle : branch_points(m)) {
    if (m.wrap == Wrap::Continue && !m.easy) angles.push_back(angle);
    for (const double beside : {angle - 1e-4, angle + 1e-4})
      if (beside < kPi) angles.push_back(beside);
  }
  return angles;
}

}  // namespace

TEST_CASE("margins: value and derivative are the papers', at every degree and around branch points") {
  for (const Margin& m : all_margins()) {
    CAPTURE(name_of(m));
    for (const double theta : sweep(m)) {
      CAPTURE(theta / kDegree);
      const bool at_jump = m.easy && std::abs(theta - kPi / 2) < 1e-9;  // cos(90 degrees) is 6e-17, not 0
      if (at_jump) continue;
      const MarginValue<double> found = value_at(m, theta);
      const reference::MarginPoint expected = reference::margin(m, theta);
      CHECK(is_near(found.phi, expected.phi, 1e-12));
      CHECK(is_near(found.dphi, expected.dphi, 1e-9));
    }
  }
}

TEST_CASE("margins: the derivative is that of the value, at every degree and around branch points") {
  for (const Margin& m : all_margins()) {
    CAPTURE(name_of(m));
    for (const double theta : sweep(m)) {
      CAPTURE(theta / kDegree);
      if (m.easy && std::abs(theta - kPi / 2) < 1e-9) continue;  // on the jump itself
      // Where a branch point is hit, the second derivative changes its sign there: the error is up to h*m1^2.
      const bool at_branch = is_branch_point(m, theta);
      if (at_branch && m.wrap == Wrap::Linear) continue;  // a jump
      const double limit = 1e-7 + 2e-6 * m.m1 * m.m1 * (at_branch ? 1 : 0);
      CHECK(is_near(value_at(m, theta).dphi, slope_by_differences(m, theta), limit / std::sin(theta)));
    }
  }
}

TEST_CASE("margins by psi are continuous and strictly decreasing") {
  constexpr double kStep = 1e-3;
  for (const Margin& m : continued_margins()) {
    CAPTURE(name_of(m));
    double before = value_at(m, 0).phi;
    for (double theta = kStep; theta <= kPi; theta += kStep) {
      const double phi = value_at(m, theta).phi;
      CAPTURE(theta / kDegree);
      CHECK(phi < before);
      CHECK(before - phi <= m.m1 * kStep * (1 + 1e-9) + 1e-12);  // |d psi / d theta| <= m1
      before = phi;
    }
  }
}

TEST_CASE("the other rules of ArcFace jump where they are said to") {
  const double m = 0.5f, e = 1e-9;
  const Margin linear = margin(1, m, 0, Wrap::Linear), none = margin(1, m, 0, Wrap::None);
  const Margin easy = margin(1, m, 0, Wrap::Continue, 1);
  CHECK(value_at(linear, kPi - m - e).phi == doctest::Approx(-1));
  CHECK(value_at(linear, kPi - m + e).phi == doctest::Approx(-1.11729).epsilon(1e-5));
  CHECK(value_at(none, kPi - m / 2).phi < value_at(none, kPi).phi);  // rewards the wrong side
  CHECK(value_at(easy, kPi / 2 - e).phi == doctest::Approx(-std::sin(m)));
  CHECK(value_at(easy, kPi / 2 + e).phi == doctest::Approx(0));
}

TEST_CASE("past_pi says whether the margin's angle lies beyond pi") {
  for (const Margin& m : all_margins()) {
    if (m.easy) continue;
    CAPTURE(name_of(m));
    for (int degree = 1; degree < 180; ++degree) {
      const double u = m.m1 * degree * kDegree + m.m2;
      if (std::abs(u - kPi) < 1e-6) continue;
      CAPTURE(degree);
      CHECK(value_at(m, degree * kDegree).past_pi == (u > kPi));
    }
  }
}

TEST_CASE("margins at c = 1 and c = -1 and next to them are finite and within the cap") {
  for (const Margin& m : all_margins()) {
    CAPTURE(name_of(m));
    const bool integer = m.m2 == 0 && m.m1 == std::floor(m.m1), arcface = m.m1 == 1;
    const double cap = integer ? m.m1 * m.m1 : arcface ? 1 + std::sin(m.m2) / 1e-4 : m.m1 / 1e-4;
    for (const double theta : {0.0, 1e-12, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3}) {
      for (const double side : {1.0, -1.0}) {
        CAPTURE(theta * side);
        const MarginValue<double> found = evaluate_margin<double>(m, side * std::cos(theta), std::sin(theta));
        CHECK(std::isfinite(found.phi));
        CHECK(std::isfinite(found.dphi));
        CHECK(std::abs(found.dphi) <= cap * (1 + 1e-9));
      }
    }
    CHECK(is_near(evaluate_margin<double>(m, 1, 0).phi, reference::psi(m.m2) - m.m3, 1e-12));
    if (integer) {  // T_m'(1) = T_m'(-1) = m^2, up to the sign of the branch
      CHECK(evaluate_margin<double>(m, 1, 0).dphi == doctest::Approx(m.m1 * m.m1));
      CHECK(evaluate_margin<double>(m, -1, 0).dphi == doctest::Approx(m.m1 * m.m1));
    }
    if (m.wrap == Wrap::Continue && !m.easy)
      CHECK(is_near(evaluate_margin<double>(m, -1, 0).phi, reference::psi(m.m1 * kPi + m.m2) - m.m3, 1e-6));
  }
}

TEST_CASE("m = 1 and m = 0 are no margin, exactly") {
  const Margin none = margin(1, 0, 0);
  CHECK_FALSE(has_margin(none));
  CHECK(has_margin(margin(2, 0, 0)));
  CHECK(has_margin(margin(1, 0.1, 0)));
  CHECK(has_margin(margin(1, 0, 0.1)));
  for (int degree = 0; degree <= 180; ++degree) {
    const double c = std::cos(degree * kDegree), sine = std::sin(degree * kDegree);
    for (const MarginValue<double>& value :
         {evaluate_margin<double>(none, c, sine), MultiplicativeAngle::evaluate<double>(none, c, sine)}) {
      CHECK(value.phi == c);
      CHECK(value.dphi == 1);
      CHECK_FALSE(value.past_pi);
    }
  }
}

TEST_CASE("the general margin agrees with its special cases") {
  for (int degree = 1; degree < 180; ++degree) {
    CAPTURE(degree);
    const double c = std::cos(degree * kDegree), sine = std::sin(degree * kDegree);
    const auto expect_equal = [&](const MarginValue<double>& general, const MarginValue<double>& special) {
      CHECK(is_near(general.phi, special.phi, 1e-12));
      CHECK(is_near(general.dphi, special.dphi, 1e-9));
    };
    for (const Margin& m : integer_margins()) {
      CAPTURE(name_of(m));
      expect_equal(GeneralAngle::evaluate<double>(m, c, sine), MultiplicativeAngle::evaluate<double>(m, c, sine));
    }
    for (const Margin& m : arcface_margins(Wrap::Continue, 0)) {
      CAPTURE(name_of(m));
      expect_equal(GeneralAngle::evaluate<double>(m, c, sine), AdditiveAngle::evaluate<double>(m, c, sine));
    }
  }
}

TEST_CASE("a ramp of 0 is no margin, of 1 the margin, and between them it grows evenly") {
  const Margin full = margin(4, 0.5, 0.25);
  CHECK_FALSE(has_margin(ramped(full, 0)));
  const Margin whole = ramped(full, 1), half = ramped(full, 0.5f);
  CHECK((whole.m1 == full.m1 && whole.m2 == full.m2 && whole.m3 == full.m3));
  CHECK((half.m1 == 2.5f && half.m2 == 0.25f && half.m3 == 0.125f));
}

TEST_CASE("fp32 follows fp64") {
  // c and sin(theta) are rounded to 6e-8, which psi multiplies by up to m1 and its derivative by m1^2/sin(theta).
  for (const Margin& m : all_margins()) {
    CAPTURE(name_of(m));
    for (const double degrees : {0.1, 1.0, 10.0, 45.3, 89.0, 91.0, 133.7, 170.0, 179.0}) {
      CAPTURE(degrees);
      const float c = static_cast<float>(std::cos(degrees * kDegree));
      const float sine = static_cast<float>(std::sin(degrees * kDegree));
      const double theta = std::atan2(double{sine}, double{c});
      if (is_branch_point(m, theta)) continue;
      const MarginValue<float> found = evaluate_margin<float>(m, c, sine);
      const MarginValue<double> expected = evaluate_margin<double>(m, std::cos(theta), std::sin(theta));
      const double m1 = m.m1;
      CHECK(std::abs(found.phi - expected.phi) <= 3e-7 * m1 * m1 + 1e-6);
      CHECK(std::abs(found.dphi - expected.dphi) <= 1e-6 * m1 * m1 * m1 * m1 + 3e-6 * std::abs(expected.dphi));
    }
  }
}

}  // namespace margincore::test
