// Device memory by NCCL. The ranks of a Communicator come together once for each training: rank 0 makes the id, which MPI
// passes on. One device of a rank, and one rank of a device, as NCCL wants it.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "comm/device_exchange.h"
#include "comm/nccl/library.h"

namespace margincore {

namespace {

Status failed(const NcclFunctions& nccl, ncclResult_t result, const char* call, ncclComm_t comm) {
  const char* more = nccl.get_last_error == nullptr ? nullptr : nccl.get_last_error(comm);
  const bool says_more = more != nullptr && *more != '\0';
  return Status::failure(ErrorCode::RankFailed, "%s: %s%s%s", call, nccl.get_error_string(result),
                         says_more ? ": " : "", says_more ? more : "");
}

class NcclExchange final : public DeviceExchange {
 public:
  NcclExchange(const NcclLibrary& library, ncclComm_t comm, const Communicator& ranks, const DeviceQueues& device)
      : nccl_(library.functions),
        comm_(comm),
        info_(ranks.info()),
        seconds_(ranks.timeout_seconds()),
        own_(static_cast<cudaStream_t>(device.own)),
        beside_(static_cast<cudaStream_t>(device.beside)) {
    std::snprintf(info_.engine, sizeof info_.engine, "nccl");
    std::snprintf(info_.version, sizeof info_.version, "%s", library.version.c_str());
  }
  ~NcclExchange() override {
    if (!is_over_) give_up();
  }

  Status leave() override {
    if (is_over_) return has_failed_before();
    is_over_ = true;
    const ncclResult_t result = nccl_.destroy(comm_);
    return result == ncclSuccess ? Status::success() : failed(nccl_, result, "ncclCommDestroy", nullptr);
  }

  const CommunicatorInfo& info() const override { return info_; }

  Status all_reduce(Tensor x, Reduction reduction) override {
    return all_reduce(x, reduction == Reduction::Sum ? ncclSum : ncclMax, own_);
  }
  Status add_up_beside(Tensor x) override { return all_reduce(x, ncclSum, beside_); }

  Status reduce_scatter(float* part, const float* whole, const int64_t* counts) override {
    return unless_failed("ncclReduceScatter", [&] {
      if (are_alike(counts))
        return counts[0] == 0 ? ncclSuccess
                              : nccl_.reduce_scatter(whole, part, counts[0], ncclFloat32, ncclSum, comm_, own_);
      return in_group(counts, [&](int32_t rank, int64_t first) {
        return nccl_.reduce(whole + first, rank == info_.rank ? part : nullptr, counts[rank], ncclFloat32, ncclSum,
                            rank, comm_, own_);
      });
    });
  }

  Status all_gather(void* whole, const int64_t* bytes) override {
    char* const begin = static_cast<char*>(whole);
    return unless_failed("ncclAllGather", [&] {
      if (are_alike(bytes))
        return bytes[0] == 0 ? ncclSuccess
                             : nccl_.all_gather(begin + info_.rank * bytes[0], begin, bytes[0], ncclInt8, comm_, own_);
      return in_group(bytes, [&](int32_t rank, int64_t first) {
        return nccl_.broadcast(begin + first, begin + first, bytes[rank], ncclInt8, rank, comm_, own_);
      });
    });
  }

  Status still_waiting(double seconds) override {
    if (is_over_) return has_failed_before();
    ncclResult_t error = ncclSuccess;
    if (const ncclResult_t asked = nccl_.get_async_error(comm_, &error); asked != ncclSuccess) error = asked;
    if (error == ncclSuccess && seconds <= seconds_) return Status::success();
    const Status status =
        error != ncclSuccess
            ? failed(nccl_, error, "nccl", comm_)
            : Status::failure(ErrorCode::RankFailed, "nccl: another rank was waited for longer than %g s", seconds_);
    give_up();
    return status;
  }

 private:
  static Status has_failed_before() { return Status::failure(ErrorCode::RankFailed, "an exchange has failed before"); }

  /// Ends what is queued, so that the device comes to an end with it.
  void give_up() {
    is_over_ = true;
    nccl_.abort(comm_);
  }

  template <class Call>
  Status unless_failed(const char* name, const Call& call) {
    if (is_over_) return has_failed_before();
    const ncclResult_t result = call();
    if (result == ncclSuccess) return Status::success();
    const Status status = failed(nccl_, result, name, comm_);
    give_up();
    return status;
  }

  Status all_reduce(Tensor x, ncclRedOp_t operation, cudaStream_t stream) {
    return unless_failed("ncclAllReduce", [&] {
      const ncclDataType_t type = x.dtype == DType::BF16 ? ncclBfloat16 : ncclFloat32;
      return x.count() == 0 ? ncclSuccess : nccl_.all_reduce(x.data, x.data, x.count(), type, operation, comm_, stream);
    });
  }

  bool are_alike(const int64_t* sizes) const {
    return std::all_of(sizes, sizes + info_.size, [&](int64_t size) { return size == sizes[0]; });
  }

  /// call(rank, where its part begins) for each that has one, as one operation.
  template <class Call>
  ncclResult_t in_group(const int64_t* sizes, const Call& call) const {
    if (const ncclResult_t result = nccl_.group_start(); result != ncclSuccess) return result;
    ncclResult_t result = ncclSuccess;
    for (int64_t rank = 0, first = 0; rank < info_.size && result == ncclSuccess; first += sizes[rank++])
      if (sizes[rank] > 0) result = call(static_cast<int32_t>(rank), first);
    const ncclResult_t ended = nccl_.group_end();
    return result == ncclSuccess ? ended : result;
  }

  const NcclFunctions& nccl_;
  ncclComm_t comm_;
  CommunicatorInfo info_;
  double seconds_;
  cudaStream_t own_, beside_;
  bool is_over_ = false;  // after a failure, or well
};

/// Of what rank 0 says to all.
struct Invitation {
  ncclUniqueId id;
  ncclResult_t result;
};

/// Of a call that waits for the others without a deadline: on a thread of its own, which is left behind where they do not
/// come. What both see is theirs together.
struct Arrival {
  std::atomic<bool> is_over = false;
  Status status = Status::success();
  ncclComm_t comm = nullptr;
};

std::shared_ptr<Arrival> arrive(const NcclFunctions& nccl, const ncclUniqueId& id, const CommunicatorInfo& ranks,
                                const DeviceQueues& device, double seconds) {
  const auto arrival = std::make_shared<Arrival>();
  std::thread([arrival, &nccl, id, size = ranks.size, rank = ranks.rank, device] {
    arrival->status = device.enter(device.context);
    if (arrival->status.ok()) {
      const ncclResult_t result = nccl.init_rank(&arrival->comm, size, id, rank);
      if (result != ncclSuccess) arrival->status = failed(nccl, result, "ncclCommInitRank", nullptr);
    }
    arrival->is_over = true;
  }).detach();
  const auto begin = std::chrono::steady_clock::now();
  while (!arrival->is_over) {
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() > seconds)
      throw Error(ErrorCode::RankFailed,
                  format("ncclCommInitRank: another rank was waited for longer than %g s", seconds));
    usleep(1000);
  }
  return arrival;
}

/// All say whether they have a library, so that none waits for who has none.
const NcclLibrary& expect_library(Communicator& ranks) {
  const NcclLibrary& library = nccl_library();
  std::vector<float> lacks(ranks.info().size, 0.0f);
  lacks[ranks.info().rank] = library.loaded ? 0 : 1;
  check(ranks.all_reduce({lacks.data(), {ranks.info().size}}, Reduction::Largest));
  if (!library.loaded)
    throw Error(ErrorCode::Unsupported, "training by several processes on GPUs needs NCCL: " + library.text);
  const auto first = std::find(lacks.begin(), lacks.end(), 1.0f);
  if (first != lacks.end())
    throw Error(ErrorCode::Unsupported, format("training by several processes on GPUs needs NCCL, and rank %d has none",
                                               static_cast<int>(first - lacks.begin())));
  return library;
}

}  // namespace

DeviceEngine find_device_engine() {
  const NcclLibrary& library = nccl_library();
  return {library.loaded, library.version, library.text};
}

std::unique_ptr<DeviceExchange> join_devices(Communicator& ranks, const DeviceQueues& device) {
  const NcclLibrary& library = expect_library(ranks);
  const NcclFunctions& nccl = library.functions;
  Invitation invitation{};
  if (ranks.info().rank == 0) invitation.result = nccl.get_unique_id(&invitation.id);
  check(ranks.broadcast(&invitation, sizeof invitation));
  if (invitation.result != ncclSuccess) check(failed(nccl, invitation.result, "ncclGetUniqueId", nullptr));
  const auto arrival = arrive(nccl, invitation.id, ranks.info(), device, ranks.timeout_seconds());
  check(arrival->status);
  return std::make_unique<NcclExchange>(library, arrival->comm, ranks, device);
}

}  // namespace margincore
