// Jobs for the native core from another process: one line each, fields separated by tabs, `kind`, then `key=value`.
// Answered is each by one line of JSON, in order. A job that fails is answered by its error; the next is taken.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace margincore::jobs {

class Job {
 public:
  explicit Job(const std::string& line);

  const std::string& kind() const { return kind_; }
  bool has(const std::string& key) const { return values_.count(key) != 0; }
  /// Whether any key begins so.
  bool has_any(const std::string& beginning) const;
  // Each throws InvalidOption where the key is missing (and has no fallback) or the value is not of that kind.
  std::string text(const std::string& key) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  double number(const std::string& key) const;
  double number(const std::string& key, double fallback) const;
  int64_t integer(const std::string& key) const;
  int64_t integer(const std::string& key, int64_t fallback) const;
  std::vector<float> numbers(const std::string& key) const;  // separated by commas; none where the key is missing

  /// Throws InvalidOption where a key was given that nobody has asked for.
  void expect_all_read() const;

 private:
  std::string kind_;
  std::map<std::string, std::string> values_;
  mutable std::set<std::string> read_;
};

/// A JSON object, built field by field.
class Answer {
 public:
  Answer& add(const std::string& name, const std::string& text);
  Answer& add(const std::string& name, double number);
  template <class T>
  Answer& add(const std::string& name, const std::vector<T>& numbers) {
    std::string list;
    for (const T& number : numbers) {
      list += list.empty() ? '[' : ',';
      list += json(static_cast<double>(number));
    }
    list += list.empty() ? "[]" : "]";
    return add_raw(name, list);
  }
  std::string to_string() const { return "{" + fields_ + "}"; }

 private:
  static std::string json(double number);
  Answer& add_raw(const std::string& name, const std::string& value);
  std::string fields_;
};

/// Arrays that are too long for a line: raw fp32 one after another in a file, names and lengths in the answer.
class ArrayFile {
 public:
  void add(const std::string& name, std::vector<float> values) { arrays_.emplace_back(name, std::move(values)); }
  void write(const std::string& path, Answer& answer) const;

 private:
  std::vector<std::pair<std::string, std::vector<float>>> arrays_;
};

/// The whole of a file of raw values.
template <class T>
std::vector<T> read_values(const std::string& path);

using Work = std::function<Answer(const Job&)>;

/// Answers the lines of standard input until it ends.
void serve(const std::map<std::string, Work>& kinds);

}  // namespace margincore::jobs
