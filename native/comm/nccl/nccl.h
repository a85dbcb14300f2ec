// The part of NCCL's interface that is used, by its public documentation: its library is opened at run time, and nothing of
// it needs to be there to build. Values and types are those of NCCL 2 since 2.10, which its binary interface keeps;
// scripts/compare-cuda-headers.mjs reads this line by line and compares everything declared with the real nccl.h.
#pragma once

#include <cstddef>

#ifndef NCCL_API
#define NCCL_API extern "C"
#endif

struct CUstream_st;
using cudaStream_t = CUstream_st*;

struct ncclComm;
using ncclComm_t = ncclComm*;

struct ncclUniqueId {
  char internal[128];
};

enum ncclResult_t {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7,
};

enum ncclRedOp_t {
  ncclSum = 0,
  ncclMax = 2,
};

enum ncclDataType_t {
  ncclInt8 = 0,
  ncclFloat32 = 7,
  ncclBfloat16 = 9,
};

NCCL_API ncclResult_t ncclGetVersion(int* version);
NCCL_API const char* ncclGetErrorString(ncclResult_t result);
NCCL_API const char* ncclGetLastError(ncclComm_t comm);

NCCL_API ncclResult_t ncclGetUniqueId(ncclUniqueId* id);
NCCL_API ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank);
NCCL_API ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error);
NCCL_API ncclResult_t ncclCommDestroy(ncclComm_t comm);
NCCL_API ncclResult_t ncclCommAbort(ncclComm_t comm);

NCCL_API ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                                    ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream);
NCCL_API ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                                 ncclRedOp_t operation, int root, ncclComm_t comm, cudaStream_t stream);
NCCL_API ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t received, ncclDataType_t type,
                                        ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream);
NCCL_API ncclResult_t ncclAllGather(const void* send, void* receive, size_t sent, ncclDataType_t type, ncclComm_t comm,
                                    cudaStream_t stream);
NCCL_API ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root,
                                    ncclComm_t comm, cudaStream_t stream);
NCCL_API ncclResult_t ncclGroupStart();
NCCL_API ncclResult_t ncclGroupEnd();
