#include "support/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"

namespace margincore::test {

namespace {

double root_mean_square(const Doubles& values) {
  double sum = 0;
  for (double value : values)
    if (std::isfinite(value)) sum += value * value;
  return values.empty() ? 0 : std::sqrt(sum / static_cast<double>(values.size()));
}

/// Share of `limit` that `error` takes; nothing is allowed where the limit is 0.
double share(double error, double limit) { return error == 0 ? 0 : error / limit; }

bool same_special(double a, double b) { return (std::isnan(a) && std::isnan(b)) || a == b; }

template <class T>
std::string first_difference_of(const std::vector<T>& actual, const std::vector<T>& expected) {
  if (actual.size() != expected.size()) return format("%zu entries instead of %zu", actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    if (std::memcmp(&actual[i], &expected[i], sizeof(T)) != 0)
      return format("entry %zu of %zu is %.9g instead of %.9g", i, actual.size(), static_cast<double>(actual[i]),
                    static_cast<double>(expected[i]));
  return "";
}

std::map<std::pair<Op, DType>, double>& used_shares() {
  static std::map<std::pair<Op, DType>, double> used;
  return used;
}

}  // namespace

Comparison compare(const Floats& actual, const Doubles& expected, const Tolerance& tolerance) {
  if (actual.size() != expected.size())
    return {false, format("%zu entries instead of %zu", actual.size(), expected.size()), INFINITY};
  const double scale = root_mean_square(expected);
  Doubles errors(actual.size(), 0);
  double worst = 0;
  size_t place = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    double used;
    if (std::isfinite(actual[i]) && std::isfinite(expected[i])) {
      errors[i] = std::abs(actual[i] - expected[i]);
      used = share(errors[i], tolerance.relative * std::abs(expected[i]) + tolerance.absolute * scale);
    } else {
      used = same_special(actual[i], expected[i]) ? 0 : INFINITY;
    }
    if (used > worst) {
      worst = used;
      place = i;
    }
  }
  if (worst > 1)
    return {false,
            format("entry %zu of %zu is %.9g instead of %.9g: %.3g times the limit", place, actual.size(),
                   actual[place], expected[place], worst),
            worst};
  const double mean = root_mean_square(errors), mean_used = share(mean, tolerance.mean * scale);
  if (mean_used > 1)
    return {false, format("mean error %.3g beside values of %.3g: %.3g times the limit", mean, scale, mean_used),
            mean_used};
  return {true, "", std::max(worst, mean_used)};
}

double relative_distance(const Floats& actual, const Doubles& expected) {
  if (actual.size() != expected.size()) return NAN;
  double error = 0, size = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return error == 0 ? 0 : std::sqrt(error / size);
}

void expect_close(Op op, const Floats& actual, const Doubles& expected, DType dtype) {
  const Tolerance& limits = tolerance(op, dtype);
  const Comparison comparison = compare(actual, expected, limits);
  CHECK_MESSAGE(comparison.equal, std::string(limits.name) << ": " << comparison.message);
  double& used = used_shares()[{op, dtype}];
  used = std::max(used, comparison.used);
}

std::string first_difference(const Floats& actual, const Floats& expected) {
  return first_difference_of(actual, expected);
}
std::string first_difference(const Ints& actual, const Ints& expected) { return first_difference_of(actual, expected); }
std::string first_difference(const Bytes& actual, const Bytes& expected) {
  return first_difference_of(actual, expected);
}

template <class T>
void expect_same(const std::vector<T>& actual, const std::vector<T>& expected) {
  CHECK(first_difference(actual, expected) == "");
}
template void expect_same(const Floats&, const Floats&);
template void expect_same(const Ints&, const Ints&);
template void expect_same(const Bytes&, const Bytes&);

void expect_finite(const Floats& values) {
  const auto found = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  CHECK_MESSAGE(found == values.end(), "entry " << found - values.begin() << " is not finite");
}

std::string limits_used() {
  std::string text;
  for (const auto& [row, used] : used_shares())
    text += format("  %-28s %5.1f %%\n", tolerance(row.first, row.second).name, 100 * used);
  return text;
}

}  // namespace margincore::test
