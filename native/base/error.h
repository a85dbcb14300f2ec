// Failures inside one module are exceptions; across the plugin boundary they travel as a plain Status.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace margincore {

enum class ErrorCode : int32_t {
  Ok = 0,
  InvalidOption,
  InvalidData,
  ShapeMismatch,
  DeviceUnavailable,
  Unsupported,
  OutOfMemory,
  Disposed,
  RankFailed,
  Internal,
};

/// The name that a user sees as `error.code`.
inline const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::Ok: return "OK";
    case ErrorCode::InvalidOption: return "INVALID_OPTION";
    case ErrorCode::InvalidData: return "INVALID_DATA";
    case ErrorCode::ShapeMismatch: return "SHAPE_MISMATCH";
    case ErrorCode::DeviceUnavailable: return "DEVICE_UNAVAILABLE";
    case ErrorCode::Unsupported: return "UNSUPPORTED";
    case ErrorCode::OutOfMemory: return "OUT_OF_MEMORY";
    case ErrorCode::Disposed: return "DISPOSED";
    case ErrorCode::RankFailed: return "RANK_FAILED";
    case ErrorCode::Internal: break;
  }
  return "INTERNAL";
}

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// What an operation of a backend answers: plain data, so that no exception and no C++ object crosses a library's edge.
struct [[nodiscard]] Status {
  ErrorCode code;
  char message[508];

  bool ok() const { return code == ErrorCode::Ok; }

  // The message stays uninitialised: a Status is returned several hundred times per training step.
  static Status success() {
    Status status;
    status.code = ErrorCode::Ok;
    status.message[0] = '\0';
    return status;
  }

  [[gnu::format(printf, 2, 3)]] static Status failure(ErrorCode code, const char* format, ...) {
    Status status;
    status.code = code;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(status.message, sizeof status.message, format, arguments);
    va_end(arguments);
    return status;
  }
};

/// Turns a failed Status back into an exception, on the caller's side of the boundary.
inline void check(const Status& status) {
  if (!status.ok()) throw Error(status.code, status.message);
}

[[gnu::format(printf, 1, 2)]] inline std::string format(const char* pattern, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

}  // namespace margincore
