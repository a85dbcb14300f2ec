#include "card_memory.h"

#include <dlfcn.h>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace margincore::jobs {

/// The part of libcuda.so that is needed, by its exported names, so that this program needs none of NVIDIA's headers.
struct CardMemory::Driver {
  using Context = struct Opaque*;
  int (*init)(unsigned flags);
  int (*device_get)(int* device, int index);
  int (*retain)(Context* context, int device);
  int (*release)(int device);
  int (*push)(Context context);
  int (*pop)(Context* context);
  int (*memory)(size_t* free, size_t* total);
  int device = 0;
  Context context = nullptr;

  bool load() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    const auto find = [library](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    return library != nullptr && find(init, "cuInit") && find(device_get, "cuDeviceGet") &&
           find(retain, "cuDevicePrimaryCtxRetain") && find(release, "cuDevicePrimaryCtxRelease_v2") &&
           find(push, "cuCtxPushCurrent_v2") && find(pop, "cuCtxPopCurrent_v2") && find(memory, "cuMemGetInfo_v2");
  }
};

CardMemory::CardMemory(int32_t device_index) {
  auto driver = std::make_unique<Driver>();
  if (!driver->load() || driver->init(0) != 0 || driver->device_get(&driver->device, device_index) != 0) return;
  if (driver->retain(&driver->context, driver->device) == 0) driver_ = std::move(driver);
}

CardMemory::~CardMemory() {
  if (driver_) driver_->release(driver_->device);
}

std::optional<int64_t> CardMemory::used_bytes() const {
  if (!driver_ || driver_->push(driver_->context) != 0) return std::nullopt;
  size_t free = 0, total = 0;
  const int status = driver_->memory(&free, &total);
  Driver::Context popped = nullptr;
  driver_->pop(&popped);
  if (status != 0) return std::nullopt;
  return static_cast<int64_t>(total - free);
}

}  // namespace margincore::jobs
