// The subset of the CUDA runtime that the CUDA backend calls: devices, kernel launches, errors.
#include <cstdio>

#include "grid.h"
#include "memory.h"
#include "runtime.h"
#include "streams.h"

namespace margincore::cuda_sim {
namespace {

void require_device_number(int device) {
  if (settings().devices == 0) refuse(cudaErrorNoDevice, "MARGINCORE_SIM_DEVICES=0");
  if (device < 0 || device >= settings().devices)
    refuse(cudaErrorInvalidDevice, format("device %d of %d", device, settings().devices));
}

}  // namespace

void queue(Launch launch, cudaStream_t stream) {
  runtime("cudaLaunchKernel", [&] {
    const char* name = launch.kernel;
    if (launch.blocks < 1 || launch.blocks > kMaxBlocks || launch.threads < 1 || launch.threads > kMaxThreads)
      refuse(cudaErrorInvalidConfiguration,
             format("%s: %lld blocks of %lld threads", name, static_cast<long long>(launch.blocks),
                    static_cast<long long>(launch.threads)));
    for (const void* pointer : launch.pointers)
      if (!is_in(Memory::Device, pointer, 0) && !is_in(Memory::Pinned, pointer, 0))
        return break_device(format("kernel %s: its argument %p is not an address of the device", name, pointer));
    enqueue(stream, {TaskKind::Kernel, name, 0, false, [launch = std::move(launch)] { run(launch); }});
  });
}

}  // namespace margincore::cuda_sim

using namespace margincore::cuda_sim;
using margincore::format;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  return runtime(__func__, [&] {
    require(count);
    *count = settings().devices;
    if (settings().devices == 0) refuse(cudaErrorNoDevice, "MARGINCORE_SIM_DEVICES=0");
  });
}

cudaError_t cudaSetDevice(int device) {
  return runtime(__func__, [&] {
    require_device_number(device);
    current_device() = device;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return runtime(__func__, [&] {
    require(attributes);
    require(function);
    if (settings().capability < 75) refuse(cudaErrorNoKernelImageForDevice, "kernels are for 7.5 and newer");
    *attributes = {};
  });
}

cudaError_t cudaGetDevice(int* device) {
  return runtime(__func__, [&] {
    require(device);
    require_device_number(0);
    *device = current_device();
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return runtime(__func__, [&] {
    require(properties);
    require_device_number(device);
    *properties = {};
    std::snprintf(properties->name, sizeof properties->name, "simulated device");
    properties->major = settings().capability / 10;
    properties->minor = settings().capability % 10;
    properties->totalGlobalMem = settings().memory;
    properties->warpSize = kWarp;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  return runtime(__func__, [&] {
    require(version);
    *version = CUDART_VERSION;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return runtime(__func__, [&] {
    require(version);
    *version = CUDART_VERSION;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return runtime(__func__, [&] {
    refuse_while_capturing(true);
    synchronize(finish_all);
  });
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(mutex());
  return device_broken() ? cudaErrorLaunchFailure : last_error;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

const char* cudaGetErrorName(cudaError_t error) {
#define NAME(code) \
  case code: return #code
  switch (error) {
    NAME(cudaSuccess);
    NAME(cudaErrorInvalidValue);
    NAME(cudaErrorMemoryAllocation);
    NAME(cudaErrorInvalidConfiguration);
    NAME(cudaErrorInvalidDevice);
    NAME(cudaErrorNoDevice);
    NAME(cudaErrorInvalidResourceHandle);
    NAME(cudaErrorIllegalState);
    NAME(cudaErrorNotReady);
    NAME(cudaErrorLaunchFailure);
    NAME(cudaErrorStreamCaptureUnsupported);
    NAME(cudaErrorStreamCaptureInvalidated);
    NAME(cudaErrorStreamCaptureIsolation);
    NAME(cudaErrorStreamCaptureWrongThread);
    NAME(cudaErrorCapturedEvent);
    default: return "unrecognized error code";
  }
#undef NAME
}

/// CUDA's are sentences; the name says as much.
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

}  // extern "C"
