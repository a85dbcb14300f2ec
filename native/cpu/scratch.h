// Workspace of the CPU backend: one block of memory, grown by the first (eager) step and then reused by every
// operation in turn. An operation asks for all its parts at once.
#pragma once

#include <malloc.h>

#include <cstdlib>
#include <initializer_list>
#include <new>

namespace margincore {

/// Rounded up to whole cache lines, so that something aligned may follow.
constexpr size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::free(memory_); }

  /// At least `bytes`, aligned to 64; contents undefined. Valid until the next call.
  void* take(size_t bytes) {
    if (bytes > capacity_) {
      std::free(memory_);
      malloc_trim(0);  // blocks of the sizes before would stay with the process
      capacity_ = 0;
      const size_t rounded = whole_lines(bytes);
      memory_ = std::aligned_alloc(64, rounded);
      if (memory_ == nullptr) throw std::bad_alloc();
      capacity_ = rounded;
    }
    return memory_;
  }

 private:
  void* memory_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace margincore
