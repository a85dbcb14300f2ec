// Reads the fields of a description (fields.h) from a value. Ranges are not its business: RangeCheck sees to them where
// a description is used.
#pragma once

#include "spec/fields.h"
#include "spec/nearest_word.h"
#include "spec/value.h"
#include "spec/words.h"

namespace margincore {

class Reader {
 public:
  explicit Reader(const Value& object, std::string prefix = "") : object_(object), prefix_(std::move(prefix)) {}

  template <class T>
  void required(const char* name, T& value, Range = {}) {
    if (!read(name, value)) fail(prefix_ + name + " is missing");
  }
  template <class T>
  void optional(const char* name, T& value, Range = {}) {
    read(name, value);
  }
  void optional(const char* name, int64_t& value, Range, int64_t otherwise) {
    if (!read(name, value)) value = otherwise;
  }
  /// A number, or the word, which leaves the value empty.
  void optional(const char* name, std::optional<int64_t>& value, const char* word, Range);
  /// One number for both, or [height, width].
  void height_and_width(const char* name, int64_t& height, int64_t& width, Range);
  void flag(const char* name, int32_t& value);
  template <class T>
  void object(const char* name, std::optional<T>& inner) {
    const std::unique_ptr<Value> value = find(name);
    if (!value) return;
    if (!value->is_object()) return fail_kind(name, "an object", *value);
    read_object(name, *value, inner.emplace());
  }
  /// One of the words of Enum, or an object with the fields of T.
  template <class Enum, class T>
  void word_or_object(const char* name, std::optional<std::variant<Enum, T>>& value) {
    const std::unique_ptr<Value> found = find(name);
    if (!found) return;
    if (found->is_object()) {
      read_object(name, *found, std::get<T>(value.emplace(T{})));
    } else if (const std::optional<Enum> named = find_word<Enum>(found->text().value_or(""))) {
      value = *named;
    } else {
      fail_kind(name, list_words<Enum>() + ", or an object,", *found,
                did_you_mean(found->text().value_or(""), words<Enum>()));
    }
  }
  /// What lies under a name that no struct has; null where nothing does.
  std::unique_ptr<Value> find(const char* name);

  /// At the end: throws InvalidOption for a name that no field has, or else for the first field that could not be read.
  /// `place`: whose, in the message.
  void finish(const std::string& place);

  /// Keeps the first failure: a misspelt name explains why another is missing, and is what `finish` speaks of then.
  void fail(const std::string& what);
  void fail_kind(const std::string& name, const std::string& expected, const Value& received,
                 const std::string& hint = "");

 private:
  // Whether something of that name is there.
  bool read(const char* name, int64_t& value);
  bool read(const char* name, double& value);
  bool read(const char* name, float& value);
  bool read(const char* name, bool& value);
  bool read(const char* name, std::string& value);
  bool read(const char* name, std::vector<float>& values);
  bool read(const char* name, Shape& image);
  template <class Enum>
    requires(std::is_enum_v<Enum>)
  bool read(const char* name, Enum& value) {
    const std::unique_ptr<Value> found = find(name);
    if (!found) return false;
    const std::optional<Enum> named = find_word<Enum>(found->text().value_or(""));
    if (named) value = *named;
    else fail_kind(name, list_words<Enum>(), *found);
    return true;
  }

  template <class T>
  void read_object(const char* name, const Value& value, T& inner) {
    Reader reader(value, prefix_ + name + ".");
    fields(reader, inner);
    reader.look_for_unknown();
    if (unknown_.empty()) unknown_ = reader.unknown_;
    if (failure_.empty()) failure_ = reader.failure_;
  }

  void look_for_unknown();

  const Value& object_;
  std::string prefix_;  // of names in messages
  std::vector<std::string> known_;
  std::string unknown_, failure_;
};

/// Fills a description from an object that holds its fields and nothing else.
template <class Spec>
Spec read_spec(const Value& object, const std::string& place) {
  if (!object.is_object())
    throw Error(ErrorCode::InvalidOption, place + ": expected an object but received " + object.shown());
  Spec spec;
  Reader reader(object);
  fields(reader, spec);
  reader.finish(place);
  return spec;
}

}  // namespace margincore
