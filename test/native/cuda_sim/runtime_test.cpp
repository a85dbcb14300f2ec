// The device and its memory: that they work, and that each misuse shows.
#include <cstdlib>

#include "runtime_support.h"

namespace margincore::cuda_sim {

TEST_CASE("settings come from the environment") {
  const auto is_set = [](const char* name, uint64_t value, uint64_t otherwise) {
    const char* text = std::getenv(name);
    CHECK(value == (text == nullptr ? otherwise : std::strtoull(text, nullptr, 10)));
  };
  is_set("MARGINCORE_SIM_DEVICES", static_cast<uint64_t>(settings().devices), 1);
  is_set("MARGINCORE_SIM_CAPABILITY", static_cast<uint64_t>(settings().capability), 80);
  is_set("MARGINCORE_SIM_MEMORY", settings().memory, 1 << 30);
  is_set("MARGINCORE_SIM_SHUFFLE", settings().shuffle, 0);
}

TEST_CASE("the device says what it is") {
  Device device;
  settings().capability = 75;
  int count = 0, version = 0, current = -1;
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 1);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  CHECK(cudaGetDevice(&current) == cudaSuccess);
  CHECK(current == 0);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(10 * properties.major + properties.minor == 75);
  CHECK(properties.warpSize == 32);
  CHECK(cudaDriverGetVersion(&version) == cudaSuccess);
  CHECK(version == CUDART_VERSION);
  settings().devices = 0;
  CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
  CHECK(count == 0);
  CHECK(std::string(cudaGetErrorName(cudaGetLastError())) == "cudaErrorNoDevice");
}

TEST_CASE("memory is aligned, poisoned, counted and limited") {
  Device device;
  settings().memory = 1000;
  void *first = nullptr, *second = nullptr;
  CHECK(cudaMalloc(&first, 600) == cudaSuccess);
  CHECK(reinterpret_cast<uintptr_t>(first) % 256 == 0);
  CHECK(static_cast<unsigned char*>(first)[599] == 0xFF);
  CHECK(cudaMalloc(&second, 401) == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaSuccess);
  size_t free = 0, total = 0;
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess);
  CHECK(free == 400);
  CHECK(total == 1000);
  CHECK(cudaMalloc(&second, 400) == cudaSuccess);
  CHECK(cudaFree(second) == cudaSuccess);
  CHECK(cudaFree(second) == cudaErrorInvalidValue);
  CHECK(cudaFreeHost(first) == cudaErrorInvalidValue);
  CHECK(cudaFree(static_cast<char*>(first) + 256) == cudaErrorInvalidValue);
  CHECK(cudaFree(nullptr) == cudaSuccess);
  CHECK(statistics().live_bytes == 600);
  CHECK(statistics().allocations == 2);
  CHECK(cudaFree(first) == cudaSuccess);
  CHECK(statistics().frees == 2);
}

TEST_CASE("copies refuse host memory where device memory belongs, the reverse, and what is too long") {
  Device device;
  const DeviceArray<int> on_device(4);
  int on_host[8] = {};
  const auto copy = [&](void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, device.stream);
    CHECK(cudaMemcpy(to, from, bytes, kind) == error);
    return error;
  };
  int* memory = on_device.data();
  CHECK(copy(memory, on_host, 16, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(copy(on_host, memory, 16, cudaMemcpyDefault) == cudaSuccess);
  CHECK(copy(memory, memory + 2, 8, cudaMemcpyDeviceToDevice) == cudaSuccess);
  CHECK(copy(on_host + 4, on_host, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(said("the destination is host memory"));
  CHECK(copy(memory, memory, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(said("the source is device memory"));
  CHECK(copy(memory, on_host, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(copy(on_host, on_host + 4, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(copy(memory, on_host, 16, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
  CHECK(copy(memory, on_host, 20, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(said("ends before 20 bytes"));
  CHECK(copy(on_host, memory + 1, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemsetAsync(on_host, 0, 4, device.stream) == cudaErrorInvalidValue);
  CHECK(cudaMemsetAsync(memory, 0, 17, device.stream) == cudaErrorInvalidValue);
}

TEST_CASE("pageable memory is read at the call and written before its end, pinned memory when the copy runs") {
  Device device;
  const DeviceArray<int> memory(1);
  Pinned pinned(1);
  int pageable = 1;
  cudaMemcpyAsync(memory.data(), &pageable, 4, cudaMemcpyHostToDevice, device.stream);
  pageable = 2;
  CHECK(memory[0] == -1);  // not yet
  CHECK(statistics().synchronizations == 0);
  cudaMemcpyAsync(&pageable, memory.data(), 4, cudaMemcpyDeviceToHost, device.stream);
  CHECK(pageable == 1);
  CHECK(statistics().synchronizations == 1);

  *pinned.data = 3;
  cudaMemcpyAsync(memory.data(), pinned.data, 4, cudaMemcpyHostToDevice, device.stream);
  *pinned.data = 4;  // too early: the copy may not have run, and here it has not
  cudaMemcpyAsync(pinned.data, memory.data(), 4, cudaMemcpyDeviceToHost, device.stream);
  CHECK(memory[0] == 1);
  CHECK(device.synchronize() == cudaSuccess);
  CHECK(memory[0] == 4);
  CHECK(*pinned.data == 4);
  const Statistics now = statistics();
  CHECK(now.uploads == 2);
  CHECK(now.downloads == 2);
  CHECK(now.pageable_copies == 2);
  CHECK(now.bytes_copied == 16);
  CHECK(now.synchronizations == 2);
}

}  // namespace margincore::cuda_sim
