#include "cuda/traffic.h"

#include "memory.h"

namespace {

int64_t bytes_moved = 0;

void count(const void* address, int64_t bytes) {
  using margincore::cuda_sim::Memory;
  if (margincore::cuda_sim::is_in(Memory::Device, address, static_cast<size_t>(bytes))) bytes_moved += bytes;
}

}  // namespace

namespace margincore::test {

int64_t kernel_traffic() { return bytes_moved; }

}  // namespace margincore::test

#define MARGINCORE_COUNT(bytes)                                               \
  void __tsan_read##bytes(void* address) { count(address, bytes); }           \
  void __tsan_write##bytes(void* address) { count(address, bytes); }          \
  void __tsan_unaligned_read##bytes(void* address) { count(address, bytes); } \
  void __tsan_unaligned_write##bytes(void* address) { count(address, bytes); }

extern "C" {
MARGINCORE_COUNT(1)
MARGINCORE_COUNT(2)
MARGINCORE_COUNT(4)
MARGINCORE_COUNT(8)
MARGINCORE_COUNT(16)
void __tsan_read_range(void* address, unsigned long bytes) { count(address, static_cast<int64_t>(bytes)); }
void __tsan_write_range(void* address, unsigned long bytes) { count(address, static_cast<int64_t>(bytes)); }
unsigned char __tsan_atomic8_load(const volatile unsigned char* flag, int) {
  return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
}
