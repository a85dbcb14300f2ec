#include "addon/js_value.h"

#include "addon/convert.h"
#include "base/error.h"

namespace margincore {

namespace {

bool is_nothing(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

}  // namespace

std::optional<double> JsValue::number() const {
  if (!value_.IsNumber()) return {};
  return value_.As<Napi::Number>().DoubleValue();
}

std::optional<bool> JsValue::boolean() const {
  if (!value_.IsBoolean()) return {};
  return value_.As<Napi::Boolean>().Value();
}

std::optional<std::string> JsValue::text() const {
  if (!value_.IsString()) return {};
  return value_.As<Napi::String>().Utf8Value();
}

std::optional<std::vector<float>> JsValue::floats() const {
  if (!value_.IsTypedArray() || value_.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) return {};
  return to_floats(value_, "numbers");
}

std::optional<Values> JsValue::list() const {
  if (!value_.IsArray()) return {};
  const Napi::Array array = value_.As<Napi::Array>();
  Values values;
  for (uint32_t i = 0; i < array.Length(); ++i) values.push_back(std::make_unique<JsValue>(array.Get(i)));
  return values;
}

bool JsValue::is_object() const {
  return value_.IsObject() && !value_.IsArray() && !value_.IsFunction() && !value_.IsTypedArray();
}

/// Its own, as Object.keys has them: what a prototype brings along is not an option that somebody gave.
std::vector<std::string> JsValue::names() const {
  napi_value keys = nullptr;
  const auto filter = static_cast<napi_key_filter>(napi_key_enumerable | napi_key_skip_symbols);
  const napi_status status =
      napi_get_all_property_names(value_.Env(), value_, napi_key_own_only, filter, napi_key_numbers_to_strings, &keys);
  if (status != napi_ok) throw Napi::Error::New(value_.Env());
  const Napi::Array array(value_.Env(), keys);
  std::vector<std::string> names;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value name = array.Get(i);
    if (!is_nothing(value_.As<Napi::Object>().Get(name))) names.push_back(name.As<Napi::String>().Utf8Value());
  }
  return names;
}

std::unique_ptr<Value> JsValue::at(const std::string& name) const {
  const Napi::Value value = value_.As<Napi::Object>().Get(name);
  if (is_nothing(value)) return nullptr;
  return std::make_unique<JsValue>(value);
}

std::string JsValue::shown() const {
  if (value_.IsString()) return format("\"%s\" of type string", text()->c_str());
  if (value_.IsNumber()) return value_.ToString().Utf8Value() + " of type number";
  if (value_.IsBoolean()) return *boolean() ? "true of type boolean" : "false of type boolean";
  if (value_.IsArray()) return "an array";
  if (value_.IsTypedArray()) return "a typed array";
  if (value_.IsFunction()) return "a function";
  return value_.IsObject()      ? "an object"
         : value_.IsNull()      ? "null"
         : value_.IsUndefined() ? "undefined"
                                : "a value of another type";
}

}  // namespace margincore
