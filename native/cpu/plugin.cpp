// The entry symbol of libmargincore_cpu.so: everything else in it is hidden.
#include <new>

#include "cpu/cpu_backend.h"
#include "cpu/onednn.h"

namespace margincore {

namespace {

Status probe(BackendInfo* info, int32_t) {
  *info = CpuBackend::describe(0);  // how many threads it would have is for the host to say
  return Status::success();
}

Status create(Backend** backend, const BackendOptions* options) {
  return onednn::guarded("cpu", [&] { *backend = new CpuBackend(*options); });
}

}  // namespace

}  // namespace margincore

extern "C" [[gnu::visibility("default")]] const margincore::Plugin* margincore_plugin() {
  static const margincore::Plugin plugin = {.abi_version = margincore::kBackendAbiVersion,
                                            .name = "cpu",
                                            .probe = margincore::probe,
                                            .create = margincore::create};
  return &plugin;
}
