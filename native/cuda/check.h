// Every call of a CUDA library is checked; a failure names the call, the place, and what the library says.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <string>

#include "base/error.h"

namespace margincore::cuda {

[[noreturn]] inline void fail(ErrorCode code, const char* call, const char* file, int line, const char* name,
                              const char* text) {
  throw Error(code, std::string(call) + " failed: " + name + ": " + text + " (" + file + ":" + std::to_string(line) + ")");
}

inline void check(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  const bool memory = error == cudaErrorMemoryAllocation;
  fail(memory ? ErrorCode::OutOfMemory : ErrorCode::Internal, call, file, line, cudaGetErrorName(error),
       cudaGetErrorString(error));
}

inline void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  fail(memory ? ErrorCode::OutOfMemory : ErrorCode::Internal, call, file, line, "cuBLAS",
       cublasGetStatusString(status));
}

inline void check(cudnnStatus_t status, const char* call, const char* file, int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const bool memory = status == CUDNN_STATUS_ALLOC_FAILED;
  fail(memory ? ErrorCode::OutOfMemory : ErrorCode::Internal, call, file, line, "cuDNN", cudnnGetErrorString(status));
}

}  // namespace margincore::cuda

#define MARGINCORE_CHECK(call) ::margincore::cuda::check((call), #call, __FILE__, __LINE__)
