#include "backend/load.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "backend/cuda_libraries.h"
#include "base/open_library.h"
#include "base/plugin_path.h"
#include "base/process_limits.h"

namespace margincore {

namespace {

constexpr const char* kKnownBackends[] = {"cuda", "cpu"};

struct LoadedPlugin {
  const Plugin* plugin = nullptr;
  std::string path;
  std::string reason;
  CudaLibraries libraries;
};

/// The CPU plugin's $ORIGIN finds the libraries that are shipped beside it, but does not hold for what these need in
/// turn: libdnnl needs libOpenCL too. Loaded first, it is found; where it is not shipped, the system has it.
/// Why one of these cannot be: the loader would come to it by itself.
std::string load_shipped_libraries(const std::filesystem::path& folder) {
  for (const char* name : {"libOpenCL.so.1", "libdnnl.so.2", "libgomp.so.1"})
    if (std::string reason = cut_off(folder / name); !reason.empty()) return reason;
  constexpr const char* kNeededByOthers = "libOpenCL.so.1";
  if (dlopen(kNeededByOthers, RTLD_LAZY | RTLD_NOLOAD) == nullptr)
    open_library(folder / kNeededByOthers, RTLD_NOW | RTLD_LOCAL);
  return "";
}

LoadedPlugin open_plugin(const std::string& name) {
  LoadedPlugin loaded;
  const std::filesystem::path path = plugin_path(name);
  loaded.path = path.string();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    loaded.reason = "this build has no " + name + " backend (there is no " + loaded.path + ")";
    return loaded;
  }
  prepare_environment();
  if (name == "cpu") loaded.reason = load_shipped_libraries(path.parent_path());
  if (!loaded.reason.empty()) return loaded;
  if (name == "cuda") loaded.libraries = load_cuda_libraries();
  // Never closed: libraries with threads of their own (OpenMP, CUDA) do not survive being unloaded.
  const auto [library, reason] = open_library(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    loaded.reason = reason;
    if (!loaded.libraries.text.empty()) loaded.reason += " (" + loaded.libraries.text + ")";
    return loaded;
  }
  const auto entry = reinterpret_cast<PluginEntry>(dlsym(library, kPluginEntryName));
  if (entry == nullptr) {
    loaded.reason = loaded.path + " is no margincore plugin: it exports no " + kPluginEntryName;
    return loaded;
  }
  const Plugin* plugin = entry();
  if (plugin->abi_version != kBackendAbiVersion) {
    loaded.reason = format("%s has plugin version %d, this build of margincore needs %d", loaded.path.c_str(),
                           plugin->abi_version, kBackendAbiVersion);
    return loaded;
  }
  loaded.plugin = plugin;
  return loaded;
}

/// Each plugin is opened once per process; the answer, also a refusal, is kept with its path.
const LoadedPlugin& plugin(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, LoadedPlugin> plugins;
  const std::lock_guard lock(mutex);
  const std::string key = name + "|" + plugin_path(name).string();
  auto found = plugins.find(key);
  if (found == plugins.end()) found = plugins.emplace(key, open_plugin(name)).first;
  return found->second;
}

}  // namespace

/// The OpenMP runtime reads this once, while it is loaded, and may pin the thread that loads it. Its threads busy-wait at the end of every loop, by default
/// for so long that training beside one other busy process becomes twenty times slower; shorter waits cost little.
void prepare_environment() {
  processors_at_start();
  if (std::getenv("OMP_WAIT_POLICY") == nullptr && std::getenv("GOMP_SPINCOUNT") == nullptr)
    setenv("GOMP_SPINCOUNT", "10000", 0);
}

std::vector<BackendAvailability> find_backends(int device_index) {
  std::vector<BackendAvailability> result;
  for (const char* name : kKnownBackends) {
    const LoadedPlugin& loaded = plugin(name);
    BackendAvailability availability;
    availability.name = name;
    availability.path = loaded.path;
    availability.reason = loaded.reason;
    if (loaded.plugin != nullptr) {
      const Status status = loaded.plugin->probe(&availability.info, device_index);
      availability.available = status.ok();
      availability.reason = status.message;
      if (availability.info.host_memory != 0) availability.info.threads = usable_cores();
      if (loaded.libraries.loaded && !availability.info.simulated) availability.libraries = loaded.libraries.text;
    }
    result.push_back(std::move(availability));
  }
  return result;
}

BackendPtr open_backend(const std::string& name, const BackendOptions& options) {
  const LoadedPlugin& loaded = plugin(name);
  if (loaded.plugin == nullptr) throw Error(ErrorCode::DeviceUnavailable, "device " + name + ": " + loaded.reason);
  // Not the plugin's to find out: by then its OpenMP may have pinned the thread that asks.
  BackendOptions decided = options;
  if (decided.threads == 0) decided.threads = usable_cores();
  Backend* backend = nullptr;
  check(loaded.plugin->create(&backend, &decided));
  return BackendPtr(backend);
}

}  // namespace margincore
