#include "cpu/allocations.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace margincore::test {

namespace {

enum class Owner { Ours, OneDnn, Other };

std::atomic<bool> counting{false};
thread_local bool inside = false;  // what the count itself allocates does not count
std::mutex mutex;                  // of what follows
Allocations counted;
std::array<uintptr_t, 16> places;
size_t place_count = 0;

/// Where the program begins in memory.
const void* program() {
  static const void* base = [] {
    Dl_info info{};
    dladdr(reinterpret_cast<const void*>(&program), &info);
    return info.dli_fbase;
  }();
  return base;
}

/// The first of these frames that belongs to our code or to oneDNN.
Owner owner_of(void* const* frames, int count, uintptr_t& place) {
  for (int i = 0; i < count; ++i) {
    Dl_info info{};
    if (dladdr(frames[i], &info) == 0) continue;
    if (std::strstr(info.dli_fname, "libdnnl") != nullptr) return Owner::OneDnn;
    if (info.dli_fbase != program()) continue;
    place = reinterpret_cast<uintptr_t>(frames[i]) - reinterpret_cast<uintptr_t>(program());
    return Owner::Ours;
  }
  return Owner::Other;
}

void add_place(uintptr_t place) {
  for (size_t i = 0; i < place_count; ++i)
    if (places[i] == place) return;
  if (place_count < places.size()) places[place_count++] = place;
}

/// caller: to where malloc, or what else was called, returns.
void note(size_t bytes, const void* caller) {
  if (!counting.load(std::memory_order_relaxed) || inside) return;
  inside = true;
  void* frames[64];
  const int count = backtrace(frames, 64);
  int first = 0;
  while (first < count && frames[first] != caller) ++first;
  uintptr_t place = 0;
  const Owner owner = owner_of(frames + first, count - first, place);
  {
    const std::lock_guard lock(mutex);
    if (owner == Owner::Ours) {
      ++counted.ours;
      add_place(place);
    } else if (owner == Owner::OneDnn) {
      ++counted.onednn;
      counted.onednn_bytes += static_cast<int64_t>(bytes);
    } else {
      ++counted.others;
    }
  }
  inside = false;
}

}  // namespace

void start_counting_allocations() {
  void* frame;
  backtrace(&frame, 1);  // its first call loads a library
  program();
  counted = {};
  place_count = 0;
  counting = true;
}

Allocations stop_counting_allocations() {
  counting = false;
  for (size_t i = 0; i < place_count; ++i) {
    char text[32];
    std::snprintf(text, sizeof text, " 0x%zx", static_cast<size_t>(places[i]));
    counted.places += text;
  }
  return counted;
}

}  // namespace margincore::test

// ---- in place of the C library's ------------------------------------------------------------------------------------

using margincore::test::note;

extern "C" {

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

#define MARGINCORE_EXPORTED __attribute__((visibility("default"), noinline))

MARGINCORE_EXPORTED void* malloc(size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_malloc(bytes);
}

MARGINCORE_EXPORTED void* calloc(size_t count, size_t bytes) {
  note(count * bytes, __builtin_return_address(0));
  return __libc_calloc(count, bytes);
}

MARGINCORE_EXPORTED void* realloc(void* memory, size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_realloc(memory, bytes);
}

MARGINCORE_EXPORTED void* memalign(size_t alignment, size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}

MARGINCORE_EXPORTED void* aligned_alloc(size_t alignment, size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}

MARGINCORE_EXPORTED int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  note(bytes, __builtin_return_address(0));
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}

MARGINCORE_EXPORTED void* mmap(void* address, size_t bytes, int protection, int flags, int file, off_t offset) {
  if (margincore::test::counting.load(std::memory_order_relaxed)) {
    const std::lock_guard lock(margincore::test::mutex);
    ++margincore::test::counted.mappings;
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
}

}  // extern "C"
