#include "addon/search_object.h"

#include "addon/convert.h"
#include "addon/guard.h"
#include "addon/requests.h"
#include "addon/results.h"

namespace margincore {

Napi::Function SearchObject::define(Napi::Env env) {
  return DefineClass(env, "SearchIndex",
                     {InstanceMethod<&SearchObject::add>("add"), InstanceMethod<&SearchObject::remove>("remove"),
                      InstanceMethod<&SearchObject::read>("read"), InstanceMethod<&SearchObject::search>("search"),
                      InstanceMethod<&SearchObject::dispose>("dispose")});
}

SearchObject::SearchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SearchObject>(info) {
  guarded(info.Env(), [&] {
    const Napi::Object config = object_argument(info, 0);
    index_ = std::make_shared<std::unique_ptr<SearchIndex>>(std::make_unique<SearchIndex>(
        to_text(config, "backend"), to_backend_options(config), to_integer(config, "size")));
    worker_ = Worker::create(info.Env());
    worker_->on_stop([this] { *cancelled_ = true; });
    return info.Env().Undefined();
  });
}

SearchObject::~SearchObject() { stop(); }

void SearchObject::stop() {
  // Device memory is released on the thread that used it.
  if (worker_) worker_->stop([index = index_] { index->reset(); });
}

Napi::Value SearchObject::run(Napi::Env env, std::function<Worker::Result(SearchIndex&)> work) {
  if (worker_->stopped()) throw Error(ErrorCode::Disposed, "the index was disposed");
  return worker_->run(env, [index = index_, work = std::move(work)] { return work(**index); });
}

Napi::Value SearchObject::add(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto rows = std::make_shared<const std::vector<float>>(to_floats(info[0], "embeddings"));
    return run(info.Env(), [rows, number = index_argument(info, 1)](SearchIndex& index) -> Worker::Result {
      index.add(*rows, number);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SearchObject::remove(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run(info.Env(), [rows = to_ints(info[0], "rows")](SearchIndex& index) -> Worker::Result {
      index.remove(rows);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SearchObject::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run(
        info.Env(),
        [first = index_argument(info, 0), count = index_argument(info, 1)](SearchIndex& index) -> Worker::Result {
          const auto rows = std::make_shared<std::vector<float>>(index.read(first, count));
          return [rows](Napi::Env env) { return from_floats(env, std::move(*rows)); };
        });
  });
}

Napi::Value SearchObject::search(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto queries = std::make_shared<const std::vector<float>>(to_floats(info[0], "queries"));
    return run(info.Env(),
               [queries, number = index_argument(info, 1), top = index_argument(info, 2),
                cancelled = cancelled_](SearchIndex& index) -> Worker::Result {
                 const auto matches = std::make_shared<Matches>(index.search(*queries, number, top, *cancelled));
                 return [matches](Napi::Env env) {
                   Napi::Object result = Napi::Object::New(env);
                   Napi::Int32Array rows = Napi::Int32Array::New(env, matches->rows.size());
                   std::copy(matches->rows.begin(), matches->rows.end(), rows.Data());
                   result.Set("rows", rows);
                   result.Set("cosines", from_floats(env, std::move(matches->cosines)));
                   return result;
                 };
               });
  });
}

void SearchObject::dispose(const Napi::CallbackInfo&) { stop(); }

}  // namespace margincore
