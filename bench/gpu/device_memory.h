// Operands of a benchmark in device memory.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "backend/buffer.h"

namespace margincore::jobs {

class DeviceMemory {
 public:
  explicit DeviceMemory(Backend& backend) : backend_(backend) {}

  /// Numbers in ±scale without a pattern: some hundred thousand of them, over and over.
  Tensor floats(Shape shape, float scale = 1) {
    std::vector<float> block(std::min<int64_t>(shape.count(), 1 << 18));
    uint32_t state = 12345;
    for (float& value : block) {
      state = state * 1664525u + 1013904223u;
      value = scale * (static_cast<float>(state >> 8) * 0x1p-23f - 1);
    }
    float* memory = static_cast<float*>(take(shape.count() * sizeof(float)));
    for (int64_t done = 0; done < shape.count(); done += static_cast<int64_t>(block.size())) {
      const int64_t part = std::min<int64_t>(shape.count() - done, static_cast<int64_t>(block.size()));
      check(backend_.upload(memory + done, block.data(), part * sizeof(float)));
    }
    return {memory, shape};
  }

  /// The same in either type of activations.
  Tensor activations(Shape shape, DType type, float scale = 1) {
    const Tensor exact = floats(shape, scale);
    if (type == DType::F32) return exact;
    const Tensor rounded = zeros(shape, type);
    check(backend_.convert(rounded, exact));
    return rounded;
  }

  /// i * factor mod below, for labels and orders.
  Tensor integers(int64_t count, int64_t below, int64_t factor = 7919) {
    std::vector<int32_t> values(count);
    for (int64_t i = 0; i < count; ++i) values[i] = static_cast<int32_t>(i * factor % below);
    return {upload(values), DType::I32, {count}};
  }

  Tensor zeros(Shape shape, DType type = DType::F32) {
    const size_t bytes = shape.count() * size_of(type);
    void* memory = take(bytes);
    check(backend_.zero(memory, bytes));
    return {memory, type, shape};
  }

  template <class T>
  T* one(const T& value) {
    return static_cast<T*>(upload(std::vector<T>{value}));
  }

 private:
  template <class T>
  void* upload(const std::vector<T>& values) {
    void* memory = take(values.size() * sizeof(T));
    check(backend_.upload(memory, values.data(), values.size() * sizeof(T)));
    return memory;
  }

  void* take(size_t bytes) { return buffers_.emplace_back(backend_, bytes).data(); }

  Backend& backend_;
  std::deque<Buffer> buffers_;
};

}  // namespace margincore::jobs
