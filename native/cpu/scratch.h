// Workspace of the CPU backend: one block of memory, grown by the first (eager) step and then reused by every
// operation in turn. An operation asks for all its parts at once.
#pragma once

#include <initializer_list>
#include <new>

#include "cpu/large_memory.h"

namespace margincore {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { return_memory(memory_, capacity_); }

  /// At least `bytes`, aligned to 64; contents undefined. Valid until the next call.
  void* take(size_t bytes) {
    if (bytes > capacity_) {
      return_memory(memory_, capacity_);
      capacity_ = 0;
      const size_t rounded = whole_lines(bytes);
      memory_ = take_memory(rounded);
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
