#include "spec/reader.h"

#include <algorithm>

namespace margincore {

namespace {

constexpr double kLargestInteger = 9007199254740991.0;  // up to which doubles hold every one

std::optional<int64_t> to_integer(const Value& value) {
  const std::optional<double> number = value.number();
  if (!number || !(std::fabs(*number) <= kLargestInteger) || *number != std::floor(*number)) return {};
  return static_cast<int64_t>(*number);
}

/// Of a list of whole numbers; none of anything else.
std::vector<int64_t> to_integers(const Value& value) {
  std::vector<int64_t> numbers;
  const std::optional<Values> list = value.list();
  if (!list) return numbers;
  for (const std::unique_ptr<Value>& item : *list) {
    const std::optional<int64_t> number = to_integer(*item);
    if (!number) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

std::unique_ptr<Value> Reader::find(const char* name) {
  known_.push_back(name);
  return object_.at(name);
}

void Reader::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
}

void Reader::fail_kind(const std::string& name, const std::string& expected, const Value& received,
                       const std::string& hint) {
  fail("expected " + expected + " for " + prefix_ + name + " but received " + received.shown() +
       (hint.empty() ? "" : ". " + hint));
}

void Reader::look_for_unknown() {
  if (!unknown_.empty()) return;
  for (const std::string& name : object_.names()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string hint = did_you_mean(name, known_);
    if (hint.empty()) {
      for (const std::string& known : known_) hint += (hint.empty() ? "The options are " : ", ") + known;
      if (hint.empty()) hint = "There are none";
    }
    unknown_ = "there is no option '" + prefix_ + name + "'. " + hint;
    return;
  }
}

void Reader::finish(const std::string& place) {
  look_for_unknown();
  const std::string& found = unknown_.empty() ? failure_ : unknown_;
  if (!found.empty()) throw Error(ErrorCode::InvalidOption, place + ": " + found);
}

void Reader::optional(const char* name, std::optional<int64_t>& value, const char* word, Range) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return;
  if (found->text() == word) {
    value.reset();
  } else if (const std::optional<int64_t> number = to_integer(*found)) {
    value = number;
  } else {
    const std::string hint = did_you_mean(found->text().value_or(""), {word});
    fail_kind(name, std::string("a whole number or '") + word + "'", *found, hint);
  }
}

void Reader::height_and_width(const char* name, int64_t& height, int64_t& width, Range) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return fail(prefix_ + name + " is missing");
  if (const std::optional<int64_t> both = to_integer(*found)) {
    height = width = *both;
    return;
  }
  const std::vector<int64_t> sizes = to_integers(*found);
  if (sizes.size() != 2) return fail_kind(name, "a whole number or [height, width]", *found);
  height = sizes[0];
  width = sizes[1];
}

void Reader::flag(const char* name, int32_t& value) {
  bool flag = value != 0;
  read(name, flag);
  value = flag ? 1 : 0;
}

bool Reader::read(const char* name, int64_t& value) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return false;
  if (const std::optional<int64_t> number = to_integer(*found)) value = *number;
  else fail_kind(name, "a whole number", *found);
  return true;
}

bool Reader::read(const char* name, double& value) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return false;
  if (const std::optional<double> number = found->number()) value = *number;
  else fail_kind(name, "a number", *found);
  return true;
}

bool Reader::read(const char* name, float& value) {
  double number = value;
  const bool found = read(name, number);
  value = static_cast<float>(number);
  return found;
}

bool Reader::read(const char* name, bool& value) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return false;
  if (const std::optional<bool> boolean = found->boolean()) value = *boolean;
  else fail_kind(name, "true or false", *found);
  return true;
}

bool Reader::read(const char* name, std::string& value) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return false;
  if (const std::optional<std::string> text = found->text()) value = *text;
  else fail_kind(name, "a string", *found);
  return true;
}

bool Reader::read(const char* name, std::vector<float>& values) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return false;
  if (std::optional<std::vector<float>> floats = found->floats()) values = std::move(*floats);
  else fail_kind(name, "fp32 numbers", *found);
  return true;
}

bool Reader::read(const char* name, Shape& image) {
  const std::unique_ptr<Value> found = find(name);
  if (!found) return false;
  const std::vector<int64_t> sizes = to_integers(*found);
  if (sizes.size() == 3) image = {sizes[0], sizes[1], sizes[2]};
  else fail_kind(name, "[H, W, C]", *found);
  return true;
}

}  // namespace margincore
