// One fault for each of compute-sanitizer's tools: a tool that is silent here checks nothing elsewhere either. In the
// namespace of our kernels, so that a filter which misses those misses these.
//
//   margincore_planted_faults out_of_bounds | race | divergent_barrier | uninitialized
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>

namespace margincore::cuda {

namespace {

constexpr int kThreads = 64;

__global__ void out_of_bounds_kernel(int* out, const int*) { out[kThreads + threadIdx.x] = 1; }

__global__ void race_kernel(int* out, const int*) {
  __shared__ int values[kThreads];
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  // A barrier is missing: the other warp may not have written yet.
  out[threadIdx.x] = values[kThreads - 1 - threadIdx.x];
}

__global__ void divergent_barrier_kernel(int* out, const int*) {
  // Inside a warp: of a barrier that whole warps leave out, synccheck says nothing on an H100.
  if (threadIdx.x < kThreads / 4) __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void uninitialized_kernel(int* out, const int* in) { out[threadIdx.x] = in[threadIdx.x] + 1; }

using Kernel = void (*)(int*, const int*);

Kernel kernel_of(const char* name) {
  if (std::strcmp(name, "out_of_bounds") == 0) return out_of_bounds_kernel;
  if (std::strcmp(name, "race") == 0) return race_kernel;
  if (std::strcmp(name, "divergent_barrier") == 0) return divergent_barrier_kernel;
  if (std::strcmp(name, "uninitialized") == 0) return uninitialized_kernel;
  return nullptr;
}

int run(Kernel kernel) {
  int* memory[2] = {};
  for (int*& array : memory)
    if (const cudaError_t error = cudaMalloc(reinterpret_cast<void**>(&array), kThreads * sizeof(int));
        error != cudaSuccess)
      return std::fprintf(stderr, "%s\n", cudaGetErrorString(error)), 2;
  void* arguments[] = {&memory[0], &memory[1]};
  cudaError_t error =
      cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(1), dim3(kThreads), arguments, 0, nullptr);
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  // A tool may stop the kernel: that is no reason to end differently.
  std::printf("%s\n", cudaGetErrorString(error));
  return 0;
}

}  // namespace

}  // namespace margincore::cuda

int main(int count, char** arguments) {
  const auto kernel = count == 2 ? margincore::cuda::kernel_of(arguments[1]) : nullptr;
  if (kernel == nullptr) return std::fprintf(stderr, "unknown fault\n"), 2;
  return margincore::cuda::run(kernel);
}
