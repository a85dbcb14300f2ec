// Ranges of numbers, and the check that every number of a description goes through, wherever it came from.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"

namespace margincore {

/// By default every finite number.
struct Range {
  double least = std::numeric_limits<double>::lowest(), most = std::numeric_limits<double>::max();
  bool least_belongs = true, most_belongs = true;

  bool contains(double value) const {  // no NaN
    return (least_belongs ? value >= least : value > least) && (most_belongs ? value <= most : value < most);
  }
};

constexpr Range at_least(double least) { return {.least = least}; }
constexpr Range above(double least) { return {.least = least, .least_belongs = false}; }
constexpr Range between(double least, double most) { return {.least = least, .most = most}; }
/// [least, most)
constexpr Range from_to_below(double least, double most) {
  return {.least = least, .most = most, .most_belongs = false};
}
/// (least, most]
constexpr Range from_above_to(double least, double most) {
  return {.least = least, .most = most, .least_belongs = false};
}

/// " in [0, 1)", " of at least 1", " above 0"; nothing for every finite number.
inline std::string describe(const Range& range) {
  const Range all;
  if (range.least != all.least && range.most != all.most)
    return format(" in %c%.10g, %.10g%c", range.least_belongs ? '[' : '(', range.least, range.most,
                  range.most_belongs ? ']' : ')');
  if (range.least != all.least) return format(range.least_belongs ? " of at least %.10g" : " above %.10g", range.least);
  return range.most == all.most ? "" : format(range.most_belongs ? " of at most %.10g" : " below %.10g", range.most);
}

/// Visits the fields of a description (fields.h) and throws InvalidOption at the first number outside its range.
class RangeCheck {
 public:
  /// `place`: of whose fields, as a message names it: "layer conv1", "head".
  explicit RangeCheck(std::string place) : place_(std::move(place)) {}

  template <class T>
  void required(const char* name, const T& value, Range range = {}) {
    check(name, value, range);
  }
  template <class T>
  void optional(const char* name, const T& value, Range range = {}) {
    check(name, value, range);
  }
  void optional(const char* name, int64_t value, Range range, int64_t /*otherwise*/) { check(name, value, range); }
  void optional(const char* name, const std::optional<int64_t>& value, const char* /*word*/, Range range) {
    if (value) check(name, *value, range);
  }
  void height_and_width(const char* name, int64_t height, int64_t width, Range range) {
    check(name, height, range);
    check(name, width, range);
  }
  void flag(const char*, int32_t) {}
  template <class T>
  void object(const char* name, std::optional<T>& inner) {
    if (inner) check_object(name, *inner);
  }
  template <class Enum, class T>
  void word_or_object(const char* name, std::optional<std::variant<Enum, T>>& value) {
    if (value && std::holds_alternative<T>(*value)) check_object(name, std::get<T>(*value));
  }

 private:
  RangeCheck(const std::string& place, std::string prefix) : place_(place), prefix_(std::move(prefix)) {}

  template <class T>
  void check_object(const char* name, T& inner) {
    RangeCheck check(place_, prefix_ + name + ".");
    fields(check, inner);
  }

  template <class T>
    requires(std::is_enum_v<T> || std::is_same_v<T, bool>)
  void check(const char*, const T&, const Range&) {}

  void check(const char* name, double value, const Range& range) {
    if (std::isfinite(value) && range.contains(value)) return;
    refuse(name, range, value);
  }
  /// Backends count in 32 bits.
  void check(const char* name, int64_t value, Range range) {
    if (value > std::numeric_limits<int32_t>::max()) range = {.most = std::numeric_limits<int32_t>::max()};
    if (!range.contains(static_cast<double>(value))) refuse(name, range, static_cast<double>(value));
  }
  void check(const char* name, const std::vector<float>& values, const Range& range) {
    for (float value : values) check(name, value, range);
  }

  void check(const char* name, const Shape& shape, const Range& range) {
    for (int axis = 0; axis < shape.rank; ++axis) check(name, shape[axis], range);
  }

  [[noreturn]] void refuse(const char* name, const Range& range, double value) {
    throw Error(ErrorCode::InvalidOption, place_ + ": expected " + (std::isfinite(value) ? "" : "a finite ") + prefix_ +
                                              name + describe(range) + format(" but received %.10g", value));
  }

  std::string place_, prefix_;
};

}  // namespace margincore
