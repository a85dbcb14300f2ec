#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>

#include "base/process_limits.h"

namespace margincore {

namespace {

/// run(begin, size) for parts of it, on all threads where it is much: the first touch of new memory costs the most.
template <class Run>
void parallel_bytes(size_t bytes, const Run& run) {
  constexpr size_t kPart = size_t{2} << 20;
  const auto parts = static_cast<int64_t>((bytes + kPart - 1) / kPart);
#pragma omp parallel for schedule(static) if (parts > 1)
  for (int64_t part = 0; part < parts; ++part) {
    const size_t begin = static_cast<size_t>(part) * kPart;
    run(begin, std::min(kPart, bytes - begin));
  }
}

}  // namespace

// A recorded sequence is the function that calls it: there is nothing to prepare on a CPU.
struct Program {
  Status (*body)(void* context);
  void* context;
};

Status CpuBackend::allocate(void** memory, size_t bytes) {
  *memory = take_memory(bytes);
  if (*memory == nullptr) return Status::failure(ErrorCode::OutOfMemory, "cpu: %s", no_memory_for(bytes).c_str());
  try {
    sizes_.emplace(*memory, bytes);
  } catch (...) {
    return_memory(*memory, bytes);
    *memory = nullptr;
    return Status::failure(ErrorCode::OutOfMemory, "cpu: %s", no_memory_for(bytes).c_str());
  }
  return Status::success();
}

void CpuBackend::release(void* memory) {
  const auto found = sizes_.find(memory);
  if (found == sizes_.end()) return;
  return_memory(memory, found->second);
  sizes_.erase(found);
}

Status CpuBackend::upload(void* device, const void* host, size_t bytes) { return copy(device, host, bytes); }
Status CpuBackend::download(void* host, const void* device, size_t bytes) { return copy(host, device, bytes); }

Status CpuBackend::copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  return Status::success();
}

Status CpuBackend::zero(void* memory, size_t bytes) {
  parallel_bytes(bytes, [&](size_t begin, size_t size) { std::memset(static_cast<char*>(memory) + begin, 0, size); });
  return Status::success();
}

Status CpuBackend::synchronize() { return Status::success(); }

Status CpuBackend::available_memory(size_t* bytes) {
  *bytes = memory_room().bytes;
  return Status::success();
}

// An upload is over when the call returns.
Status CpuBackend::allocate_host(void** memory, size_t bytes) { return allocate(memory, bytes); }
void CpuBackend::release_host(void* memory) { release(memory); }
Status CpuBackend::feed_wait(int32_t) { return Status::success(); }
Status CpuBackend::feed(int32_t, void* device, const void* host, size_t bytes) { return copy(device, host, bytes); }
Status CpuBackend::feed_begin(int32_t) { return Status::success(); }
Status CpuBackend::feed_end(int32_t) { return Status::success(); }

Status CpuBackend::queues(void** own, void** beside) {
  *own = *beside = nullptr;
  return Status::success();
}
Status CpuBackend::fork_queue() { return Status::success(); }
Status CpuBackend::join_queue() { return Status::success(); }
Status CpuBackend::enter() { return Status::success(); }
void CpuBackend::watch(Watch) {}

Status CpuBackend::record(Program** program, Status (*body)(void* context), void* context) {
  *program = new Program{body, context};
  return Status::success();
}

Status CpuBackend::replay(Program* program) { return program->body(program->context); }

void CpuBackend::discard(Program* program) { delete program; }

}  // namespace margincore
