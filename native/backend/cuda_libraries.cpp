#include "backend/cuda_libraries.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

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
constexpr const char* kNeeded[] = {"libcublas.so.13", "libcudnn.so.9"};

std::vector<fs::path> entries(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().filename().string().rfind(prefix, 0) == 0) found.push_back(entry.path());
  std::sort(found.rbegin(), found.rend());  // later versions first
  return found;
}

/// Folders that together may hold the libraries: a toolkit's, or those of the wheels in one nvidia/ folder.
using Place = std::vector<fs::path>;

Place toolkit(const fs::path& root) { return {root / "lib64", root / "lib", root / "lib/x86_64-linux-gnu", root}; }

Place wheels(const fs::path& nvidia) {
  Place folders;
  for (const fs::path& package : entries(nvidia, "")) folders.push_back(package / "lib");
  return folders;
}

std::vector<Place> places() {
  std::vector<Place> all;
  const auto add_python = [&](const fs::path& prefix) {
    for (const fs::path& python : entries(prefix / "lib", "python3"))
      for (const char* packages : {"site-packages", "dist-packages"})
        all.push_back(wheels(python / packages / "nvidia"));
  };
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  if (const fs::path chosen = variable("MARGINCORE_CUDA_PATH"); !chosen.empty()) {
    Place both = toolkit(chosen), nvidia = wheels(chosen / "nvidia"), inside = wheels(chosen);
    both.insert(both.end(), nvidia.begin(), nvidia.end());
    both.insert(both.end(), inside.begin(), inside.end());
    return {both};  // what the user names is taken, or nothing
  }
  for (const fs::path& root : entries("/usr/local", "cuda")) all.push_back(toolkit(root));
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (!variable(name).empty()) add_python(variable(name));
  add_python(fs::path(".venv"));
  add_python("/usr/local");
  add_python("/usr");
  if (!variable("HOME").empty()) add_python(variable("HOME") / ".local");
  return all;
}

fs::path find(const Place& place, const char* library) {
  std::error_code ignored;
  for (const fs::path& folder : place)
    if (fs::exists(folder / library, ignored)) return folder / library;
  return {};
}

bool is_complete(const Place& place) {
  return std::all_of(std::begin(kNeeded), std::end(kNeeded),
                     [&](const char* library) { return !find(place, library).empty(); });
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
  const bool chosen = std::getenv("MARGINCORE_CUDA_PATH") != nullptr;
  if (!chosen && loads_by_name()) return {true, "cuBLAS and cuDNN from the loader's path"};
  std::string searched = chosen ? "" : "the loader's path";
  for (const Place& place : places()) {
    for (const fs::path& folder : place) searched += (searched.empty() ? "" : ", ") + folder.string();
    if (!is_complete(place)) continue;
    for (const char* library : kLibraries) {
      const fs::path path = find(place, library);
      if (!path.empty() && dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr)
        return {false, std::string(dlerror()) + " (found, but it does not load)"};
    }
    return {true, "cuBLAS and cuDNN from " + find(place, kNeeded[1]).parent_path().string()};
  }
  return {false, std::string("looked for ") + kNeeded[0] + " and " + kNeeded[1] + " in " + searched +
                     "; MARGINCORE_CUDA_PATH names another folder"};
}

}  // namespace margincore
