// Marks functions that run on the host and inside CUDA kernels.
#pragma once

#if defined(__CUDACC__)
#define MARGINCORE_HOST_DEVICE __host__ __device__ __forceinline__
#else
// always_inline, because the CPU backend compiles such functions once per instruction set: an out-of-line copy with
// AVX-512 code could otherwise be the one that the linker keeps for all.
#define MARGINCORE_HOST_DEVICE [[gnu::always_inline]] inline
#endif
