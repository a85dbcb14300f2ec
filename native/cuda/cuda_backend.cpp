#include "cuda/cuda_backend.h"

#include <cstdio>

#include "cuda/kernels/kernels.h"

#ifndef MARGINCORE_CUDA_ARCHITECTURES
#define MARGINCORE_CUDA_ARCHITECTURES "a simulated device"
#endif

namespace margincore {

namespace {

/// Makes the device, which is there, this thread's: a Backend is used by one thread.
BackendInfo selected(const BackendInfo& info, int32_t index) {
  MARGINCORE_CHECK(cudaSetDevice(index));
  return info;
}

/// Throws where this build has no code for the card, whose kernels would fail one by one.
void expect_kernels(const BackendInfo& card) {
  const cudaError_t error = cuda::probe_kernels();
  if (error == cudaSuccess) return;
  throw Error(ErrorCode::DeviceUnavailable,
              format("%s: this build has no code for %s, only for %s: %s", card.device, card.description,
                     MARGINCORE_CUDA_ARCHITECTURES, cudaGetErrorString(error)));
}

/// The major version of cuDNN is in its file name, that of the CUDA it was built for is not: one for CUDA 12 loads too.
void require_cudnn_for_this_cuda() {
  const size_t version = cudnnGetVersion(), cuda = cudnnGetCudartVersion() / 1000, needed = CUDART_VERSION / 1000;
  if (cuda == needed) return;
  throw Error(ErrorCode::DeviceUnavailable,
              format("cuDNN %zu.%zu was found, built for CUDA %zu: one for CUDA %zu is needed", version / 10000,
                     version % 10000 / 100, cuda, needed));
}

}  // namespace

BackendInfo describe_device(int32_t index) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    cudaGetLastError();  // not to be met again by a later call
    throw Error(ErrorCode::DeviceUnavailable, cudaGetErrorString(error));
  }
  if (index < 0 || index >= count)
    throw Error(ErrorCode::DeviceUnavailable,
                format("cuda:%d: this machine has %d CUDA device%s", index, count, count == 1 ? "" : "s"));
  require_cudnn_for_this_cuda();
  cudaDeviceProp card;
  MARGINCORE_CHECK(cudaGetDeviceProperties(&card, index));
  int driver = 0, runtime = 0;
  MARGINCORE_CHECK(cudaDriverGetVersion(&driver));
  MARGINCORE_CHECK(cudaRuntimeGetVersion(&runtime));
  BackendInfo info{};
  std::snprintf(info.device, sizeof info.device, "cuda:%d", index);
  std::snprintf(info.version, sizeof info.version, "CUDA %d.%d (driver %d.%d), cuDNN %zu.%zu", runtime / 1000,
                runtime % 1000 / 10, driver / 1000, driver % 1000 / 10, cudnnGetVersion() / 10000,
                cudnnGetVersion() % 10000 / 100);
  std::snprintf(info.description, sizeof info.description, "%.90s, compute capability %d.%d", card.name, card.major,
                card.minor);
  info.bf16 = card.major >= 8;
  info.bf16_gradients = info.bf16;  // cuDNN gives a weight's gradient in the type of its operands
  info.relu_masks = 1;
  info.devices = count;
  info.workspace = 2 * kMaxConvolutionWorkspace + kMatmulWorkspace;  // of two streams
#if defined(MARGINCORE_CUDA_SIM)
  info.simulated = 1;
#endif
  return info;
}

CudaBackend::CudaBackend(const BackendOptions& options)
    : device_(options.device_index),
      info_(selected(describe_device(options.device_index), options.device_index)),
      workspace_(stream_),
      counters_(stream_),
      uploads_(stream_),
      feed_(stream_),
      convolutions_(stream_, workspace_, options, info_),
      matmul_(stream_, options),
      side_(stream_),
      side_workspace_(side_),
      exchanges_(stream_),
      filter_gradients_(side_, side_workspace_, options, info_) {
  info_.searches = options.deterministic == 0;
  expect_kernels(info_);
  if (options.precision != Precision::Fp32 && !info_.bf16)
    throw Error(ErrorCode::Unsupported,
                format("precision %s needs compute capability 8.0 or newer: %s is %s",
                       options.precision == Precision::Bf16 ? "bf16" : "tf32", info_.device, info_.description));
}

CudaBackend::~CudaBackend() { cudaStreamSynchronize(stream_); }

}  // namespace margincore
