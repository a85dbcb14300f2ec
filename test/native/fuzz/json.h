// Descriptions as text, for the fuzzer: JSON, with more numbers than that has (inf, nan), and #[…] for an array of floats.
#pragma once

#include <cstdlib>
#include <string>

#include "support/described.h"

namespace margincore::test {

class Json {
 public:
  /// Empty where the text is none.
  static std::optional<Described> parse(const std::string& text) {
    Json json(text);
    std::optional<Described> value = json.value(0);
    json.blanks();
    return json.at_ == text.size() ? value : std::nullopt;
  }

 private:
  explicit Json(const std::string& text) : text_(text) {}

  std::optional<Described> value(int depth) {
    if (depth > kMostDepth) return {};
    if (take('{')) return object(depth);
    if (take('[')) return list(depth);
    if (take('#')) return take('[') ? floats() : std::nullopt;
    if (peek() == '"') {
      const std::optional<std::string> found = string();
      return found ? std::optional<Described>(found->c_str()) : std::nullopt;
    }
    if (word("true")) return Described(true);
    if (word("false")) return Described(false);
    const std::optional<double> found = number();
    return found ? std::optional<Described>(*found) : std::nullopt;
  }

  std::optional<Described> object(int depth) {
    Described::Object fields;
    if (take('}')) return Described(std::move(fields));
    do {
      if (peek() != '"') return {};
      const std::optional<std::string> name = string();
      if (!name || !take(':')) return {};
      std::optional<Described> inner = value(depth + 1);
      if (!inner) return {};
      fields.emplace_back(*name, std::move(*inner));
    } while (take(','));
    return take('}') ? std::optional<Described>(std::move(fields)) : std::nullopt;
  }

  std::optional<Described> list(int depth) {
    Described::List items;
    if (take(']')) return Described(std::move(items));
    do {
      std::optional<Described> item = value(depth + 1);
      if (!item) return {};
      items.push_back(std::move(*item));
    } while (take(','));
    return take(']') ? std::optional<Described>(std::move(items)) : std::nullopt;
  }

  std::optional<Described> floats() {
    std::vector<float> values;
    if (take(']')) return Described(std::move(values));
    do {
      const std::optional<double> found = number();
      if (!found) return {};
      values.push_back(static_cast<float>(*found));
    } while (take(','));
    return take(']') ? std::optional<Described>(std::move(values)) : std::nullopt;
  }

  std::optional<std::string> string() {
    const size_t end = text_.find('"', at_ + 1);
    if (end == std::string::npos) return {};
    std::string found = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return found;
  }

  std::optional<double> number() {
    blanks();
    const char* begin = text_.c_str() + at_;
    char* end = nullptr;
    const double found = std::strtod(begin, &end);
    if (end == begin) return {};
    at_ += static_cast<size_t>(end - begin);
    return found;
  }

  bool word(const std::string& word) {
    blanks();
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }

  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }

  char peek() {
    blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  static constexpr int kMostDepth = 400;  // deeper than what is accepted

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace margincore::test
