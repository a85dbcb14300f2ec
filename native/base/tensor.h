// Tensor: a view of memory that somebody else owns (an arena, or the caller).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/bfloat16.h"

namespace margincore {

enum class DType : int32_t { F32, BF16, I32, U8 };

inline int64_t size_of(DType type) {
  switch (type) {
    case DType::F32:
    case DType::I32: return 4;
    case DType::BF16: return 2;
    case DType::U8: return 1;
  }
  return 0;
}

/// Up to four dimensions, the slowest first; images are (N, H, W, C), matrices (rows, columns).
struct Shape {
  int32_t rank = 0;
  int64_t dims[4] = {0, 0, 0, 0};

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) {
    for (int64_t size : sizes) dims[rank++] = size;
  }

  int64_t operator[](int axis) const { return dims[axis]; }

  int64_t count() const {
    int64_t product = 1;
    for (int i = 0; i < rank; ++i) product *= dims[i];
    return product;
  }

  /// Elements of one row along the first axis.
  int64_t row_count() const { return rank == 0 ? 1 : count() / (dims[0] == 0 ? 1 : dims[0]); }

  bool operator==(const Shape& other) const {
    if (rank != other.rank) return false;
    for (int i = 0; i < rank; ++i)
      if (dims[i] != other.dims[i]) return false;
    return true;
  }
};

inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int i = 0; i < shape.rank; ++i) text += (i ? ", " : "") + std::to_string(shape.dims[i]);
  return text + ")";
}

struct Tensor {
  void* data = nullptr;  // device memory of the backend it is used with; null where an operand is optional
  DType dtype = DType::F32;
  Shape shape;

  Tensor() = default;
  Tensor(void* memory, DType type, Shape sizes) : data(memory), dtype(type), shape(sizes) {}
  Tensor(float* memory, Shape sizes) : Tensor(memory, DType::F32, sizes) {}

  explicit operator bool() const { return data != nullptr; }
  float* f32() const { return static_cast<float*>(data); }
  BFloat16* bf16() const { return static_cast<BFloat16*>(data); }
  int32_t* i32() const { return static_cast<int32_t*>(data); }
  uint8_t* u8() const { return static_cast<uint8_t*>(data); }
  int64_t count() const { return shape.count(); }
  int64_t bytes() const { return count() * size_of(dtype); }

  /// The same memory read as (rows, everything else): what a linear layer sees of an image. The order is NHWC.
  Tensor as_matrix() const { return {data, dtype, {shape[0], shape.row_count()}}; }
};

}  // namespace margincore
