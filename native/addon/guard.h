// Keeps C++ exceptions on this side of Node-API, and reads a call's arguments.
#pragma once

#include <napi.h>

#include <cmath>

#include "addon/worker.h"
#include "base/error.h"

namespace margincore {

template <class Body>
Napi::Value guarded(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
}

inline Napi::Object object_argument(const Napi::CallbackInfo& info, size_t index) {
  if (info.Length() <= index || !info[index].IsObject())
    throw Error(ErrorCode::InvalidOption, "native: expected an object as argument");
  return info[index].As<Napi::Object>();
}

/// A whole number from 0.
inline int64_t index_argument(const Napi::CallbackInfo& info, size_t index) {
  const double value =
      info.Length() > index && info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (!(value >= 0 && value <= 9007199254740991.0 && value == std::floor(value)))
    throw Error(ErrorCode::InvalidOption, "native: expected a whole number from 0 as argument");
  return static_cast<int64_t>(value);
}

inline std::string text_argument(const Napi::CallbackInfo& info, size_t index) {
  if (info.Length() <= index || !info[index].IsString())
    throw Error(ErrorCode::InvalidOption, "native: expected a string as argument");
  return info[index].As<Napi::String>().Utf8Value();
}

}  // namespace margincore
