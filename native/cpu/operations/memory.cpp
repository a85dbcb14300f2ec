#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cpu/machine.h"

namespace margincore {

// A recorded sequence is the function that calls it: there is nothing to prepare on a CPU.
struct Program {
  Status (*body)(void* context);
  void* context;
};

Status CpuBackend::allocate(void** memory, size_t bytes) {
  *memory = std::aligned_alloc(64, std::max<size_t>(64, whole_lines(bytes)));
  if (*memory == nullptr) return Status::failure(ErrorCode::OutOfMemory, "cpu: no memory for %zu bytes", bytes);
  return Status::success();
}

void CpuBackend::release(void* memory) { std::free(memory); }

Status CpuBackend::upload(void* device, const void* host, size_t bytes) { return copy(device, host, bytes); }
Status CpuBackend::download(void* host, const void* device, size_t bytes) { return copy(host, device, bytes); }

Status CpuBackend::copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  return Status::success();
}

Status CpuBackend::zero(void* memory, size_t bytes) {
  std::memset(memory, 0, bytes);
  return Status::success();
}

Status CpuBackend::synchronize() { return Status::success(); }

Status CpuBackend::available_memory(size_t* bytes) {
  *bytes = available_memory_of_this_process();
  return Status::success();
}

// An upload is over when the call returns.
Status CpuBackend::allocate_host(void** memory, size_t bytes) { return allocate(memory, bytes); }
void CpuBackend::release_host(void* memory) { release(memory); }
Status CpuBackend::feed_wait(int32_t) { return Status::success(); }
Status CpuBackend::feed(int32_t, void* device, const void* host, size_t bytes) { return copy(device, host, bytes); }
Status CpuBackend::feed_begin(int32_t) { return Status::success(); }
Status CpuBackend::feed_end(int32_t) { return Status::success(); }

Status CpuBackend::record(Program** program, Status (*body)(void* context), void* context) {
  *program = new Program{body, context};
  return Status::success();
}

Status CpuBackend::replay(Program* program) { return program->body(program->context); }

void CpuBackend::discard(Program* program) { delete program; }

}  // namespace margincore
