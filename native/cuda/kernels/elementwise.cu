// ReLU, sums, biases, dropout and conversions: every element on its own. Bound by memory: two elements moved per
// element of ReLU forward, three of its backward and of sums.
#include "base/rng.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;

// Written as "below zero becomes zero", so that a NaN stays one and is found.
template <class T>
struct Relu {
  using Element = T;
  static constexpr bool kBinary = false;
  MARGINCORE_DEVICE static float apply(float x, float) { return x < 0 ? 0 : x; }
};

template <class T>
struct ReluBackward {
  using Element = T;
  static constexpr bool kBinary = true;
  MARGINCORE_DEVICE static float apply(float dy, float y) { return y > 0 ? dy : 0; }
};

template <class T>
struct Add {
  using Element = T;
  static constexpr bool kBinary = true;
  MARGINCORE_DEVICE static float apply(float a, float b) { return a + b; }
};

/// y = operation(a, b) over `count` elements; b is read by binary operations alone.
template <class Operation, class T = typename Operation::Element>
MARGINCORE_KERNEL elementwise_kernel(T* y, const T* a, const T* b, int64_t count) {
  using P = Pack<T>;
  constexpr int kCount = P::kCount;
  for (int64_t i = global_thread(); i < count / kCount; i += global_threads()) {
    const P u = pack<P>(a, i), v = Operation::kBinary ? pack<P>(b, i) : P{};
    P result;
    for (int k = 0; k < kCount; ++k)
      result.value[k] = narrow<T>(Operation::apply(widen(u.value[k]), widen(v.value[k])));
    pack<P>(y, i) = result;
  }
  for (int64_t i = count / kCount * kCount + global_thread(); i < count; i += global_threads())
    y[i] = narrow<T>(Operation::apply(widen(a[i]), Operation::kBinary ? widen(b[i]) : 0));
}

template <class Operation>
void elementwise(Tensor y, Tensor a, Tensor b, cudaStream_t stream) {
  using T = typename Operation::Element;
  MARGINCORE_RUN(elementwise_kernel<Operation>, striding_blocks(y.count() / Pack<T>::kCount), kBlock, stream,
                 elements<T>(y), elements<T>(a), elements<T>(b), y.count());
}

/// In passing: of statistics, which are few.
MARGINCORE_KERNEL scale_kernel(float* x, int64_t count, float factor) {
  for (int64_t i = global_thread(); i < count; i += global_threads()) x[i] *= factor;
}

MARGINCORE_KERNEL shift_labels_kernel(int32_t* own, const int32_t* labels, int64_t count, int32_t first) {
  for (int64_t i = global_thread(); i < count; i += global_threads()) own[i] = labels[i] - first;
}

/// Four elements at a time; To and From are float and BFloat16, or the other way round.
template <class To, class From>
MARGINCORE_DEVICE void convert_all(To* y, const From* x, int64_t count) {
  for (int64_t i = global_thread(); i < count / 4; i += global_threads()) {
    const auto from = pack<Pack<From, 4>>(x, i);
    Pack<To, 4> to;
    for (int k = 0; k < 4; ++k) to.value[k] = narrow<To>(widen(from.value[k]));
    pack<Pack<To, 4>>(y, i) = to;
  }
  for (int64_t i = count / 4 * 4 + global_thread(); i < count; i += global_threads()) y[i] = narrow<To>(widen(x[i]));
}

MARGINCORE_KERNEL widen_kernel(float* y, const BFloat16* x, int64_t count) { convert_all(y, x, count); }
MARGINCORE_KERNEL narrow_kernel(BFloat16* y, const float* x, int64_t count) { convert_all(y, x, count); }

/// Rows of `packs` packs, which are one after another for a thread: its place in the row moves on without a division.
template <class P>
MARGINCORE_KERNEL add_bias_kernel(typename P::Element* y, const float* bias, int64_t count, int packs) {
  using T = typename P::Element;
  const int advance = static_cast<int>(global_threads() % packs);
  int place = static_cast<int>(global_thread() % packs);
  for (int64_t i = global_thread(); i < count; i += global_threads()) {
    P values = pack<P>(y, i);
    for (int k = 0; k < P::kCount; ++k)
      values.value[k] = narrow<T>(widen(values.value[k]) + bias[place * P::kCount + k]);
    pack<P>(y, i) = values;
    place += advance;
    if (place >= packs) place -= packs;
  }
}

/// Forward and backward are the same function of their operand: the mask is drawn again. One draw gives four elements;
/// its index holds the step, so that no step repeats another's mask.
template <class T>
MARGINCORE_KERNEL dropout_kernel(T* y, const T* x, int64_t count, Dropout dropout, const StepBlock* step) {
  const uint64_t first = step->step << 32;
  const float scale = 1 / (1 - dropout.rate);
  const auto draw = [&](int64_t four) {
    return philox(step->seed, RandomPurpose::Dropout, dropout.stream, first + static_cast<uint64_t>(four));
  };
  const auto drop = [&](T value, uint32_t random) {
    return narrow<T>(uniform01(random) < dropout.rate ? 0 : widen(value) * scale);
  };
  if (dropout.first % 4 != 0) {  // a draw's elements are no pack then
    for (int64_t i = global_thread(); i < count; i += global_threads()) {
      const int64_t number = dropout.first + i;
      y[i] = drop(x[i], draw(number / 4).value[number % 4]);
    }
    return;
  }
  using P = Pack<T, 4>;
  const int64_t before = dropout.first / 4;
  for (int64_t i = global_thread(); i < count / 4; i += global_threads()) {
    const Random4 random = draw(before + i);
    P values = pack<P>(x, i);
    for (int k = 0; k < 4; ++k) values.value[k] = drop(values.value[k], random.value[k]);
    pack<P>(y, i) = values;
  }
  if (global_thread() != 0) return;
  const Random4 random = draw(before + count / 4);
  for (int64_t i = count / 4 * 4; i < count; ++i) y[i] = drop(x[i], random.value[i % 4]);
}

}  // namespace

void relu_forward(Tensor y, Tensor x, cudaStream_t stream) {
  with_element(y.dtype, [&](auto element) { elementwise<Relu<decltype(element)>>(y, x, {}, stream); });
}

void relu_backward(Tensor dx, Tensor dy, Tensor y, cudaStream_t stream) {
  with_element(y.dtype, [&](auto element) { elementwise<ReluBackward<decltype(element)>>(dx, dy, y, stream); });
}

void add(Tensor y, Tensor a, Tensor b, cudaStream_t stream) {
  with_element(y.dtype, [&](auto element) { elementwise<Add<decltype(element)>>(y, a, b, stream); });
}

void scale(Tensor x, float factor, cudaStream_t stream) {
  MARGINCORE_RUN(scale_kernel, striding_blocks(x.count()), kBlock, stream, x.f32(), x.count(), factor);
}

void shift_labels(Tensor own, Tensor labels, int32_t first, cudaStream_t stream) {
  MARGINCORE_RUN(shift_labels_kernel, striding_blocks(own.count()), kBlock, stream, own.i32(), labels.i32(),
                 own.count(), first);
}

void convert(Tensor y, Tensor x, cudaStream_t stream) {
  const int64_t count = y.count(), blocks = striding_blocks(count / 4);
  if (y.dtype == DType::F32) {
    MARGINCORE_RUN(widen_kernel, blocks, kBlock, stream, y.f32(), elements<BFloat16>(x), count);
  } else {
    MARGINCORE_RUN(narrow_kernel, blocks, kBlock, stream, elements<BFloat16>(y), x.f32(), count);
  }
}

void add_bias(Tensor y, const float* bias, int64_t rows, int64_t columns, cudaStream_t stream) {
  with_pack(y.dtype, columns, [&](auto values) {
    using P = decltype(values);
    const int64_t packs = columns / P::kCount;
    MARGINCORE_RUN(add_bias_kernel<P>, striding_blocks(rows * packs), kBlock, stream, elements<typename P::Element>(y),
                   bias, rows * packs, static_cast<int>(packs));
  });
}

void dropout(Tensor y, Tensor x, Dropout dropout, const StepBlock* step, cudaStream_t stream) {
  with_element(y.dtype, [&](auto element) {
    using T = decltype(element);
    MARGINCORE_RUN(dropout_kernel<T>, striding_blocks(y.count() / 4), kBlock, stream, elements<T>(y), elements<T>(x),
                   y.count(), dropout, step);
  });
}

}  // namespace margincore::cuda
