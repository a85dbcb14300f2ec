// Owned device memory.
#pragma once

#include <utility>

#include "backend/backend.h"

namespace margincore {

/// Frees its memory on destruction; must not outlive the backend it came from.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Backend& backend, size_t bytes) : backend_(&backend), bytes_(bytes) {
    check(backend.allocate(&memory_, bytes));
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer() {
    if (memory_ != nullptr) backend_->release(memory_);
  }

  void* data() const { return memory_; }
  float* f32() const { return static_cast<float*>(memory_); }
  size_t bytes() const { return bytes_; }
  void* at(int64_t byte_offset) const { return static_cast<char*>(memory_) + byte_offset; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
  }

  Backend* backend_ = nullptr;
  void* memory_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace margincore
