#include "memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace margincore::cuda_sim {
namespace {

constexpr size_t kAlignment = 256;  // as cudaMalloc promises

struct Allocation {
  size_t bytes;
  Memory kind;
  int device;
};

// By where they begin.
std::map<const char*, Allocation>& allocations() {
  static auto& allocations = *new std::map<const char*, Allocation>;
  return allocations;
}

}  // namespace

size_t free_memory() {
  const auto used = static_cast<size_t>(counters().live_bytes);
  return settings().memory - std::min(settings().memory, used);
}

void* allocate(Memory kind, size_t bytes) {
  if (bytes == 0) return nullptr;
  if (kind == Memory::Device && bytes > free_memory())
    refuse(cudaErrorMemoryAllocation, format("%zu bytes, of %zu that are free", bytes, free_memory()));
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0)
    refuse(cudaErrorMemoryAllocation, format("the host has no %zu bytes", bytes));
  std::memset(memory, 0xFF, bytes);  // undefined contents: NaN, -1
  allocations()[static_cast<char*>(memory)] = {bytes, kind, current_device()};
  if (kind == Memory::Device) counters().live_bytes += static_cast<int64_t>(bytes);
  ++(kind == Memory::Device ? counters().allocations : counters().host_allocations);
  return memory;
}

void release(Memory kind, void* memory) {
  const auto found = allocations().find(static_cast<char*>(memory));
  if (found == allocations().end() || found->second.kind != kind)
    refuse(cudaErrorInvalidValue, format("%p was not allocated that way, or it is freed", memory));
  if (kind == Memory::Device) counters().live_bytes -= static_cast<int64_t>(found->second.bytes);
  ++(kind == Memory::Device ? counters().frees : counters().host_frees);
  allocations().erase(found);
  std::free(memory);
}

bool is_in(Memory kind, const void* memory, size_t bytes) {
  const char* begin = static_cast<const char*>(memory);
  auto found = allocations().upper_bound(begin);
  if (found == allocations().begin()) return false;
  --found;
  const auto& [size, of, device] = found->second;
  return of == kind && (kind == Memory::Pinned || device == current_device()) && begin + bytes <= found->first + size;
}

}  // namespace margincore::cuda_sim
