// A large block of host memory: room for all that will come, of which a page is only taken once something is written to
// it, and all of which goes back to the system at once.
#pragma once

#include <sys/mman.h>

#include <cstddef>

#include "base/error.h"
#include "base/process_limits.h"

namespace margincore {

class HostMemory {
 public:
  /// `count` times `bytes_each`, all zero. Throws OutOfMemory, which says what of.
  HostMemory(size_t count, size_t bytes_each, const char* what) : bytes_(count * bytes_each) {
    const bool is_a_size = bytes_ / bytes_each == count;
    if (is_a_size) memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED)
      throw Error(ErrorCode::OutOfMemory,
                  format("no host memory for %zu %s of %zu bytes: ", count, what, bytes_each) + describe_room());
  }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  ~HostMemory() { munmap(memory_, bytes_); }

  uint8_t* bytes() const { return static_cast<uint8_t*>(memory_); }

 private:
  size_t bytes_;
  void* memory_ = MAP_FAILED;
};

}  // namespace margincore
