// Owned device memory.
#pragma once

#include <utility>

#include "backend/backend.h"
#include "base/work.h"

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

/// What is moved or cleared between two looks at whether it is still wanted: some ten milliseconds.
inline constexpr int64_t kPieceBytes = int64_t{16} << 20;

/// Sets memory of the device to zero, a piece at a time; counts as work done.
inline void clear(Backend& backend, void* memory, int64_t bytes, const Work& work) {
  work.in_pieces(bytes, kPieceBytes, [&](int64_t begin, int64_t end) {
    check(backend.zero(static_cast<char*>(memory) + begin, end - begin));
    work.advance(end - begin);
  });
}

/// Uploads a piece at a time; counts as work done.
inline void upload(Backend& backend, void* device, const void* host, int64_t bytes, const Work& work) {
  work.in_pieces(bytes, kPieceBytes, [&](int64_t begin, int64_t end) {
    check(backend.upload(static_cast<char*>(device) + begin, static_cast<const char*>(host) + begin, end - begin));
    work.advance(end - begin);
  });
}

}  // namespace margincore
