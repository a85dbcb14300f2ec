// A description in memory, as others come from JavaScript or text.
#pragma once

#include <utility>
#include <variant>

#include "base/error.h"
#include "spec/value.h"

namespace margincore::test {

class Described final : public Value {
 public:
  using List = std::vector<Described>;
  using Object = std::vector<std::pair<std::string, Described>>;

  Described(double number) : value_(number) {}
  Described(int number) : value_(static_cast<double>(number)) {}
  Described(bool boolean) : value_(boolean) {}
  Described(const char* text) : value_(std::string(text)) {}
  Described(std::vector<float> floats) : value_(std::move(floats)) {}
  Described(List list) : value_(std::move(list)) {}
  Described(Object object) : value_(std::move(object)) {}

  std::optional<double> number() const override { return as<double>(); }
  std::optional<bool> boolean() const override { return as<bool>(); }
  std::optional<std::string> text() const override { return as<std::string>(); }
  std::optional<std::vector<float>> floats() const override { return as<std::vector<float>>(); }
  std::optional<Values> list() const override {
    const auto* list = std::get_if<List>(&value_);
    if (list == nullptr) return {};
    Values values;
    for (const Described& item : *list) values.push_back(std::make_unique<Described>(item));
    return values;
  }
  bool is_object() const override { return std::holds_alternative<Object>(value_); }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, value] : std::get<Object>(value_)) names.push_back(name);
    return names;
  }
  std::unique_ptr<Value> at(const std::string& name) const override {
    for (const auto& [each, value] : std::get<Object>(value_))
      if (each == name) return std::make_unique<Described>(value);
    return nullptr;
  }
  std::string shown() const override { return number() ? format("%g", *number()) : text().value_or("something"); }

 private:
  template <class T>
  std::optional<T> as() const {
    const auto* value = std::get_if<T>(&value_);
    return value == nullptr ? std::nullopt : std::optional<T>(*value);
  }

  std::variant<double, bool, std::string, std::vector<float>, List, Object> value_;
};

}  // namespace margincore::test
