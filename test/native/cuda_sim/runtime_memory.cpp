// The subset of the CUDA runtime that the CUDA backend calls: memory and copies.
#include <cstring>

#include "memory.h"
#include "runtime.h"
#include "streams.h"

namespace margincore::cuda_sim {
namespace {

/// Queues a copy, after CUDA's rules for host memory: what is pinned is read and written when the copy runs, pageable
/// memory is read at once (into a staging buffer) and written before the call returns.
void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes == 0) return;
  const bool to_device = is_in(Memory::Device, to, 1), from_device = is_in(Memory::Device, from, 1);
  if (kind == cudaMemcpyDefault)
    kind = to_device ? (from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice)
                     : (from_device ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost);
  const bool to_should = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_should = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (to_device != to_should)
    refuse(cudaErrorInvalidValue, format("the destination is %s memory", to_device ? "device" : "host"));
  if (from_device != from_should)
    refuse(cudaErrorInvalidValue, format("the source is %s memory", from_device ? "device" : "host"));
  if (to_device) require_device(cudaErrorInvalidValue, "destination", to, bytes);
  if (from_device) require_device(cudaErrorInvalidValue, "source", from, bytes);

  const bool capturing = stream_of(stream).capture != nullptr;  // a graph reads its host memory at each launch
  Task task{kind == cudaMemcpyHostToDevice   ? TaskKind::Upload
            : kind == cudaMemcpyDeviceToHost ? TaskKind::Download
                                             : TaskKind::DeviceCopy,
            "", static_cast<int64_t>(bytes), false, [=] { std::memmove(to, from, bytes); }};
  if (kind == cudaMemcpyHostToDevice && !is_in(Memory::Pinned, from, bytes)) {
    task.pageable = true;
    const auto* begin = static_cast<const char*>(from);
    if (!capturing)
      task.run = [to, staged = std::vector<char>(begin, begin + bytes)] {
        std::memcpy(to, staged.data(), staged.size());
      };
  }
  task.pageable |= kind == cudaMemcpyDeviceToHost && !is_in(Memory::Pinned, to, bytes);
  const bool waits = task.pageable && kind == cudaMemcpyDeviceToHost && !capturing;
  enqueue(stream, std::move(task));
  if (waits) synchronize([&] { finish(stream_of(stream)); });
}

}  // namespace
}  // namespace margincore::cuda_sim

using namespace margincore::cuda_sim;
using margincore::format;

extern "C" {

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return runtime(__func__, [&] {
    require(memory);
    refuse_while_capturing();
    *memory = allocate(Memory::Device, bytes);
  });
}

cudaError_t cudaFree(void* memory) {
  return runtime(
      __func__,
      [&] {
        if (memory == nullptr) return;
        refuse_while_capturing();
        synchronize(finish_all);
        release(Memory::Device, memory);
      },
      On::AnyDevice);
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return runtime(__func__, [&] {
    require(memory);
    refuse_while_capturing();
    *memory = allocate(Memory::Pinned, bytes);
  });
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) { return cudaHostAlloc(memory, bytes, cudaHostAllocDefault); }

cudaError_t cudaFreeHost(void* memory) {
  return runtime(
      __func__,
      [&] {
        if (memory == nullptr) return;
        refuse_while_capturing();
        synchronize(finish_all);
        release(Memory::Pinned, memory);
      },
      On::AnyDevice);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return runtime(__func__, [&] {
    require(free);
    require(total);
    *free = free_memory();
    *total = settings().memory;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return runtime(__func__, [&] { copy(to, from, bytes, kind, stream); });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return runtime(__func__, [&] {
    refuse_while_capturing();
    copy(to, from, bytes, kind, nullptr);
    if (!stream_of(nullptr).queue.empty()) synchronize([] { finish(stream_of(nullptr)); });
  });
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return runtime(__func__, [&] {
    if (bytes == 0) return;
    require_device(cudaErrorInvalidValue, "the memory", memory, bytes);
    enqueue(stream, {TaskKind::Fill, "", 0, false, [=] { std::memset(memory, value, bytes); }});
  });
}

}  // extern "C"
