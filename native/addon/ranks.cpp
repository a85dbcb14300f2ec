#include "addon/ranks.h"

#include <numeric>

#include "addon/convert.h"
#include "addon/guard.h"
#include "addon/worker.h"
#include "comm/device_exchange.h"
#include "comm/join.h"

namespace margincore {

namespace {

Worker& shared_worker(Napi::Env env) { return env.GetInstanceData<WorkerRegistry>()->shared(env); }

Communicator& expect_joined() {
  if (Communicator* ranks = joined_ranks()) return *ranks;
  throw Error(ErrorCode::Internal, "native: no other processes were joined");
}

Napi::Value from_ranks(Napi::Env env, const CommunicatorInfo& info) {
  Napi::Object ranks = Napi::Object::New(env);
  ranks.Set("engine", info.engine);
  ranks.Set("version", info.version);
  ranks.Set("host", info.host);
  ranks.Set("rank", info.rank);
  ranks.Set("size", info.size);
  return ranks;
}

std::vector<std::vector<uint8_t>> gather_bytes(Communicator& ranks, const std::vector<uint8_t>& own) {
  const auto [rank, size] = std::pair(ranks.info().rank, ranks.info().size);
  std::vector<int64_t> sizes(size), each(size, sizeof(int64_t));
  sizes[rank] = static_cast<int64_t>(own.size());
  check(ranks.all_gather(sizes.data(), each.data()));
  std::vector<uint8_t> whole(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}));
  std::copy(own.begin(), own.end(), whole.begin() + std::accumulate(sizes.begin(), sizes.begin() + rank, int64_t{0}));
  check(ranks.all_gather(whole.data(), sizes.data()));
  std::vector<std::vector<uint8_t>> parts;
  for (auto begin = whole.cbegin(); const int64_t count : sizes) {
    parts.emplace_back(begin, begin + count);
    begin += count;
  }
  return parts;
}

/// The others may come to it much later.
Napi::Value join(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object request = object_argument(info, 0);
    const std::string engine = to_text(request, "engine");
    const CommunicatorOptions options{static_cast<int32_t>(to_integer(request, "rank")),
                                      static_cast<int32_t>(to_integer(request, "size")),
                                      request.Get("timeoutSeconds").ToNumber().DoubleValue()};
    return shared_worker(info.Env()).run(info.Env(), [engine, options]() -> Worker::Result {
      const CommunicatorInfo joined = join_ranks(engine, options).info();
      return [joined](Napi::Env env) { return from_ranks(env, joined); };
    });
  });
}

/// A large library is opened for it: not on the JavaScript thread.
Napi::Value find_nccl(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return shared_worker(info.Env()).run(info.Env(), []() -> Worker::Result {
      return [found = find_device_engine()](Napi::Env env) {
        Napi::Object nccl = Napi::Object::New(env);
        nccl.Set("available", found.available);
        nccl.Set("version", found.version);
        nccl.Set("text", found.text);
        return nccl;
      };
    });
  });
}

/// Rank 0's bytes, of which all have so many.
Napi::Value broadcast(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto bytes = std::make_shared<std::vector<uint8_t>>(to_bytes(info[0], "bytes"));
    return shared_worker(info.Env()).run(info.Env(), [bytes]() -> Worker::Result {
      check(expect_joined().broadcast(bytes->data(), static_cast<int64_t>(bytes->size())));
      return [bytes](Napi::Env env) {
        Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes->size());
        std::copy(bytes->begin(), bytes->end(), array.Data());
        return array;
      };
    });
  });
}

/// Each rank's bytes, in the order of ranks, of which each gives as many as it has.
Napi::Value gather(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto bytes = std::make_shared<std::vector<uint8_t>>(to_bytes(info[0], "bytes"));
    return shared_worker(info.Env()).run(info.Env(), [bytes]() -> Worker::Result {
      const auto parts = std::make_shared<std::vector<std::vector<uint8_t>>>(gather_bytes(expect_joined(), *bytes));
      return [parts](Napi::Env env) {
        Napi::Array all = Napi::Array::New(env, parts->size());
        for (uint32_t rank = 0; rank < parts->size(); ++rank) {
          const std::vector<uint8_t>& part = (*parts)[rank];
          Napi::Uint8Array array = Napi::Uint8Array::New(env, part.size());
          std::copy(part.begin(), part.end(), array.Data());
          all.Set(rank, array);
        }
        return all;
      };
    });
  });
}

/// The process is about to end: nobody else waits for this thread.
Napi::Value finish(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (Communicator* ranks = joined_ranks()) check(ranks->finish());
    return info.Env().Undefined();
  });
}

Napi::Value abort(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (Communicator* ranks = joined_ranks()) ranks->abort(info[0].ToNumber().Int32Value());
    return info.Env().Undefined();
  });
}

}  // namespace

void export_ranks(Napi::Env env, Napi::Object exports) {
  exports.Set("joinRanks", Napi::Function::New(env, join, "joinRanks"));
  exports.Set("findNccl", Napi::Function::New(env, find_nccl, "findNccl"));
  exports.Set("broadcast", Napi::Function::New(env, broadcast, "broadcast"));
  exports.Set("gather", Napi::Function::New(env, gather, "gather"));
  exports.Set("finishRanks", Napi::Function::New(env, finish, "finishRanks"));
  exports.Set("abortRanks", Napi::Function::New(env, abort, "abortRanks"));
}

}  // namespace margincore
