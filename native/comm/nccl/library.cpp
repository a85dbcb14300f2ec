#include "comm/nccl/library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/library_places.h"
#include "base/open_library.h"

namespace margincore {

namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "libnccl.so.2";
constexpr const char* kChosenBy = "MARGINCORE_NCCL_PATH";
constexpr int kOldest = 21000;  // the first whose operations may be recorded, and that adds up bf16
constexpr const char* kAdvice =
    "install it by python3 -m pip install nvidia-nccl-cu13 (nvidia-nccl-cu12 serves, too), or as libnccl2 from "
    "NVIDIA's "
    "package repository; MARGINCORE_NCCL_PATH names its folder";

constexpr int kFlags = RTLD_NOW | RTLD_LOCAL;

/// `text`: where it is; where it is nowhere, where it was looked for, and the reason is then empty.
OpenedLibrary find_nccl(std::string& text) {
  const char* chosen = std::getenv(kChosenBy);
  std::error_code ignored;
  if (chosen != nullptr && fs::is_regular_file(chosen, ignored)) {
    text = chosen;
    return open_library(chosen, kFlags);
  }
  if (chosen == nullptr) {
    if (void* library = dlopen(kName, kFlags)) {
      text = std::string(kName) + " from the loader's path";
      return {library, ""};
    }
    text = "the loader's path";
  }
  std::string searched = text;
  // First where the user says that cuDNN is, if so: wheels lie side by side.
  constexpr const char* kCudaPath = "MARGINCORE_CUDA_PATH";
  std::vector<const char*> variables = {kChosenBy};
  if (chosen == nullptr && std::getenv(kCudaPath) != nullptr) variables.insert(variables.begin(), kCudaPath);
  for (const char* variable : variables) {
    for (const LibraryPlace& place : library_places(variable)) {
      const fs::path path = find_library(place, kName);
      if (!path.empty()) {
        text = path.string();
        return open_library(path, kFlags);
      }
      for (const fs::path& folder : place) searched += (searched.empty() ? "" : ", ") + folder.string();
    }
  }
  text = std::string("looked for ") + kName + " in " + searched;
  return {nullptr, ""};
}

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/// Its first function that is missing, or null.
const char* find_functions(void* library, NcclFunctions& to) {
  find(library, "ncclGetLastError", to.get_last_error);
  const char* missing = nullptr;
  const auto need = [&](const char* name, auto& function) {
    if (!find(library, name, function) && missing == nullptr) missing = name;
  };
  need("ncclGetVersion", to.get_version);
  need("ncclGetErrorString", to.get_error_string);
  need("ncclGetUniqueId", to.get_unique_id);
  need("ncclCommInitRank", to.init_rank);
  need("ncclCommGetAsyncError", to.get_async_error);
  need("ncclCommDestroy", to.destroy);
  need("ncclCommAbort", to.abort);
  need("ncclAllReduce", to.all_reduce);
  need("ncclReduce", to.reduce);
  need("ncclReduceScatter", to.reduce_scatter);
  need("ncclAllGather", to.all_gather);
  need("ncclBroadcast", to.broadcast);
  need("ncclGroupStart", to.group_start);
  need("ncclGroupEnd", to.group_end);
  return missing;
}

NcclLibrary load() {
  NcclLibrary loaded;
  const auto [library, reason] = find_nccl(loaded.text);
  if (library == nullptr) {
    loaded.text += reason.empty() ? std::string(": ") + kAdvice : " does not load: " + reason;
    return loaded;
  }
  int version = 0;
  if (const char* missing = find_functions(library, loaded.functions)) {
    loaded.text += std::string(" is no NCCL that serves: it has no ") + missing;
  } else if (loaded.functions.get_version(&version) != ncclSuccess || version < kOldest) {
    loaded.text += format(" is too old (%d): NCCL 2.10 or newer is needed: %s", version, kAdvice);
  } else {
    loaded.version = format("NCCL %d.%d.%d", version / 10000, version % 10000 / 100, version % 100);
    loaded.loaded = true;
  }
  return loaded;
}

}  // namespace

const NcclLibrary& nccl_library() {
  static const NcclLibrary library = load();
  return library;
}

}  // namespace margincore
