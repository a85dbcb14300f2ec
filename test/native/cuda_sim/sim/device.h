// The names of cuda/device.h for the simulated device. A kernel is a plain function that runs once per thread; what
// only a GPU has (the thread's place, barriers, shuffles, shared memory) are calls into the simulator.
#pragma once

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <source_location>
#include <type_traits>
#include <vector>

#include "base/bfloat16.h"

#define MARGINCORE_KERNEL void
#define MARGINCORE_DEVICE inline
#define MARGINCORE_UNROLL
#define MARGINCORE_ROLL

/// A reference to an array, the same for all threads of a block. The lambda's static gives each place in the source a
/// key of its own.
#define MARGINCORE_SHARED(type, name, count)                                           \
  auto& name = ::margincore::cuda_sim::shared_array<type[count]>([]() -> const void* { \
    static char key;                                                                   \
    return &key;                                                                       \
  }())

#define MARGINCORE_LAUNCH(kernel, grid, block, stream, ...) \
  ::margincore::cuda_sim::launch(#kernel, grid, block, stream, kernel __VA_OPT__(, ) __VA_ARGS__)

namespace margincore::cuda_sim {

/// Where the running thread is in its grid. One for the process: the simulator runs one thread at a time.
struct Place {
  int thread, threads;
  int64_t block, blocks;
};
extern Place place;

/// Where in the source a thread waits: all have to wait in the same place.
using Where = std::source_location;

void wait_for_block(Where where);

/// Exchanges `bytes` at `value` with the lane whose number differs in the bits of `mask`.
void exchange(void* value, size_t bytes, int mask, Where where);

unsigned take_ticket(unsigned* counter, unsigned tickets);

void* shared_memory(const void* key, size_t bytes, size_t alignment);

template <class Array>
Array& shared_array(const void* key) {
  return *static_cast<Array*>(shared_memory(key, sizeof(Array), alignof(Array)));
}

struct Launch {
  const char* kernel;
  int64_t blocks, threads;
  std::function<void()> thread;       // what each thread does
  std::vector<const void*> pointers;  // arguments that must be addresses of the device
};

/// As <<<>>>: what is wrong is told by the next cudaGetLastError.
void queue(Launch launch, cudaStream_t stream);

/// Not deduced from the arguments, so that they convert to the kernel's parameters as in a call, and as with CUDA are
/// copied now.
template <class... Parameters>
void launch(const char* name, int64_t blocks, int64_t threads, cudaStream_t stream, void (*kernel)(Parameters...),
            std::type_identity_t<Parameters>... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "a kernel's arguments are copied as bytes");
  static_assert((sizeof(Parameters) + ... + 0) <= 4096, "CUDA passes no more");
  Launch launch{name, blocks, threads, [=] { kernel(arguments...); }, {}};
  const auto add_pointer = [&](const auto& argument) {
    if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(argument)>>)
      if (argument != nullptr) launch.pointers.push_back(argument);
  };
  (add_pointer(arguments), ...);
  queue(std::move(launch), stream);
}

}  // namespace margincore::cuda_sim

namespace margincore::device {

MARGINCORE_DEVICE int thread() { return cuda_sim::place.thread; }
MARGINCORE_DEVICE int threads() { return cuda_sim::place.threads; }
MARGINCORE_DEVICE int64_t block() { return cuda_sim::place.block; }
MARGINCORE_DEVICE int64_t blocks() { return cuda_sim::place.blocks; }

MARGINCORE_DEVICE void sync_block(cuda_sim::Where where = cuda_sim::Where::current()) {
  cuda_sim::wait_for_block(where);
}

MARGINCORE_DEVICE unsigned take_ticket(unsigned* counter, unsigned tickets) {
  return cuda_sim::take_ticket(counter, tickets);
}

using margincore::to_bfloat16;

template <class T>
MARGINCORE_DEVICE T shuffle_xor(T value, int mask, cuda_sim::Where where = cuda_sim::Where::current()) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "CUDA shuffles 4 or 8 bytes");
  cuda_sim::exchange(&value, sizeof value, mask, where);
  return value;
}

MARGINCORE_DEVICE float reciprocal(float x) { return 1 / x; }

/// Rounded once, where a card's is 2 units off at most; what is not a normal number becomes 0, as there.
MARGINCORE_DEVICE float power_of_two(float x) {
  const float power = std::exp2(x);
  return power < std::numeric_limits<float>::min() ? 0 : power;
}

}  // namespace margincore::device
