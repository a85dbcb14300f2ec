// Device and pinned memory: plain allocations, so that AddressSanitizer sees every stray access.
#pragma once

#include "api.h"

namespace margincore::cuda_sim {

enum class Memory { Device, Pinned };

void* allocate(Memory kind, size_t bytes);
void release(Memory kind, void* memory);
size_t free_memory();

/// Whether one allocation of that kind, of the calling thread's device, holds all these bytes; with bytes = 0, whether one begins, holds or ends there.
bool is_in(Memory kind, const void* memory, size_t bytes);

template <class Code>
void require_device(Code code, const char* operand, const void* memory, size_t bytes) {
  if (is_in(Memory::Device, memory, bytes)) return;
  refuse(code, format(is_in(Memory::Device, memory, 0) ? "%s (%p) ends before %zu bytes"
                                                       : "%s (%p, %zu bytes) is not in device memory",
                      operand, memory, bytes));
}

}  // namespace margincore::cuda_sim
