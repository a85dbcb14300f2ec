// What a kernel may use of CUDA: everything here, and nothing else. nvcc compiles it for the device; a plain C++
// compiler with MARGINCORE_CUDA_SIM for the simulated one of test/native/cuda_sim/, whose sim/device.h gives the same
// names. So a kernel never writes <<<>>>, __shared__ or an intrinsic itself.
#pragma once

#include <cstdint>

#include "base/bfloat16.h"

#if defined(MARGINCORE_CUDA_SIM)

#include "sim/device.h"

#else

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define MARGINCORE_KERNEL __global__ void
#define MARGINCORE_DEVICE __device__ __forceinline__

/// Before a loop with a constant count: all of it, so that arrays it indexes stay in registers.
#define MARGINCORE_UNROLL _Pragma("unroll")

/// Before a loop that is not to be unrolled: its copies would take registers that more threads have a use for.
#define MARGINCORE_ROLL _Pragma("unroll 1")

/// Shared memory of a block: `count` elements, uninitialised.
#define MARGINCORE_SHARED(type, name, count) __shared__ type name[count]

/// kernel<<<grid, block>>>(arguments): blocks and threads along x only.
#define MARGINCORE_LAUNCH(kernel, grid, block, stream, ...) \
  kernel<<<static_cast<unsigned>(grid), static_cast<unsigned>(block), 0, stream>>>(__VA_ARGS__)

namespace margincore::device {

MARGINCORE_DEVICE int thread() { return static_cast<int>(threadIdx.x); }
MARGINCORE_DEVICE int threads() { return static_cast<int>(blockDim.x); }  // of the block
MARGINCORE_DEVICE int64_t block() { return blockIdx.x; }
MARGINCORE_DEVICE int64_t blocks() { return gridDim.x; }

/// Waits for all threads of the block; shared memory written before is seen after.
MARGINCORE_DEVICE void sync_block() { __syncthreads(); }

/// Tickets 0 to `tickets` - 1 in turn, then 0 again: `counter` is 0 before and after all are taken. Who takes one sees
/// what those before had written, or waited for at a barrier.
MARGINCORE_DEVICE unsigned take_ticket(unsigned* counter, unsigned tickets) {
  unsigned ticket;
  asm volatile("atom.acq_rel.gpu.inc.u32 %0, [%1], %2;" : "=r"(ticket) : "l"(counter), "r"(tickets - 1) : "memory");
  return ticket;
}

/// One instruction from compute capability 8.0 on.
MARGINCORE_DEVICE BFloat16 to_bfloat16(float value) { return {__bfloat16_as_ushort(__float2bfloat16_rn(value))}; }

/// The value of the lane whose number differs in the bits of `mask`. All 32 lanes of the warp take part.
template <class T>
MARGINCORE_DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

/// 1/x as division rounds it, or its neighbour: for loops that have no room for the branch division takes for numbers
/// outside of [2^-126, 2^126]. Beyond those it is 0 or not finite.
MARGINCORE_DEVICE float reciprocal(float x) {
  float estimate;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(estimate) : "f"(x));
  return fmaf(estimate, fmaf(-x, estimate, 1), estimate);
}

/// 2^x in one instruction, to 2 units in the last place (PTX ISA, ex2); 0 where that is below all normal numbers. No
/// test reaches it but on a card: the simulated device has the C library's in its place.
MARGINCORE_DEVICE float power_of_two(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

}  // namespace margincore::device

#endif

namespace margincore::device {

inline constexpr int kWarp = 32;

/// e^x for x of at most 0, in two instructions: its error is that of rounding x/ln 2, and of power_of_two. What is below
/// all normal numbers is 0. The product, its constant and the flush are compared with fp64 on the simulated device.
MARGINCORE_DEVICE float exponential(float x) { return power_of_two(x * 1.44269504f); }

MARGINCORE_DEVICE int lane() { return thread() % kWarp; }
MARGINCORE_DEVICE int warp() { return thread() / kWarp; }  // of the block

/// Number of this thread in the whole grid, and of all threads: for loops over elements in strides of the grid.
MARGINCORE_DEVICE int64_t global_thread() { return block() * threads() + thread(); }
MARGINCORE_DEVICE int64_t global_threads() { return blocks() * threads(); }

/// Four floats that are loaded and stored as 16 bytes.
struct alignas(16) Float4 {
  float x, y, z, w;
};

}  // namespace margincore::device
