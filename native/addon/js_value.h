// A JavaScript value as what descriptions are read from.
#pragma once

#include <napi.h>

#include "spec/value.h"

namespace margincore {

class JsValue final : public Value {
 public:
  explicit JsValue(Napi::Value value) : value_(value) {}

  std::optional<double> number() const override;
  std::optional<bool> boolean() const override;
  std::optional<std::string> text() const override;
  /// Of a Float32Array.
  std::optional<std::vector<float>> floats() const override;
  std::optional<Values> list() const override;
  bool is_object() const override;
  std::vector<std::string> names() const override;
  std::unique_ptr<Value> at(const std::string& name) const override;
  std::string shown() const override;

 private:
  Napi::Value value_;
};

}  // namespace margincore
