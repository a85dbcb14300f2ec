// The part of the CUDA runtime's interface that the CUDA backend and the simulator use, by its public documentation:
// names, values and types of CUDA 13. scripts/compare-cuda-headers.mjs reads these headers line by line and compares
// everything they declare with the real ones.
#pragma once

#include <cstddef>

#ifndef CUDA_SIM_API
#define CUDA_SIM_API extern "C"
#endif

inline constexpr int CUDART_VERSION = 13000;

enum cudaError {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorIllegalState = 401,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchTimeout = 702,
  cudaErrorAssert = 710,
  cudaErrorHardwareStackError = 714,
  cudaErrorIllegalInstruction = 715,
  cudaErrorMisalignedAddress = 716,
  cudaErrorInvalidAddressSpace = 717,
  cudaErrorInvalidPc = 718,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureMerge = 902,
  cudaErrorStreamCaptureUnmatched = 903,
  cudaErrorStreamCaptureUnjoined = 904,
  cudaErrorStreamCaptureIsolation = 905,
  cudaErrorCapturedEvent = 907,
  cudaErrorStreamCaptureWrongThread = 908,
};
using cudaError_t = cudaError;

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4,
};

enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2,
};

enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2,
};

enum cudaDataType_t {
  CUDA_R_32F = 0,
  CUDA_R_16BF = 14,
};
using cudaDataType = cudaDataType_t;

inline constexpr unsigned cudaStreamDefault = 0;
inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0;
inline constexpr unsigned cudaEventDisableTiming = 2;
inline constexpr unsigned cudaHostAllocDefault = 0;

struct CUstream_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;
using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;

// Some of its members.
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int warpSize;
  int major;
  int minor;
};

// Some of its members.
struct cudaFuncAttributes {
  int numRegs;
};

CUDA_SIM_API cudaError_t cudaGetDeviceCount(int* count);
CUDA_SIM_API cudaError_t cudaGetDevice(int* device);
CUDA_SIM_API cudaError_t cudaSetDevice(int device);
CUDA_SIM_API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
CUDA_SIM_API cudaError_t cudaDriverGetVersion(int* version);
CUDA_SIM_API cudaError_t cudaRuntimeGetVersion(int* version);
CUDA_SIM_API cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function);
CUDA_SIM_API cudaError_t cudaDeviceSynchronize();
CUDA_SIM_API cudaError_t cudaGetLastError();
CUDA_SIM_API cudaError_t cudaPeekAtLastError();
CUDA_SIM_API const char* cudaGetErrorName(cudaError_t error);
CUDA_SIM_API const char* cudaGetErrorString(cudaError_t error);

CUDA_SIM_API cudaError_t cudaMalloc(void** memory, size_t bytes);
CUDA_SIM_API cudaError_t cudaFree(void* memory);
CUDA_SIM_API cudaError_t cudaMallocHost(void** memory, size_t bytes);
CUDA_SIM_API cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned flags);
CUDA_SIM_API cudaError_t cudaFreeHost(void* memory);
CUDA_SIM_API cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
CUDA_SIM_API cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
CUDA_SIM_API cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                         cudaStream_t stream);
CUDA_SIM_API cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream);

CUDA_SIM_API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
CUDA_SIM_API cudaError_t cudaStreamDestroy(cudaStream_t stream);
CUDA_SIM_API cudaError_t cudaStreamSynchronize(cudaStream_t stream);
CUDA_SIM_API cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
CUDA_SIM_API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
CUDA_SIM_API cudaError_t cudaEventDestroy(cudaEvent_t event);
CUDA_SIM_API cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
CUDA_SIM_API cudaError_t cudaEventSynchronize(cudaEvent_t event);
CUDA_SIM_API cudaError_t cudaEventQuery(cudaEvent_t event);
CUDA_SIM_API cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);

CUDA_SIM_API cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
CUDA_SIM_API cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
CUDA_SIM_API cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
CUDA_SIM_API cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags);
CUDA_SIM_API cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
CUDA_SIM_API cudaError_t cudaGraphDestroy(cudaGraph_t graph);
CUDA_SIM_API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
