// Finds and opens backends. A backend that is not there is an answer with a reason, not an error.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace margincore {

struct BackendAvailability {
  std::string name;
  bool available = false;
  std::string reason;     // why not
  std::string path;       // of the plugin
  std::string libraries;  // what it uses of the machine's own and from where, or ""
  BackendInfo info{};     // filled where available
};

struct BackendDeleter {
  void operator()(Backend* backend) const { backend->destroy(); }
};
using BackendPtr = std::unique_ptr<Backend, BackendDeleter>;

/// Sets variables that libraries read once, while they are loaded, and notes what these take away
/// (processors_at_start); to be called before other threads read any.
void prepare_environment();

/// Every backend that margincore knows, the preferred one first.
std::vector<BackendAvailability> find_backends(int device_index = 0);

/// Throws DeviceUnavailable with the reason where the backend cannot be had.
BackendPtr open_backend(const std::string& name, const BackendOptions& options);

}  // namespace margincore
