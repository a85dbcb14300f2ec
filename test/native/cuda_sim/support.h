// What the simulator's own tests share.
#pragma once

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/bfloat16.h"
#include "statistics.h"

namespace margincore::cuda_sim {

/// By ThreadSanitizer, in a build with it.
inline int race_reports = 0;

/// One test's device: in order whatever the environment says, with one stream. In the end nothing may be left, nor a
/// race have been seen.
struct Device {
  Device() {
    settings().shuffle = 0;
    reset();
    reset_statistics();
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  }
  Device(const Device&) = delete;
  ~Device() {
    reset();
    cudaStreamDestroy(stream);
    CHECK(statistics().live_bytes == 0);
    CHECK(statistics().live_objects.empty());
    CHECK(std::exchange(race_reports, 0) == 0);
    settings() = kept;
  }

  void reset() {
    reset_device();
    cudaGetLastError();
  }

  cudaError_t synchronize() { return cudaStreamSynchronize(stream); }

  const Settings kept = settings();
  cudaStream_t stream = nullptr;
};

inline bool said(const std::string& words) { return last_message().find(words) != std::string::npos; }

/// A number of 16 bits, for tests that take any type.
struct Bf16 : BFloat16 {
  Bf16() = default;
  explicit Bf16(float value) : BFloat16(to_bfloat16(value)) {}
  operator float() const { return to_float(*this); }
};

/// cudaMalloc as C++ has it.
template <class T>
cudaError_t allocate(T** memory, size_t count) {
  return cudaMalloc(reinterpret_cast<void**>(memory), count * sizeof(T));
}

/// Device memory. The simulated one can be read and written from the host, which keeps tests short.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values) : count_(values.size()) {
    REQUIRE(allocate(&data_, count_) == cudaSuccess);
    std::copy(values.begin(), values.end(), data_);
  }
  explicit DeviceArray(size_t count) : count_(count) { REQUIRE(allocate(&data_, count) == cudaSuccess); }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* data() const { return data_; }
  size_t bytes() const { return count_ * sizeof(T); }
  T& operator[](size_t i) const { return data_[i]; }
  std::vector<T> values() const { return {data_, data_ + count_}; }

 private:
  T* data_ = nullptr;
  size_t count_;
};

}  // namespace margincore::cuda_sim
