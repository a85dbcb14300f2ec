// Memory, streams, events and graphs: that they work, and that each misuse shows.
#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>

#include "cuda/device.h"
#include "support.h"

namespace margincore::cuda_sim {
namespace {

constexpr int kSeeds = 20;

MARGINCORE_KERNEL add_to(int* to, const int* from, int64_t count) {
  for (int64_t i = device::global_thread(); i < count; i += device::global_threads()) to[i] += from[i];
}

/// A second stream, and an event to order the two.
struct TwoStreams : Device {
  TwoStreams() {
    cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  }
  ~TwoStreams() {
    cudaEventDestroy(event);
    cudaStreamDestroy(other);
  }
  cudaStream_t other = nullptr;
  cudaEvent_t event = nullptr;
};

/// Pinned host memory.
struct Pinned {
  explicit Pinned(size_t count) { REQUIRE(cudaMallocHost(&data, count * sizeof(int)) == cudaSuccess); }
  ~Pinned() { cudaFreeHost(data); }
  int* data = nullptr;
};

}  // namespace

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
  int count = 0, major = 0, minor = 0, version = 0, current = -1;
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 1);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  CHECK(cudaGetDevice(&current) == cudaSuccess);
  CHECK(current == 0);
  CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess);
  CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0) == cudaSuccess);
  CHECK(10 * major + minor == 75);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(properties.major == 7);
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

TEST_CASE("without an event, a stream does not see what another was given to do") {
  TwoStreams device;
  const std::vector<int> ones(100, 1), zeros(100, 0);
  const DeviceArray<int> from(ones), middle(zeros), to(zeros);
  for (const bool ordered : {true, false}) {
    cudaMemsetAsync(middle.data(), 0, middle.bytes(), device.other);
    cudaStreamSynchronize(device.other);
    MARGINCORE_LAUNCH(add_to, 2, 32, device.other, middle.data(), from.data(), 100);
    cudaEventRecord(device.event, device.other);
    cudaMemsetAsync(middle.data(), 0, middle.bytes(), device.other);  // after the event: must not be seen
    if (ordered) CHECK(cudaStreamWaitEvent(device.stream, device.event, 0) == cudaSuccess);
    cudaMemsetAsync(to.data(), 0, to.bytes(), device.stream);
    MARGINCORE_LAUNCH(add_to, 2, 32, device.stream, to.data(), middle.data(), 100);
    CHECK(device.synchronize() == cudaSuccess);
    CHECK(to.values() == (ordered ? ones : zeros));
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
  }
}

TEST_CASE("in random orders, a stream may overtake another that it does not wait for") {
  TwoStreams device;
  const std::vector<int> ones(10, 1), zeros(10, 0);
  const DeviceArray<int> from(ones), to(zeros);
  for (const bool ordered : {true, false}) {
    int wrong = 0;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      settings().shuffle = seed;
      cudaMemsetAsync(to.data(), 0, to.bytes(), device.stream);
      cudaDeviceSynchronize();
      // `stream` reads what `other` is about to overwrite.
      cudaMemcpyAsync(to.data(), from.data(), from.bytes(), cudaMemcpyDeviceToDevice, device.stream);
      cudaEventRecord(device.event, device.stream);
      if (ordered) cudaStreamWaitEvent(device.other, device.event, 0);
      cudaMemsetAsync(from.data(), 0, from.bytes(), device.other);
      CHECK(cudaDeviceSynchronize() == cudaSuccess);
      wrong += to.values() != ones;
      std::fill_n(from.data(), 10, 1);
    }
    if (ordered) CHECK(wrong == 0);
    else CHECK(wrong > kSeeds / 5);
  }
}

TEST_CASE("a synchronous copy does not wait for other streams") {
  Device device;
  const DeviceArray<int> memory(1);
  const int sent = 5;
  int received = 0;
  cudaMemcpyAsync(memory.data(), &sent, 4, cudaMemcpyHostToDevice, device.stream);
  CHECK(cudaMemcpy(&received, memory.data(), 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(received == -1);
  CHECK(device.synchronize() == cudaSuccess);
  CHECK(cudaMemcpy(&received, memory.data(), 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(received == 5);
}

TEST_CASE("events tell when they have happened, and asking again and again comes to an end") {
  TwoStreams device;
  const DeviceArray<int> memory(1);
  CHECK(cudaEventQuery(device.event) == cudaSuccess);  // never recorded
  cudaEvent_t start = nullptr, end = nullptr;
  cudaEventCreateWithFlags(&start, cudaEventDefault);
  cudaEventCreateWithFlags(&end, cudaEventDefault);
  cudaEventRecord(start, device.stream);
  for (int i = 0; i < 10; ++i) cudaMemsetAsync(memory.data(), i, 4, device.stream);
  cudaEventRecord(end, device.stream);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorNotReady);
  int queries = 0;
  while (cudaEventQuery(end) == cudaErrorNotReady && queries < 100) ++queries;
  CHECK(queries > 5);
  CHECK(queries < 20);
  CHECK(memory[0] == 0x09090909);
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess);
  CHECK(milliseconds >= 0);
  cudaEventRecord(device.event, device.stream);
  CHECK(cudaEventSynchronize(device.event) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start, device.event) == cudaErrorInvalidResourceHandle);
  cudaEventDestroy(start);
  cudaEventDestroy(end);
}

TEST_CASE("a handle that is destroyed, or is something else, is refused") {
  Device device;
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamDefault) == cudaErrorInvalidValue);
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(statistics().live_objects.at("stream") == 2);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
  const DeviceArray<int> memory(1);
  CHECK(cudaMemsetAsync(memory.data(), 0, 4, stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventRecord(reinterpret_cast<cudaEvent_t>(device.stream), device.stream) == cudaErrorInvalidResourceHandle);
}

TEST_CASE("what a stream still has to do when it is destroyed is done") {
  Device device;
  const DeviceArray<int> memory(1);
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaMemsetAsync(memory.data(), 0, 4, stream);
  cudaStreamDestroy(stream);
  CHECK(memory[0] == 0);
}

TEST_CASE("a graph does what was captured, each time with what memory holds then") {
  Device device;
  const DeviceArray<int> from(std::vector<int>{1, 2}), to(std::vector<int>{0, 0});
  Pinned pinned(2);
  cudaStreamCaptureStatus status;
  CHECK(cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(cudaStreamIsCapturing(device.stream, &status) == cudaSuccess);
  CHECK(status == cudaStreamCaptureStatusActive);
  MARGINCORE_LAUNCH(add_to, 1, 2, device.stream, to.data(), from.data(), 2);
  cudaMemcpyAsync(pinned.data, to.data(), 8, cudaMemcpyDeviceToHost, device.stream);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaSuccess);
  CHECK(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(device.synchronize() == cudaSuccess);
  CHECK(to.values() == std::vector<int>{0, 0});  // captured, not run
  CHECK(statistics().launches.empty());

  reset_statistics();
  for (int i = 0; i < 3; ++i) CHECK(cudaGraphLaunch(executable, device.stream) == cudaSuccess);
  CHECK(to.values() == std::vector<int>{0, 0});  // queued
  CHECK(device.synchronize() == cudaSuccess);
  CHECK(to.values() == std::vector<int>{3, 6});
  CHECK(pinned.data[1] == 6);
  from[0] = 10;
  CHECK(cudaGraphLaunch(executable, device.stream) == cudaSuccess);
  CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);  // what was launched still runs
  CHECK(device.synchronize() == cudaSuccess);
  CHECK(to.values() == std::vector<int>{13, 8});
  const Statistics now = statistics();
  CHECK(now.launches.at("add_to") == 4);
  CHECK(now.downloads == 4);
  CHECK(now.allocations + now.frees == 0);
  CHECK(now.synchronizations == 2);
  CHECK(now.calls.at("cudaGraphLaunch") == 4);
}

TEST_CASE("allocating and waiting during a capture is refused, and invalidates it") {
  TwoStreams device;
  const DeviceArray<int> memory(1);
  Pinned pinned(1);
  cudaEvent_t outside = nullptr;
  cudaEventCreateWithFlags(&outside, cudaEventDisableTiming);
  cudaEventRecord(outside, device.other);
  void* allocated = nullptr;
  int host = 0;
  const std::pair<const char*, std::function<cudaError_t()>> calls[] = {
      {"cudaMalloc", [&] { return cudaMalloc(&allocated, 4); }},
      {"cudaMallocHost", [&] { return cudaMallocHost(&allocated, 4); }},
      {"cudaFree", [&] { return cudaFree(memory.data()); }},
      {"cudaFreeHost", [&] { return cudaFreeHost(pinned.data); }},
      {"cudaMemcpy", [&] { return cudaMemcpy(&host, memory.data(), 4, cudaMemcpyDeviceToHost); }},
      {"cudaStreamSynchronize", [&] { return cudaStreamSynchronize(device.stream); }},
      {"cudaDeviceSynchronize", [&] { return cudaDeviceSynchronize(); }},
  };
  const auto begin = [&](cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal) {
    REQUIRE(cudaStreamBeginCapture(device.stream, mode) == cudaSuccess);
  };
  const auto is_valid = [&] {
    cudaStreamCaptureStatus status;
    CHECK(cudaStreamIsCapturing(device.stream, &status) == cudaSuccess);
    cudaGraph_t graph = nullptr;
    const cudaError_t error = cudaStreamEndCapture(device.stream, &graph);
    CHECK(error == (status == cudaStreamCaptureStatusActive ? cudaSuccess : cudaErrorStreamCaptureInvalidated));
    if (graph != nullptr) cudaGraphDestroy(graph);
    return status == cudaStreamCaptureStatusActive;
  };
  for (const auto& [name, call] : calls) {
    CAPTURE(name);
    begin();
    CHECK(call() == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaMemsetAsync(memory.data(), 0, 4, device.stream) == cudaErrorStreamCaptureInvalidated);
    CHECK_FALSE(is_valid());
  }
  // Another thread's capture does not concern this one, unless it is global.
  for (const bool global : {false, true}) {
    std::thread([&] { begin(global ? cudaStreamCaptureModeGlobal : cudaStreamCaptureModeThreadLocal); }).join();
    CHECK(cudaMalloc(&allocated, 4) == (global ? cudaErrorStreamCaptureUnsupported : cudaSuccess));
    if (!global) cudaFree(allocated);
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaErrorStreamCaptureWrongThread);
    // Ends it after all.
    device.reset();
    cudaStreamDestroy(device.stream);
    cudaStreamCreateWithFlags(&device.stream, cudaStreamNonBlocking);
  }
  // Events.
  begin();
  CHECK(cudaStreamWaitEvent(device.stream, outside, 0) == cudaErrorStreamCaptureIsolation);
  CHECK_FALSE(is_valid());
  begin();
  CHECK(cudaEventRecord(device.event, device.stream) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(device.stream, device.event, 0) == cudaSuccess);
  CHECK(cudaEventSynchronize(device.event) == cudaErrorCapturedEvent);
  CHECK(is_valid());
  begin();
  cudaEventRecord(device.event, device.stream);
  CHECK(cudaStreamWaitEvent(device.other, device.event, 0) == cudaErrorStreamCaptureUnsupported);
  CHECK_FALSE(is_valid());
  // The protocol itself.
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaErrorIllegalState);
  begin();
  CHECK(cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal) == cudaErrorIllegalState);
  CHECK(is_valid());
  cudaEventDestroy(outside);
}

TEST_CASE("two host threads may use the device at the same time") {
  Device device;
  const auto work = [](int value, int* result) {
    cudaStream_t stream = nullptr;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    int* memory = nullptr;
    cudaMalloc(&memory, 8);
    cudaMemsetAsync(memory, 0, 8, stream);
    cudaMemcpyAsync(memory + 1, &value, 4, cudaMemcpyHostToDevice, stream);
    for (int i = 0; i < 200; ++i) {
      MARGINCORE_LAUNCH(add_to, 1, 1, stream, memory, memory + 1, 1);
      if (i % 10 == 0) cudaStreamSynchronize(stream);
    }
    cudaMemcpyAsync(result, memory, 4, cudaMemcpyDeviceToHost, stream);
    cudaFree(memory);
    cudaStreamDestroy(stream);
  };
  int first = 0, second = 0;
  std::thread one(work, 1, &first), two(work, 2, &second);
  one.join();
  two.join();
  CHECK(first == 200);
  CHECK(second == 400);
}

}  // namespace margincore::cuda_sim
