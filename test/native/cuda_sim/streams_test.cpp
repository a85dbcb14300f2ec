// Streams and events: their order, and that each misuse shows.
#include <thread>

#include "runtime_support.h"

namespace margincore::cuda_sim {
namespace { constexpr int kSeeds = 20; }  // namespace

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

TEST_CASE("two host threads may use the device at the same time") {
  Device device;
  const auto work = [](int value, int* result) {
    cudaStream_t stream = nullptr;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    int* memory = nullptr;
    allocate(&memory, 2);
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
