// A value of a description, wherever it is written: in JavaScript, or as text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace margincore {

class Value {
 public:
  virtual ~Value() = default;

  // As what it is read; empty where it is something else.
  virtual std::optional<double> number() const = 0;
  virtual std::optional<bool> boolean() const = 0;
  virtual std::optional<std::string> text() const = 0;
  virtual std::optional<std::vector<float>> floats() const = 0;
  virtual std::optional<std::vector<std::unique_ptr<Value>>> list() const = 0;

  // As an object.
  virtual bool is_object() const = 0;
  /// What lies in it, but for what is undefined or null; nothing where somebody else refuses unknown names.
  virtual std::vector<std::string> names() const = 0;
  /// Null where there is nothing of that name, or it is undefined or null.
  virtual std::unique_ptr<Value> at(const std::string& name) const = 0;

  /// "3 of type number", for messages.
  virtual std::string shown() const = 0;
};

using Values = std::vector<std::unique_ptr<Value>>;

}  // namespace margincore
