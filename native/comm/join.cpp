#include "comm/join.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "base/open_library.h"
#include "base/plugin_path.h"

namespace margincore {

namespace {

struct Engine {
  const char* name;
  const char* library;  // whose symbols the plugin finds: it is not linked with it, for there are several of that name
};

constexpr Engine kEngines[] = {{"openmpi", "libmpi.so.40"}, {"mpich", "libmpich.so.12"}};

struct Joined {
  std::string engine;
  Communicator* communicator;
};

std::mutex joining;
Joined joined;  // guarded by `joining`

const Engine& engine_named(const std::string& name) {
  for (const Engine& engine : kEngines)
    if (engine.name == name) return engine;
  throw Error(ErrorCode::InvalidOption, "expected openmpi or mpich but received " + name);
}

/// Read by libraries while they are loaded or started.
void prepare_variables() {
  // UCX, below MPICH, would take the signal that an access beyond WebAssembly's memory is told by.
  setenv("UCX_ERROR_SIGNALS", "", 0);
  // It would rewrite brk and munmap where they lie, while other threads allocate: seen to take away memory that is in use.
  setenv("UCX_MEM_EVENTS", "no", 0);
  // Of a process that starts others.
  setenv("RDMAV_FORK_SAFE", "1", 0);
  setenv("FI_EFA_FORK_SAFE", "1", 0);
}

const CommunicatorPlugin& load(const Engine& engine) {
  const std::string path = plugin_path(engine.name).string();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    throw Error(ErrorCode::Unsupported, "this build has no plugin for " + std::string(engine.name) + " (there is no " +
                                            path + "): it is built where that one's mpi.h is");
  prepare_variables();
  // Open MPI's own plugins look for its symbols among the global ones.
  if (dlopen(engine.library, RTLD_NOW | RTLD_GLOBAL) == nullptr)
    throw Error(ErrorCode::Unsupported, std::string(engine.name) + ": " + dlerror());
  const auto [plugin, reason] = open_library(path, RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) throw Error(ErrorCode::Unsupported, std::string(engine.name) + ": " + reason);
  const auto entry = reinterpret_cast<CommunicatorEntry>(dlsym(plugin, kCommunicatorEntryName));
  if (entry == nullptr)
    throw Error(ErrorCode::Unsupported, path + " is no engine of margincore: it exports no " + kCommunicatorEntryName);
  const CommunicatorPlugin* found = entry();
  if (found->abi_version != kCommunicatorAbiVersion)
    throw Error(ErrorCode::Unsupported, format("%s has version %d, this build of margincore needs %d", path.c_str(),
                                               found->abi_version, kCommunicatorAbiVersion));
  return *found;
}

}  // namespace

Communicator& join_ranks(const std::string& name, const CommunicatorOptions& options) {
  const std::lock_guard lock(joining);
  if (joined.communicator == nullptr) {
    const Engine& engine = engine_named(name);
    check(load(engine).join(&joined.communicator, &options));
    joined.engine = name;
  }
  if (joined.engine != name)
    throw Error(ErrorCode::InvalidOption, "this process has joined others by " + joined.engine + " already");
  return *joined.communicator;
}

Communicator* joined_ranks() {
  const std::lock_guard lock(joining);
  return joined.communicator;
}

}  // namespace margincore
