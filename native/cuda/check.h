// Every call of a CUDA library is checked; a failure names the call, the place, and what the library says.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace margincore::cuda {

/// MARGINCORE_CUDA_SYNC=1: each kernel and library call is waited for, so that an error names the one that caused it.
/// Slow; no step is recorded then.
inline bool waits_for_each_call() {
  static const bool value = [] {
    const char* text = std::getenv("MARGINCORE_CUDA_SYNC");
    return text != nullptr && std::strcmp(text, "1") == 0;
  }();
  return value;
}

[[noreturn]] inline void fail(ErrorCode code, const char* call, const char* file, int line, const char* name,
                              const std::string& text) {
  std::string what = call;
  if (what.front() == '(') what = what.substr(1, what.size() - 2);  // a macro's argument that has commas
  throw Error(code, what + " failed: " + name + ": " + text + " (" + file + ":" + std::to_string(line) + ")");
}

/// What was queued runs later: its failure is answered by whatever is called next, and by everything after that.
inline std::string advice(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorMisalignedAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorAssert:
      return waits_for_each_call() ? "; this process cannot use the device any more"
                                   : "; this process cannot use the device any more, and MARGINCORE_CUDA_SYNC=1 names "
                                     "the kernel that fails";
    default: return "";
  }
}

inline void check(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  const bool memory = error == cudaErrorMemoryAllocation;
  if (memory) cudaGetLastError();  // not to be met again by a later call
  fail(memory ? ErrorCode::OutOfMemory : ErrorCode::Internal, call, file, line, cudaGetErrorName(error),
       cudaGetErrorString(error) + advice(error));
}

inline void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  fail(memory ? ErrorCode::OutOfMemory : ErrorCode::Internal, call, file, line, "cuBLAS",
       cublasGetStatusString(status));
}

inline bool lacks_memory(cudnnStatus_t status) {
  return status == CUDNN_STATUS_ALLOC_FAILED || status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
}

inline void check(cudnnStatus_t status, const char* call, const char* file, int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char reason[256] = "";
  cudnnGetLastErrorString(reason, sizeof reason);
  fail(lacks_memory(status) ? ErrorCode::OutOfMemory : ErrorCode::Internal, call, file, line, "cuDNN",
       std::string(cudnnGetErrorString(status)) + (reason[0] != '\0' ? std::string(": ") + reason : ""));
}

/// A library that finds no memory for itself only says that it is not initialized.
template <class LibraryStatus>
void check_created(LibraryStatus status, LibraryStatus not_initialized, const char* call, const char* file, int line) {
  constexpr size_t kOwnNeed = size_t{256} << 20;
  size_t free = 0, total = 0;
  if (status == not_initialized && cudaMemGetInfo(&free, &total) == cudaSuccess && free < kOwnNeed)
    fail(ErrorCode::OutOfMemory, call, file, line, "not initialized", std::to_string(free >> 20) + " MiB are free");
  check(status, call, file, line);
}
inline void check_created(cublasStatus_t status, const char* call, const char* file, int line) {
  check_created(status, CUBLAS_STATUS_NOT_INITIALIZED, call, file, line);
}
inline void check_created(cudnnStatus_t status, const char* call, const char* file, int line) {
  check_created(status, CUDNN_STATUS_NOT_INITIALIZED, call, file, line);
}

/// After a kernel or a library call was queued.
inline void check_queued(const char* call, cudaStream_t stream, const char* file, int line) {
  check(cudaGetLastError(), call, file, line);
  if (waits_for_each_call()) check(cudaStreamSynchronize(stream), call, file, line);
}

}  // namespace margincore::cuda

#define MARGINCORE_CHECK(call) ::margincore::cuda::check((call), #call, __FILE__, __LINE__)

/// The creation of a library's handle.
#define MARGINCORE_CREATE(call) ::margincore::cuda::check_created((call), #call, __FILE__, __LINE__)

/// A library call that queues work on a stream.
#define MARGINCORE_QUEUE(stream, function, ...)                                      \
  do {                                                                               \
    ::margincore::cuda::check(function(__VA_ARGS__), #function, __FILE__, __LINE__); \
    ::margincore::cuda::check_queued(#function, stream, __FILE__, __LINE__);         \
  } while (false)
