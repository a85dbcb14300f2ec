// ReLU, sums, biases and dropout: every element on its own. Bound by memory: 8 bytes per element for ReLU forward, 12
// for its backward and for sums. Four elements at a time, as 16-byte accesses: arenas align every tensor to 64 bytes.
#include "base/rng.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

namespace {

using device::Float4;
using device::global_thread;
using device::global_threads;

/// y = operation(a, b) over `count` elements; b may be null where the operation does not read it.
template <class Operation>
MARGINCORE_KERNEL elementwise_kernel(float* y, const float* a, const float* b, int64_t count, Operation operation) {
  const int64_t fours = count / 4;
  for (int64_t i = global_thread(); i < fours; i += global_threads()) {
    const Float4 u = reinterpret_cast<const Float4*>(a)[i];
    const Float4 v = b != nullptr ? reinterpret_cast<const Float4*>(b)[i] : Float4{};
    reinterpret_cast<Float4*>(y)[i] = {operation(u.x, v.x), operation(u.y, v.y), operation(u.z, v.z),
                                       operation(u.w, v.w)};
  }
  for (int64_t i = 4 * fours + global_thread(); i < count; i += global_threads())
    y[i] = operation(a[i], b != nullptr ? b[i] : 0);
}

template <class Operation>
void elementwise(float* y, const float* a, const float* b, int64_t count, Operation operation, cudaStream_t stream) {
  MARGINCORE_RUN(elementwise_kernel<Operation>, striding_blocks(count / 4), kBlock, stream, y, a, b, count, operation);
}

// Written as "below zero becomes zero", so that a NaN stays one and is found.
struct Relu {
  MARGINCORE_DEVICE float operator()(float x, float) const { return x < 0 ? 0 : x; }
};

struct ReluBackward {
  MARGINCORE_DEVICE float operator()(float dy, float y) const { return y > 0 ? dy : 0; }
};

struct Add {
  MARGINCORE_DEVICE float operator()(float a, float b) const { return a + b; }
};

MARGINCORE_KERNEL add_bias_kernel(float* y, const float* bias, int64_t count, int64_t columns) {
  for (int64_t i = global_thread(); i < count; i += global_threads()) y[i] += bias[i % columns];
}

/// Forward and backward are the same function of their operand: the mask is drawn again. One draw gives four elements;
/// its index holds the step, so that no step repeats another's mask.
MARGINCORE_KERNEL dropout_kernel(float* y, const float* x, int64_t count, Dropout dropout, const StepBlock* step) {
  const uint64_t first = step->step << 32;
  const float scale = 1 / (1 - dropout.rate);
  for (int64_t i = 4 * global_thread(); i < count; i += 4 * global_threads()) {
    const Random4 random =
        philox(step->seed, RandomPurpose::Dropout, dropout.stream, first + static_cast<uint64_t>(i / 4));
    for (int k = 0; k < 4 && i + k < count; ++k)
      y[i + k] = uniform01(random.value[k]) < dropout.rate ? 0 : x[i + k] * scale;
  }
}

}  // namespace

void relu_forward(float* y, const float* x, int64_t count, cudaStream_t stream) {
  elementwise(y, x, nullptr, count, Relu{}, stream);
}

void relu_backward(float* dx, const float* dy, const float* y, int64_t count, cudaStream_t stream) {
  elementwise(dx, dy, y, count, ReluBackward{}, stream);
}

void add(float* y, const float* a, const float* b, int64_t count, cudaStream_t stream) {
  elementwise(y, a, b, count, Add{}, stream);
}

void add_bias(float* y, const float* bias, int64_t rows, int64_t columns, cudaStream_t stream) {
  const int64_t count = rows * columns;
  MARGINCORE_RUN(add_bias_kernel, striding_blocks(count), kBlock, stream, y, bias, count, columns);
}

void dropout(float* y, const float* x, int64_t count, Dropout dropout, const StepBlock* step, cudaStream_t stream) {
  MARGINCORE_RUN(dropout_kernel, striding_blocks(count / 4), kBlock, stream, y, x, count, dropout, step);
}

}  // namespace margincore::cuda
