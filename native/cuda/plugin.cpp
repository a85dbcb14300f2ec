// The entry symbol of libmargincore_cuda.so: everything else in it is hidden.
#include "cuda/cuda_backend.h"
#include "cuda/guard.h"

namespace margincore {

namespace {

Status probe(BackendInfo* info, int32_t device_index) {
  return cuda::guarded("cuda", [&] { *info = describe_device(device_index); });
}

Status create(Backend** backend, const BackendOptions* options) {
  return cuda::guarded("cuda", [&] { *backend = new CudaBackend(*options); });
}

}  // namespace

}  // namespace margincore

extern "C" [[gnu::visibility("default")]] const margincore::Plugin* margincore_plugin() {
  static const margincore::Plugin plugin = {.abi_version = margincore::kBackendAbiVersion,
                                            .name = "cuda",
                                            .probe = margincore::probe,
                                            .create = margincore::create};
  return &plugin;
}
