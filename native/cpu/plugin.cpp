// The entry symbol of libmargincore_cpu.so: everything else in it is hidden.
#include <new>

#include "cpu/cpu_backend.h"
#include "cpu/machine.h"
#include "cpu/onednn.h"

namespace margincore {

namespace {

Status probe(BackendInfo* info, int32_t) {
  *info = {};
  std::snprintf(info->device, sizeof info->device, "cpu");
  std::snprintf(info->version, sizeof info->version, "%s", onednn::version().c_str());
  std::snprintf(info->description, sizeof info->description, "%s", choose_loops().instruction_set);
  info->threads = default_threads();
  return Status::success();
}

Status create(Backend** backend, const BackendOptions* options) {
  return onednn::guarded("cpu", [&] { *backend = new CpuBackend(*options); });
}

}  // namespace

}  // namespace margincore

extern "C" [[gnu::visibility("default")]] const margincore::Plugin* margincore_plugin() {
  static const margincore::Plugin plugin = {margincore::kBackendAbiVersion, "cpu", margincore::probe,
                                            margincore::create};
  return &plugin;
}
