// What margincore.node exports; lib/native/contract.ts has the types.
#include <napi.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include "addon/convert.h"
#include "addon/guard.h"
#include "addon/mapped_file_object.h"
#include "addon/ranks.h"
#include "addon/requests.h"
#include "addon/results.h"
#include "addon/search_object.h"
#include "addon/session_object.h"
#include "base/process_limits.h"
#include "data/permutation.h"

namespace margincore {

namespace {

Napi::Value from_backends(Napi::Env env, const std::vector<BackendAvailability>& backends) {
  Napi::Array list = Napi::Array::New(env);
  uint32_t index = 0;
  for (const BackendAvailability& backend : backends) {
    Napi::Object entry = from_device(env, backend.info);
    entry.Set("name", backend.name);
    entry.Set("available", backend.available);
    entry.Set("reason", backend.reason);
    entry.Set("path", backend.path);
    entry.Set("libraries", backend.libraries);
    entry.Set("devices", backend.info.devices);
    entry.Set("defaultThreads", backend.info.threads);
    list.Set(index++, entry);
  }
  return list;
}

Napi::Value list_backends(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return from_backends(info.Env(), find_backends()); });
}

/// Opening the CUDA libraries and the driver takes from half a second to several: not on the JavaScript thread.
Napi::Value look_for_backends(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int32_t device_index = info[0].ToNumber().Int32Value();
    Worker& worker = info.Env().GetInstanceData<WorkerRegistry>()->shared(info.Env());
    return worker.run(info.Env(), [device_index]() -> Worker::Result {
      return [found = find_backends(device_index)](Napi::Env env) { return from_backends(env, found); };
    });
  });
}

Napi::Value make_permutation(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t epoch = info[1].ToNumber().Int64Value(), count = info[2].ToNumber().Int64Value();
    if (epoch < 0 || count < 0 || count > INT32_MAX)
      throw Error(ErrorCode::InvalidOption, "native: expected an epoch and a count of at least 0");
    const std::vector<int32_t> order = permutation(to_seed(info[0]), static_cast<uint32_t>(epoch), count);
    Napi::Int32Array array = Napi::Int32Array::New(info.Env(), order.size());
    std::copy(order.begin(), order.end(), array.Data());
    return array;
  });
}

Napi::Value summarize(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    ParameterTable table;
    const Network network(to_network_spec(object_argument(info, 0)), table);
    return from_summary(info.Env(), network, table);
  });
}

Napi::Value run_head_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    // Class weights may be large: they are not copied again.
    const auto request = std::make_shared<const HeadLossRequest>(to_head_loss_request(object_argument(info, 0)));
    Worker& worker = info.Env().GetInstanceData<WorkerRegistry>()->shared(info.Env());
    return worker.run(info.Env(), [request]() -> Worker::Result {
      auto result = std::make_shared<HeadLossResult>(head_loss(*request));
      return [result, has_bias = request->head.bias](Napi::Env env) {
        return from_head_loss(env, std::move(*result), has_bias);
      };
    });
  });
}

Napi::Value make_changed_images(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto request =
        std::make_shared<const ChangedImagesRequest>(to_changed_images_request(object_argument(info, 0)));
    Worker& worker = info.Env().GetInstanceData<WorkerRegistry>()->shared(info.Env());
    return worker.run(info.Env(), [request]() -> Worker::Result {
      auto values = std::make_shared<std::vector<float>>(changed_images(*request));
      return [values](Napi::Env env) { return from_floats(env, std::move(*values)); };
    });
  });
}

/// Takes the lock of an open file for as long as that is open: whoever has it elsewhere, the answer is false at once.
Napi::Value lock_file(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int descriptor = static_cast<int>(index_argument(info, 0));
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
    if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
    throw Error(ErrorCode::Unsupported, std::string("this file system has no locks: ") + std::strerror(errno));
  });
}

Napi::Value process_limits(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const MemoryRoom room = memory_room();
    Napi::Object limits = Napi::Object::New(info.Env());
    limits.Set("freeBytes", static_cast<double>(room.bytes));
    limits.Set("memoryLimit", room.limit);
    limits.Set("processors", static_cast<double>(processors_at_start().size()));
    limits.Set("cores", usable_cores());
    return limits;
  });
}

/// Before the process ends: a thread that computes on while libraries destroy their globals would crash it.
Napi::Value stop_all(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    info.Env().GetInstanceData<WorkerRegistry>()->stop_all();
    return info.Env().Undefined();
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  prepare_environment();
  env.SetInstanceData(new WorkerRegistry(env));
  exports.Set("version", MARGINCORE_VERSION);
  exports.Set("backends", Napi::Function::New(env, list_backends, "backends"));
  exports.Set("findBackends", Napi::Function::New(env, look_for_backends, "findBackends"));
  exports.Set("permutation", Napi::Function::New(env, make_permutation, "permutation"));
  exports.Set("summarize", Napi::Function::New(env, summarize, "summarize"));
  exports.Set("lockFile", Napi::Function::New(env, lock_file, "lockFile"));
  exports.Set("headLoss", Napi::Function::New(env, run_head_loss, "headLoss"));
  exports.Set("changedImages", Napi::Function::New(env, make_changed_images, "changedImages"));
  exports.Set("processLimits", Napi::Function::New(env, process_limits, "processLimits"));
  exports.Set("stopAll", Napi::Function::New(env, stop_all, "stopAll"));
  export_ranks(env, exports);
  exports.Set("MappedFile", MappedFileObject::define(env));
  exports.Set("Session", SessionObject::define(env));
  exports.Set("SearchIndex", SearchObject::define(env));
  return exports;
}

}  // namespace

}  // namespace margincore

using margincore::initialize;
NODE_API_MODULE(margincore, initialize)
