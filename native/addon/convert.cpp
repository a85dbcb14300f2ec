#include "addon/convert.h"

#include <cmath>

#include "base/error.h"

namespace margincore {

namespace {

template <class T>
std::vector<T> to_values(const Napi::Value& value, const char* what, napi_typedarray_type type, const char* expected) {
  if (!value.IsTypedArray()) refuse(what, expected);
  const Napi::TypedArray array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != type) refuse(what, expected);
  // Read through the typed array itself: it may be a part of a larger buffer, or one of another realm.
  const T* data = array.As<Napi::TypedArrayOf<T>>().Data();
  const size_t count = array.ElementLength();
  return count == 0 ? std::vector<T>() : std::vector<T>(data, data + count);
}

}  // namespace

void refuse(const std::string& what, const std::string& expected) {
  throw Error(ErrorCode::InvalidOption, "native: expected " + expected + " for " + what);
}

bool has(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return !value.IsUndefined() && !value.IsNull();
}

double to_number(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsNumber()) refuse(key, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t to_integer(const Napi::Object& object, const char* key) {
  const double value = to_number(object, key);
  if (value != std::floor(value) || std::fabs(value) > 9007199254740991.0) refuse(key, "an integer");
  return static_cast<int64_t>(value);
}

float to_float(const Napi::Object& object, const char* key) { return static_cast<float>(to_number(object, key)); }

uint64_t to_seed(const Napi::Value& value) {
  const double seed = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(seed >= 0 && seed <= 9007199254740991.0 && seed == std::floor(seed))) refuse("seed", "an integer from 0");
  return static_cast<uint64_t>(seed);
}

bool to_boolean(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsBoolean()) refuse(key, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

Napi::Object to_object(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsObject()) refuse(key, "an object");
  return value.As<Napi::Object>();
}

std::string to_text(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsString()) refuse(key, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<float> to_floats(const Napi::Value& value, const char* what) {
  return to_values<float>(value, what, napi_float32_array, "a Float32Array");
}

std::vector<int32_t> to_ints(const Napi::Value& value, const char* what) {
  return to_values<int32_t>(value, what, napi_int32_array, "an Int32Array");
}

std::vector<uint8_t> to_bytes(const Napi::Value& value, const char* what) {
  return to_values<uint8_t>(value, what, napi_uint8_array, "a Uint8Array");
}

}  // namespace margincore
