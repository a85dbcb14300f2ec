// Max pooling, NHWC, with an optional ReLU of the maximum. A thread per element, channels fastest, so that neighbours
// read and write neighbouring addresses. Forward reads x once (windows that do not overlap) and writes 5 bytes per
// output. Backward asks, for each input element, the windows over it whether they took it: no two threads write one
// place, and sums have a fixed order.
#include <cmath>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;

MARGINCORE_KERNEL max_pool_forward_kernel(float* y, uint8_t* position, const float* x, PoolSizes s, Pool2d pool) {
  const int64_t count = s.batch * s.out_height * s.out_width * s.channels;
  for (int64_t i = global_thread(); i < count; i += global_threads()) {
    const int64_t c = i % s.channels, q = i / s.channels % s.out_width;
    const int64_t p = i / (s.channels * s.out_width) % s.out_height, n = i / (s.channels * s.out_width * s.out_height);
    const int64_t top = p * pool.stride - pool.padding, left = q * pool.stride - pool.padding;
    float best = -INFINITY;
    int place = kNoPosition;
    for (int r = 0; r < pool.kernel; ++r) {
      if (top + r < 0 || top + r >= s.height) continue;
      for (int k = 0; k < pool.kernel; ++k) {
        if (left + k < 0 || left + k >= s.width) continue;
        const float value = x[((n * s.height + top + r) * s.width + left + k) * s.channels + c];
        const bool larger = place == kNoPosition || value > best || value != value;  // a NaN wins, to be found later
        best = larger ? value : best;
        place = larger ? r * pool.kernel + k : place;
      }
    }
    if (pool.relu != 0) {
      place = best > 0 ? place : kNoPosition;
      best = best < 0 ? 0 : best;
    }
    y[i] = best;
    position[i] = static_cast<uint8_t>(place);
  }
}

MARGINCORE_KERNEL max_pool_backward_kernel(float* dx, const float* dy, const uint8_t* position, PoolSizes s,
                                           Pool2d pool) {
  const int64_t count = s.batch * s.height * s.width * s.channels;
  for (int64_t i = global_thread(); i < count; i += global_threads()) {
    const int64_t c = i % s.channels, w = i / s.channels % s.width;
    const int64_t h = i / (s.channels * s.width) % s.height, n = i / (s.channels * s.width * s.height);
    float sum = 0;
    for (int r = 0; r < pool.kernel; ++r) {
      const int64_t top = h + pool.padding - r;  // = p * stride
      if (top < 0 || top % pool.stride != 0 || top / pool.stride >= s.out_height) continue;
      for (int k = 0; k < pool.kernel; ++k) {
        const int64_t left = w + pool.padding - k;
        if (left < 0 || left % pool.stride != 0 || left / pool.stride >= s.out_width) continue;
        const int64_t from =
            ((n * s.out_height + top / pool.stride) * s.out_width + left / pool.stride) * s.channels + c;
        if (position[from] == r * pool.kernel + k) sum += dy[from];
      }
    }
    dx[i] = sum;
  }
}

}  // namespace

void max_pool_forward(float* y, uint8_t* position, const float* x, PoolSizes sizes, Pool2d pool, cudaStream_t stream) {
  const int64_t count = sizes.batch * sizes.out_height * sizes.out_width * sizes.channels;
  MARGINCORE_RUN(max_pool_forward_kernel, striding_blocks(count), kBlock, stream, y, position, x, sizes, pool);
}

void max_pool_backward(float* dx, const float* dy, const uint8_t* position, PoolSizes sizes, Pool2d pool,
                       cudaStream_t stream) {
  const int64_t count = sizes.batch * sizes.height * sizes.width * sizes.channels;
  MARGINCORE_RUN(max_pool_backward_kernel, striding_blocks(count), kBlock, stream, dx, dy, position, sizes, pool);
}

}  // namespace margincore::cuda
