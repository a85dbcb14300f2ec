#include "shared.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "grid.h"

namespace margincore::cuda_sim {
namespace {

constexpr size_t kGap = 64;  // between arrays: forbidden ground, where AddressSanitizer watches
constexpr size_t kArenaBytes = kSharedBytes + 256 * kGap;

struct Array {
  const void* key;
  char* memory;
};

// Two, used in turn: what one block does with its own must not look like a race with the next one.
alignas(64) char arenas[2][kArenaBytes];
char* arena = arenas[0];
std::vector<Array>& arrays() {
  static auto& arrays = *new std::vector<Array>;
  return arrays;
}
size_t arena_used = kGap, bytes_used = 0;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

void clear_shared_memory() {
  arena = arena == arenas[0] ? arenas[1] : arenas[0];
  arrays().clear();
  arena_used = kGap;
  bytes_used = 0;
}

void* find_shared_memory(const void* key, size_t bytes, size_t alignment) {
  for (const Array& array : arrays())
    if (array.key == key) return array.memory;
  if (arrays().empty()) ASAN_POISON_MEMORY_REGION(arena, kArenaBytes);
  const size_t begin = round_up(arena_used, std::max(alignment, kGap));
  bytes_used = round_up(bytes_used, alignment) + bytes;
  if (bytes_used > kSharedBytes || begin + bytes + kGap > kArenaBytes) return nullptr;
  char* memory = arena + begin;
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  std::memset(memory, 0xFF, bytes);
  arrays().push_back({key, memory});
  arena_used = begin + bytes + kGap;
  return memory;
}

}  // namespace margincore::cuda_sim
