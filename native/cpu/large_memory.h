// Memory for tensors and workspace. What is large comes from the system and goes back to it at once: from malloc it would
// stay with the process, in whatever arena the session's thread happened to have.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>

namespace margincore {

/// Rounded up to whole cache lines, so that something aligned may follow.
constexpr size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

inline constexpr size_t kLargeBytes = size_t{1} << 20;
inline constexpr size_t kHugePagesFrom = size_t{8}
                                         << 20;  // pages of 2 MiB: filled the first time in a third of the time

/// At least `bytes`, aligned to 64, contents undefined; null where there is no memory.
inline void* take_memory(size_t bytes) {
  if (bytes < kLargeBytes) return std::aligned_alloc(64, bytes == 0 ? 64 : whole_lines(bytes));
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  if (bytes >= kHugePagesFrom) madvise(memory, bytes, MADV_HUGEPAGE);  // where the system has them
  return memory;
}

/// `bytes`: as many as were asked for.
inline void return_memory(void* memory, size_t bytes) {
  if (memory == nullptr) return;
  if (bytes < kLargeBytes) std::free(memory);
  else munmap(memory, bytes);
}

}  // namespace margincore
