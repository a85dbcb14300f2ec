// Graphs: that they do what was captured, and that each misuse of a capture shows.
#include <functional>
#include <thread>
#include <utility>

#include "runtime_support.h"

namespace margincore::cuda_sim {

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
  // The protocol itself.
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaErrorIllegalState);
  begin();
  CHECK(cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal) == cudaErrorIllegalState);
  CHECK(is_valid());
  cudaEventDestroy(outside);
}

namespace {

/// `stream` fills `middle` with ones; then `other` adds it to `to`, while `stream` goes on to clear it: that may come first
/// unless it waits for the other.
cudaGraphExec_t captured_fork(TwoStreams& device, int* to, int* middle, const int* ones, bool joins_before_clearing) {
  cudaEvent_t done = nullptr;
  cudaEventCreateWithFlags(&done, cudaEventDisableTiming);
  CHECK(cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  cudaMemcpyAsync(middle, ones, 4 * sizeof(int), cudaMemcpyDeviceToDevice, device.stream);
  cudaEventRecord(device.event, device.stream);
  CHECK(cudaStreamWaitEvent(device.other, device.event, 0) == cudaSuccess);
  MARGINCORE_LAUNCH(add_to, 1, 4, device.other, to, middle, 4);
  cudaEventRecord(done, device.other);
  if (joins_before_clearing) CHECK(cudaStreamWaitEvent(device.stream, done, 0) == cudaSuccess);
  cudaMemsetAsync(middle, 0, 4 * sizeof(int), device.stream);
  if (!joins_before_clearing) CHECK(cudaStreamWaitEvent(device.stream, done, 0) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaSuccess);
  CHECK(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  cudaGraphDestroy(graph);
  cudaEventDestroy(done);
  return executable;
}

}  // namespace

TEST_CASE("a graph of two streams: each waits for the other where an event says so, and nowhere else") {
  TwoStreams device;
  const std::vector<int> ones(4, 1), zeros(4, 0);
  const DeviceArray<int> from(ones), middle(zeros), to(zeros);
  for (const bool joins : {true, false}) {
    const cudaGraphExec_t graph = captured_fork(device, to.data(), middle.data(), from.data(), joins);
    const auto result = [&](uint64_t seed) {
      settings().shuffle = seed;
      cudaMemsetAsync(to.data(), 0, to.bytes(), device.stream);
      CHECK(cudaGraphLaunch(graph, device.stream) == cudaSuccess);
      CHECK(device.synchronize() == cudaSuccess);
      settings().shuffle = 0;
      return to.values();
    };
    CHECK(result(0) == (joins ? ones : zeros));  // in order, the other stream only as far as it is waited for
    int wrong = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) wrong += result(seed) != ones;
    if (joins) CHECK(wrong == 0);
    else CHECK((wrong > 4 && wrong < 20));
    cudaGraphExecDestroy(graph);
  }
  // Both are free again.
  MARGINCORE_LAUNCH(add_to, 1, 4, device.other, to.data(), from.data(), 4);
  CHECK(cudaStreamSynchronize(device.other) == cudaSuccess);
}

TEST_CASE("a capture that a second stream joined ends where it began, and with all of it") {
  TwoStreams device;
  const DeviceArray<int> memory(4);
  cudaGraph_t graph = nullptr;
  const auto fork = [&] {
    REQUIRE(cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    cudaEventRecord(device.event, device.stream);
    CHECK(cudaStreamWaitEvent(device.other, device.event, 0) == cudaSuccess);
    CHECK(cudaMemsetAsync(memory.data(), 0, 4, device.other) == cudaSuccess);
  };
  fork();
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaErrorStreamCaptureUnjoined);
  fork();
  CHECK(cudaStreamEndCapture(device.other, &graph) == cudaErrorStreamCaptureUnmatched);
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaErrorStreamCaptureInvalidated);
  fork();
  CHECK(cudaStreamSynchronize(device.other) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaErrorStreamCaptureInvalidated);
  // An event of a capture that is over, and of another one.
  fork();
  cudaEvent_t captured = nullptr;
  cudaEventCreateWithFlags(&captured, cudaEventDisableTiming);
  cudaEventRecord(captured, device.other);
  CHECK(cudaStreamWaitEvent(device.stream, captured, 0) == cudaSuccess);
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaSuccess);
  cudaGraphDestroy(graph);
  CHECK(cudaStreamWaitEvent(device.other, captured, 0) == cudaErrorCapturedEvent);
  cudaStream_t third = nullptr;
  cudaStreamCreateWithFlags(&third, cudaStreamNonBlocking);
  REQUIRE(cudaStreamBeginCapture(third, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  fork();
  CHECK(cudaStreamWaitEvent(third, device.event, 0) == cudaErrorStreamCaptureMerge);
  CHECK(cudaStreamEndCapture(third, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaStreamEndCapture(device.stream, &graph) == cudaErrorStreamCaptureUnjoined);
  cudaStreamDestroy(third);
  cudaEventDestroy(captured);
}

}  // namespace margincore::cuda_sim
