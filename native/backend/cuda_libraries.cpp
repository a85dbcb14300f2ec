#include "backend/cuda_libraries.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/library_places.h"
#include "base/open_library.h"

namespace margincore {

namespace {

namespace fs = std::filesystem;

/// In the order of dependency. cuDNN 9 opens its own parts by name; they are then found loaded.
constexpr const char* kLibraries[] = {"libcublasLt.so.13",
                                      "libcublas.so.13",
                                      "libcudnn_graph.so.9",
                                      "libcudnn_ops.so.9",
                                      "libcudnn_cnn.so.9",
                                      "libcudnn_engines_precompiled.so.9",
                                      "libcudnn_engines_runtime_compiled.so.9",
                                      "libcudnn_heuristic.so.9",
                                      "libcudnn.so.9"};
constexpr const char* kChosenBy = "MARGINCORE_CUDA_PATH";
constexpr const char* kNeeded[] = {"libcublas.so.13", "libcudnn.so.9"};

bool is_complete(const LibraryPlace& place) {
  return std::all_of(std::begin(kNeeded), std::end(kNeeded),
                     [&](const char* library) { return !find_library(place, library).empty(); });
}

/// Both, or none: one that stays loaded would be taken together with the other from elsewhere.
bool loads_by_name() {
  std::vector<void*> loaded;
  for (const char* library : kNeeded) {
    void* handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    if (handle == nullptr) {
      for (void* other : loaded) dlclose(other);
      return false;
    }
    loaded.push_back(handle);
  }
  return true;
}

}  // namespace

CudaLibraries load_cuda_libraries() {
  const bool chosen = std::getenv(kChosenBy) != nullptr;
  if (!chosen && loads_by_name()) return {true, "cuBLAS and cuDNN from the loader's path"};
  std::string searched = chosen ? "" : "the loader's path";
  for (const LibraryPlace& place : library_places(kChosenBy)) {
    for (const fs::path& folder : place) searched += (searched.empty() ? "" : ", ") + folder.string();
    if (!is_complete(place)) continue;
    for (const char* library : kLibraries) {
      const fs::path path = find_library(place, library);
      if (path.empty()) continue;
      const auto [handle, reason] = open_library(path, RTLD_NOW | RTLD_GLOBAL);
      if (handle == nullptr) return {false, reason + " (found, but it does not load)"};
    }
    return {true, "cuBLAS and cuDNN from " + find_library(place, kNeeded[1]).parent_path().string()};
  }
  return {false, std::string("looked for ") + kNeeded[0] + " and " + kNeeded[1] + " in " + searched +
                     "; MARGINCORE_CUDA_PATH names another folder"};
}

}  // namespace margincore
