// JavaScript values to plain structs and back. The facade has validated them; what is checked here again is what
// memory safety needs.
#pragma once

#include <napi.h>

#include "train/head_loss.h"
#include "train/session.h"

namespace margincore {

SessionSpec to_session_spec(const Napi::Object& config);
NetworkSpec to_network_spec(const Napi::Object& network);
StepsRequest to_steps_request(const Napi::Object& request);
HeadLossRequest to_head_loss_request(const Napi::Object& request);

int64_t to_integer(const Napi::Object& object, const char* key);
uint64_t to_seed(const Napi::Value& value);
bool to_boolean(const Napi::Object& object, const char* key);
std::string to_text(const Napi::Object& object, const char* key);

/// Copies a typed array; throws InvalidOption if the value is none of this element type.
std::vector<float> to_floats(const Napi::Value& value, const char* what);
std::vector<int32_t> to_ints(const Napi::Value& value, const char* what);
std::vector<uint8_t> to_bytes(const Napi::Value& value, const char* what);

/// A Float32Array that takes over the values without copying them.
Napi::Float32Array from_floats(Napi::Env env, std::vector<float> values);
Napi::Object from_summary(Napi::Env env, const Network& network, const ParameterTable& table);
Napi::Object from_device(Napi::Env env, const BackendInfo& info);
Napi::Array from_shape(Napi::Env env, const Shape& shape);

}  // namespace margincore
