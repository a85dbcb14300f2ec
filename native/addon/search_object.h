// The JavaScript class SearchIndex: embeddings to search among, on a worker of its own.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "addon/worker.h"
#include "search/search_index.h"

namespace margincore {

class SearchObject : public Napi::ObjectWrap<SearchObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit SearchObject(const Napi::CallbackInfo& info);
  ~SearchObject() override;

 private:
  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value search(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  /// Refuses once disposed, otherwise queues the work.
  Napi::Value run(Napi::Env env, std::function<Worker::Result(SearchIndex&)> work);
  void stop();

  std::shared_ptr<std::unique_ptr<SearchIndex>> index_;
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<Worker> worker_;
};

}  // namespace margincore
