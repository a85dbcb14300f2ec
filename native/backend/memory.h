// What memory a backend has left, and the error where that is not enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "backend/backend.h"
#include "base/process_limits.h"

namespace margincore {

/// What was needed and what there was, for programs; people read the message.
class OutOfMemoryError : public Error {
 public:
  OutOfMemoryError(const std::string& message, size_t needed_bytes, size_t free_bytes, int64_t fitting_batch)
      : Error(ErrorCode::OutOfMemory, message), needed(needed_bytes), free(free_bytes), batch(fitting_batch) {}

  size_t needed, free;
  int64_t batch;  // largest that fits; 0: none, or not known
};

/// Bytes that could be allocated now.
size_t free_memory(Backend& backend);

/// 'so much is needed (for what), and so much is free'
std::string shortage(Backend& backend, size_t needed, size_t free, const std::string& estimate);

/// Throws OutOfMemoryError, with the whole estimate, where `needed` bytes are more than the backend has free.
void expect_memory(Backend& backend, size_t needed, const std::string& estimate);

}  // namespace margincore
