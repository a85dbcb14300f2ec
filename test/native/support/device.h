// Device memory for one test: every block lies between guard bytes, outputs are poisoned, inputs must stay as they are.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <memory>

#include "backend/buffer.h"
#include "support/arrays.h"

namespace margincore::test {

template <class T>
DType dtype_of();
template <>
inline DType dtype_of<float>() {
  return DType::F32;
}
template <>
inline DType dtype_of<int32_t>() {
  return DType::I32;
}
template <>
inline DType dtype_of<uint8_t>() {
  return DType::U8;
}

class Device {
 public:
  explicit Device(Backend& backend) : backend_(backend) {}

  /// An operand that the operation only reads: `call` checks that it did.
  template <class T>
  Tensor input(const std::vector<T>& values, Shape shape) {
    return {add(values.data(), values.size() * sizeof(T), true), dtype_of<T>(), shape};
  }

  /// The same as fp32 or, rounded, as bf16.
  Tensor input(const Floats& values, Shape shape, DType dtype) { return {add(values, dtype, true), dtype, shape}; }
  Tensor inout(const Floats& values, Shape shape, DType dtype) { return {add(values, dtype, false), dtype, shape}; }

  /// An operand that is read and overwritten.
  template <class T>
  Tensor inout(const std::vector<T>& values, Shape shape) {
    return {add(values.data(), values.size() * sizeof(T), false), dtype_of<T>(), shape};
  }

  /// Filled with 0xFF: NaN as a float, -1 as an integer.
  Tensor output(Shape shape, DType dtype = DType::F32) {
    const Bytes poison(shape.count() * size_of(dtype), 0xFF);
    return {add(poison.data(), poison.size(), false), dtype, shape};
  }

  /// One plain value that the device only reads, such as a StepBlock, or some.
  template <class T>
  const T* constant(const T& value) {
    return static_cast<const T*>(add(&value, sizeof(T), true));
  }

  template <class T>
  const T* constants(const std::vector<T>& values) {
    return static_cast<const T*>(add(values.data(), values.size() * sizeof(T), true));
  }

  /// Plain values that the device may write.
  template <class T>
  T* variable(const std::vector<T>& values) {
    return static_cast<T*>(add(values.data(), values.size() * sizeof(T), false));
  }

  /// Changes what a block holds, between two calls.
  template <class T>
  void set(const T* place, const T& value) {
    Block& block = block_of(place);
    std::memcpy(block.contents.data(), &value, sizeof(T));
    check(backend_.upload(block.start(), &value, sizeof(T)));
  }

  /// To be called with the answer of an operation: it must have succeeded, and damaged nothing.
  void call(const Status& status) {
    REQUIRE_MESSAGE(status.ok(), std::string(status.message));
    CHECK(damage() == "");
  }

  /// What was written that must not be, or "".
  std::string damage() const;

  template <class T>
  std::vector<T> read(const void* place, int64_t count) const {
    std::vector<T> values(count);
    check(backend_.download(values.data(), place, count * sizeof(T)));
    return values;
  }
  /// Of an fp32 or bf16 tensor.
  Floats read(const Tensor& tensor) const;
  Ints read_ints(const Tensor& tensor) const { return read<int32_t>(tensor.data, tensor.count()); }
  Bytes read_bytes(const Tensor& tensor) const { return read<uint8_t>(tensor.data, tensor.count()); }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr uint8_t kGuardByte = 0xA5;

  struct Block {
    Buffer buffer;
    Bytes contents;  // as uploaded
    bool constant;

    void* start() const { return buffer.at(kGuard); }
  };

  void* add(const void* contents, size_t bytes, bool constant);
  void* add(const Floats& values, DType dtype, bool constant);
  Block& block_of(const void* place);

  Backend& backend_;
  std::vector<std::unique_ptr<Block>> blocks_;
};

}  // namespace margincore::test
