// NCCL's functions, of a library that is opened at run time.
#pragma once

#include <string>

#include "comm/nccl/nccl.h"

namespace margincore {

struct NcclFunctions {
  decltype(&::ncclGetVersion) get_version;
  decltype(&::ncclGetErrorString) get_error_string;
  decltype(&::ncclGetUniqueId) get_unique_id;
  decltype(&::ncclCommInitRank) init_rank;
  decltype(&::ncclCommGetAsyncError) get_async_error;
  decltype(&::ncclCommDestroy) destroy;
  decltype(&::ncclCommAbort) abort;
  decltype(&::ncclAllReduce) all_reduce;
  decltype(&::ncclReduce) reduce;
  decltype(&::ncclReduceScatter) reduce_scatter;
  decltype(&::ncclAllGather) all_gather;
  decltype(&::ncclBroadcast) broadcast;
  decltype(&::ncclGroupStart) group_start;
  decltype(&::ncclGroupEnd) group_end;
  decltype(&::ncclGetLastError) get_last_error;  // null before NCCL 2.13
};

struct NcclLibrary {
  bool loaded = false;
  NcclFunctions functions{};
  std::string version;  // "NCCL 2.30.7"
  std::string text;     // its path; otherwise why there is none, and how to get it
};

/// Looked for once in a process's life: where MARGINCORE_NCCL_PATH says, a folder or the library itself; else by its name, and
/// then where toolkits and Python's wheels have it.
const NcclLibrary& nccl_library();

}  // namespace margincore
