// Plain values from JavaScript ones; each throws InvalidOption where it finds another kind.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace margincore {

[[noreturn]] void refuse(const std::string& what, const std::string& expected);

/// Neither undefined nor null.
bool has(const Napi::Object& object, const char* key);

int64_t to_integer(const Napi::Object& object, const char* key);
double to_number(const Napi::Object& object, const char* key);
float to_float(const Napi::Object& object, const char* key);
bool to_boolean(const Napi::Object& object, const char* key);
Napi::Object to_object(const Napi::Object& object, const char* key);
std::string to_text(const Napi::Object& object, const char* key);
uint64_t to_seed(const Napi::Value& value);

// Copies of a typed array.
std::vector<float> to_floats(const Napi::Value& value, const char* what);
std::vector<int32_t> to_ints(const Napi::Value& value, const char* what);
std::vector<uint8_t> to_bytes(const Napi::Value& value, const char* what);

}  // namespace margincore
