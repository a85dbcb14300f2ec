// The simulated NCCL: what ranks exchange, that it may be captured, and that what would hang is said instead.
#include "comm/nccl/nccl.h"

#include <functional>
#include <thread>

#include "runtime_support.h"

namespace margincore::cuda_sim {
namespace {

/// A rank, at a device of its own.
struct Rank {
  int number;
  ncclComm_t comm;
  cudaStream_t stream;
};

/// body(rank) on as many threads, each with a device and a communicator.
void on_ranks(int ranks, const std::function<void(const Rank&)>& body) {
  const int before = settings().devices;
  settings().devices = ranks;
  reset_device();
  ncclUniqueId id;
  CHECK(ncclGetUniqueId(&id) == ncclSuccess);
  std::vector<std::thread> threads;
  for (int number = 0; number < ranks; ++number)
    threads.emplace_back([&, number] {
      Rank rank{number, nullptr, nullptr};
      CHECK(cudaSetDevice(number) == cudaSuccess);
      CHECK(ncclCommInitRank(&rank.comm, ranks, id, number) == ncclSuccess);
      CHECK(cudaStreamCreateWithFlags(&rank.stream, cudaStreamNonBlocking) == cudaSuccess);
      body(rank);
      ncclCommAbort(rank.comm);
      cudaStreamDestroy(rank.stream);
    });
  for (std::thread& thread : threads) thread.join();
  reset_device();
  settings().devices = before;
  CHECK(statistics().live_bytes == 0);
  CHECK(statistics().live_objects.empty());
}

using Values = std::vector<float>;

/// (rank + 1) * 1, 2, 3, …
Values own_values(int rank, size_t count) {
  Values values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>((rank + 1) * static_cast<int>(i % 100 + 1));
  return values;
}

}  // namespace

TEST_CASE("ranks add up, take the largest, scatter, gather and broadcast; also more than passes at once") {
  for (const uint64_t shuffle : {0, 1, 2}) {
    settings().shuffle = shuffle;
    for (const int ranks : {1, 2, 3}) {
      on_ranks(ranks, [&](const Rank& rank) {
        const auto count = static_cast<size_t>(6 * 20'000);
        const size_t part = count / ranks;
        const Values own = own_values(rank.number, count), first = own_values(0, count);
        const float sum = static_cast<float>(ranks * (ranks + 1)) / 2;
        const DeviceArray<float> reduced(own), largest(own), whole(own), scattered(part), gathered(part * ranks),
            told(own), at_one(count);
        std::copy_n(own.begin(), part, gathered.data() + part * rank.number);
        CHECK(ncclAllReduce(reduced.data(), reduced.data(), count, ncclFloat32, ncclSum, rank.comm, rank.stream) ==
              ncclSuccess);
        CHECK(ncclAllReduce(largest.data(), largest.data(), count, ncclFloat32, ncclMax, rank.comm, rank.stream) ==
              ncclSuccess);
        CHECK(ncclReduceScatter(whole.data(), scattered.data(), part, ncclFloat32, ncclSum, rank.comm, rank.stream) ==
              ncclSuccess);
        CHECK(ncclGroupStart() == ncclSuccess);
        CHECK(ncclAllGather(gathered.data() + part * rank.number, gathered.data(), part * 4, ncclInt8, rank.comm,
                            rank.stream) == ncclSuccess);
        CHECK(ncclBroadcast(told.data(), told.data(), count * 4, ncclInt8, 0, rank.comm, rank.stream) == ncclSuccess);
        CHECK(ncclReduce(whole.data(), at_one.data(), count, ncclFloat32, ncclSum, ranks - 1, rank.comm, rank.stream) ==
              ncclSuccess);
        CHECK(ncclGroupEnd() == ncclSuccess);
        CHECK(cudaStreamSynchronize(rank.stream) == cudaSuccess);
        const auto times = [&](float factor, size_t begin, size_t size) {
          Values values(first.begin() + begin, first.begin() + begin + size);
          for (float& value : values) value *= factor;
          return values;
        };
        CHECK(reduced.values() == times(sum, 0, count));
        CHECK(largest.values() == times(static_cast<float>(ranks), 0, count));
        CHECK(scattered.values() == times(sum, rank.number * part, part));
        CHECK(told.values() == first);
        if (rank.number == ranks - 1) CHECK(at_one.values() == times(sum, 0, count));
        for (int other = 0; other < ranks; ++other)
          CHECK(Values(gathered.data() + other * part, gathered.data() + (other + 1) * part) ==
                times(static_cast<float>(other + 1), 0, part));
      });
    }
  }
  settings().shuffle = 0;
}

TEST_CASE("what is exchanged on two streams is captured with them, and replayed; a graph keeps its communicator") {
  for (const uint64_t shuffle : {0, 1, 2, 3}) {
    settings().shuffle = shuffle;
    on_ranks(2, [&](const Rank& rank) {
      cudaStream_t side = nullptr;
      cudaEvent_t event = nullptr;
      cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking);
      cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
      cudaGraph_t graph = nullptr;
      cudaGraphExec_t executable = nullptr;
      {
        const DeviceArray<float> a(Values(100, 1.0f)), b(Values(100, 2.0f));
        CHECK(cudaStreamBeginCapture(rank.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
        cudaEventRecord(event, rank.stream);
        cudaStreamWaitEvent(side, event, 0);
        CHECK(ncclAllReduce(b.data(), b.data(), 100, ncclFloat32, ncclSum, rank.comm, side) == ncclSuccess);
        CHECK(ncclAllReduce(a.data(), a.data(), 100, ncclFloat32, ncclSum, rank.comm, rank.stream) == ncclSuccess);
        cudaEventRecord(event, side);
        cudaStreamWaitEvent(rank.stream, event, 0);
        CHECK(cudaStreamEndCapture(rank.stream, &graph) == cudaSuccess);
        CHECK(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
        cudaGraphDestroy(graph);
        CHECK(a[0] == 1);
        for (int i = 0; i < 3; ++i) CHECK(cudaGraphLaunch(executable, rank.stream) == cudaSuccess);
        CHECK(cudaStreamSynchronize(rank.stream) == cudaSuccess);
        CHECK(a.values() == Values(100, 8.0f));
        CHECK(b.values() == Values(100, 16.0f));
        CHECK(ncclCommDestroy(rank.comm) == ncclInvalidUsage);
      }
      cudaGraphExecDestroy(executable);
      CHECK(ncclCommDestroy(rank.comm) == ncclSuccess);
      cudaEventDestroy(event);
      cudaStreamDestroy(side);
    });
  }
  settings().shuffle = 0;
}

TEST_CASE("ranks that call different things are told who called what") {
  const auto refused = [](const std::function<void(const Rank&, float*)>& second, const char* words) {
    on_ranks(2, [&](const Rank& rank) {
      const DeviceArray<float> x(100);
      if (rank.number == 0) ncclAllReduce(x.data(), x.data(), 100, ncclFloat32, ncclSum, rank.comm, rank.stream);
      else second(rank, x.data());
      CHECK(cudaStreamSynchronize(rank.stream) == cudaErrorLaunchFailure);
      CHECK(said("NCCL would hang: rank "));
      CHECK(said("ncclAllReduce of 100 float32, sum (its operation 1)"));
      CHECK(said(words));
    });
  };
  refused([](const Rank& rank, float* x) { ncclAllReduce(x, x, 99, ncclFloat32, ncclSum, rank.comm, rank.stream); },
          "ncclAllReduce of 99 float32, sum");
  refused([](const Rank& rank, float* x) { ncclAllReduce(x, x, 100, ncclFloat32, ncclMax, rank.comm, rank.stream); },
          "ncclAllReduce of 100 float32, max");
  refused([](const Rank& rank, float* x) { ncclAllReduce(x, x, 100, ncclBfloat16, ncclSum, rank.comm, rank.stream); },
          "ncclAllReduce of 100 bfloat16, sum");
  refused([](const Rank& rank, float* x) { ncclBroadcast(x, x, 100, ncclFloat32, 1, rank.comm, rank.stream); },
          "ncclBroadcast of 100 float32, root 1");
}

TEST_CASE(
    "what is no device's memory, overlaps, or has no other rank is refused; one that is aborted comes to an end") {
  on_ranks(2, [&](const Rank& rank) {
    const DeviceArray<float> x(100);
    Values host(100);
    const auto all_reduce = [&](float* from, float* to, size_t count) {
      return ncclAllReduce(from, to, count, ncclFloat32, ncclSum, rank.comm, rank.stream);
    };
    CHECK(all_reduce(host.data(), x.data(), 100) == ncclInvalidArgument);
    CHECK(all_reduce(x.data(), x.data(), 101) == ncclInvalidArgument);
    CHECK(all_reduce(x.data(), x.data() + 1, 50) == ncclInvalidArgument);
    CHECK(ncclBroadcast(x.data(), x.data(), 4, ncclFloat32, 2, rank.comm, rank.stream) == ncclInvalidArgument);
    if (rank.number == 1) return;
    CHECK(all_reduce(x.data(), x.data(), 100) == ncclSuccess);  // the other never comes
    cudaEvent_t event = nullptr;
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaEventRecord(event, rank.stream);
    for (int i = 0; i < 20; ++i) CHECK(cudaEventQuery(event) == cudaErrorNotReady);
    CHECK(ncclCommAbort(rank.comm) == ncclSuccess);
    CHECK(cudaStreamSynchronize(rank.stream) == cudaSuccess);
    CHECK(all_reduce(x.data(), x.data(), 100) == ncclInvalidArgument);
    cudaEventDestroy(event);
  });
}

TEST_CASE("two ranks at one device are refused, as real NCCL refuses them") {
  Device device;
  ncclUniqueId id;
  CHECK(ncclGetUniqueId(&id) == ncclSuccess);
  const auto join = [&](int rank) {
    ncclComm_t comm = nullptr;
    CHECK(ncclCommInitRank(&comm, 2, id, rank) == ncclInvalidUsage);
  };
  std::thread other(join, 1);
  join(0);
  other.join();
  CHECK(said("Duplicate GPU detected"));
}

}  // namespace margincore::cuda_sim
