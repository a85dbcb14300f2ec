// The subset of NCCL that margincore calls. Sums are made in the ranks' order, in float, so that all have the same bits.
// Unlike the real one it does not hang where ranks call different things, but says who called what.
//
// As in NCCL, the operations of a communicator run one after another in the order of the calls, on whatever streams they
// are put: they run on a stream of its own, which waits for the caller's and which the caller's waits for.
#include "comm/nccl/nccl.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "base/bfloat16.h"
#include "memory.h"
#include "nccl_room.h"
#include "streams.h"

namespace margincore::cuda_sim {
namespace {

enum Kind : int32_t { kAllReduce, kReduce, kReduceScatter, kAllGather, kBroadcast };

const char* name_of(int32_t kind) {
  constexpr const char* kNames[] = {"ncclAllReduce", "ncclReduce", "ncclReduceScatter", "ncclAllGather",
                                    "ncclBroadcast"};
  return kNames[kind];
}

size_t size_of_type(int32_t type) {
  switch (type) {
    case ncclInt8: return 1;
    case ncclFloat32: return 4;
    case ncclBfloat16: return 2;
    default: refuse(ncclInvalidArgument, format("data type %d is not simulated", type));
  }
}

const char* name_of_type(int32_t type) {
  return type == ncclInt8 ? "int8" : type == ncclFloat32 ? "float32" : "bfloat16";
}

struct Operation {
  Called called;  // but for its number, which it has when it runs
  const char* send;
  char* receive;

  Kind kind() const { return static_cast<Kind>(called.operation); }
  size_t element() const { return size_of_type(called.type); }
  /// Elements that each rank has to show.
  uint64_t sent(int ranks) const { return called.count * (kind() == kReduceScatter ? ranks : 1); }
  uint64_t received(int ranks) const { return called.count * (kind() == kAllGather ? ranks : 1); }
  bool sends(int rank) const { return kind() != kBroadcast || rank == called.root; }
  bool receives(int rank) const { return kind() != kReduce || rank == called.root; }
};

std::string described(const Called& called) {
  std::string text = format("%s of %llu %s", name_of(called.operation), static_cast<unsigned long long>(called.count),
                            name_of_type(called.type));
  if (called.operation <= kReduceScatter) text += called.reduction == ncclSum ? ", sum" : ", max";
  if (called.operation == kReduce || called.operation == kBroadcast) text += format(", root %d", called.root);
  return text + format(" (its operation %llu)", static_cast<unsigned long long>(called.number));
}

float reduced(float a, float b, int32_t reduction) { return reduction == ncclSum ? a + b : std::max(a, b); }

/// receive[i] := element i of all that ranks have shown, joined in their order.
template <class T, class Widen, class Narrow>
void join(const Room& room, int32_t reduction, T* receive, uint64_t first, uint64_t count, const Widen& widen,
          const Narrow& narrow) {
  for (uint64_t i = 0; i < count; ++i) {
    float value = widen(static_cast<const T*>(room.shown_by(0))[first + i]);
    for (int rank = 1; rank < room.ranks(); ++rank)
      value = reduced(value, widen(static_cast<const T*>(room.shown_by(rank))[first + i]), reduction);
    receive[i] = narrow(value);
  }
}

}  // namespace
}  // namespace margincore::cuda_sim

/// What the header declares.
struct ncclComm {
  ncclComm(const std::string& name, int rank, int ranks)
      : device(margincore::cuda_sim::current_device()), room(name, rank, ranks, device) {}

  int device;
  margincore::cuda_sim::Room room;
  cudaStream_t stream = nullptr;
  cudaEvent_t before = nullptr, after = nullptr;
  ncclResult_t error = ncclSuccess;
  bool is_aborted = false;
  uint64_t operations = 0;  // that have run, or run
  // Of the one that runs.
  bool is_running = false, has_shown = false;
  uint64_t done = 0;  // elements
};

namespace margincore::cuda_sim {
namespace {

using SharedComm = std::shared_ptr<ncclComm>;

std::map<ncclComm_t, SharedComm>& comms() {
  static auto& comms = *new std::map<ncclComm_t, SharedComm>;
  return comms;
}

SharedComm comm_of(ncclComm_t handle) {
  const auto found = comms().find(handle);
  if (found == comms().end())
    refuse(ncclInvalidArgument, format("%p is no communicator, or it is destroyed", static_cast<void*>(handle)));
  return found->second;
}

/// A rank dies at an operation: MARGINCORE_SIM_NCCL_DIE=rank:number.
void die_where_asked(const ncclComm& comm) {
  static const char* const asked = std::getenv("MARGINCORE_SIM_NCCL_DIE");
  if (asked == nullptr) return;
  char* end = nullptr;
  const auto rank = std::strtol(asked, &end, 10);
  if (rank == comm.room.rank() && *end == ':' && std::strtoull(end + 1, nullptr, 10) == comm.operations) _exit(9);
}

/// Whether all have called the same. Otherwise the device is broken, and it is said who did what.
bool expect_same(ncclComm& comm, const Called& own) {
  for (int rank = 0; rank < comm.room.ranks(); ++rank) {
    const Called& other = comm.room.called_by(rank);
    if (other == own) continue;
    comm.error = ncclInvalidUsage;
    break_device(format("NCCL would hang: rank %d calls %s, rank %d %s", comm.room.rank(), described(own).c_str(), rank,
                        described(other).c_str()));
    return false;
  }
  return true;
}

void receive(const ncclComm& comm, const Operation& operation, uint64_t first, uint64_t count) {
  const Room& room = comm.room;
  if (!operation.receives(room.rank())) return;
  const size_t size = operation.element();
  switch (operation.kind()) {
    case kBroadcast:
      std::memcpy(operation.receive + first * size, room.shown_by(operation.called.root), count * size);
      return;
    case kAllGather:
      for (int rank = 0; rank < room.ranks(); ++rank)
        std::memcpy(operation.receive + (rank * operation.called.count + first) * size, room.shown_by(rank),
                    count * size);
      return;
    default: break;
  }
  // Of what was shown, the part that is received, and its place.
  uint64_t begin = first, end = first + count, offset = 0;
  if (operation.kind() == kReduceScatter) {
    offset = room.rank() * operation.called.count;
    begin = std::max(begin, offset);
    end = std::min(end, offset + operation.called.count);
  }
  if (begin >= end) return;
  char* const to = operation.receive + (begin - offset) * size;
  const auto reduction = operation.called.reduction;
  if (operation.called.type == ncclFloat32)
    join(room, reduction, reinterpret_cast<float*>(to), begin - first, end - begin, std::identity(), std::identity());
  else join(room, reduction, reinterpret_cast<BFloat16*>(to), begin - first, end - begin, to_float, to_bfloat16);
}

/// Goes on as far as the others let it; true once it is over.
bool advance(ncclComm& comm, const Operation& operation) {
  if (comm.is_aborted || device_broken()) return true;
  if (!comm.is_running) {
    comm.is_running = true;
    comm.done = 0;
    ++comm.operations;
    die_where_asked(comm);
  }
  const uint64_t all = operation.sent(comm.room.ranks()), piece = kPieceBytes / operation.element();
  Called called = operation.called;
  called.number = comm.operations;
  for (;;) {
    const uint64_t count = std::min(piece, all - comm.done);
    if (!comm.has_shown) {
      if (!comm.room.may_show()) return false;
      if (operation.sends(comm.room.rank()))
        std::memcpy(comm.room.own_bytes(), operation.send + comm.done * operation.element(),
                    count * operation.element());
      comm.room.show(called);
      comm.has_shown = true;
    }
    if (!comm.room.has_been_shown_all()) return false;
    if (!expect_same(comm, called)) return true;
    receive(comm, operation, comm.done, count);
    comm.room.leave();
    comm.has_shown = false;
    comm.done += count;
    if (comm.done < all) continue;
    comm.is_running = false;
    return true;
  }
}

struct Queued {
  SharedComm comm;
  Operation operation;
  cudaStream_t stream;
};

/// Between ncclGroupStart and ncclGroupEnd, of this thread.
struct Group {
  int depth = 0;
  std::vector<Queued> operations;
};
thread_local Group group;

void queue(const Queued& queued) {
  const SharedComm& comm = queued.comm;
  record(*comm->before, queued.stream);
  wait(comm->stream, *comm->before);
  // It is done when it is ready.
  enqueue(comm->stream, {TaskKind::Library, "", 0, false, [] {},
                         [comm, operation = queued.operation] { return advance(*comm, operation); }});
  record(*comm->after, comm->stream);
  wait(queued.stream, *comm->after);
}

void call(Operation operation, ncclComm_t handle, cudaStream_t stream) {
  const SharedComm comm = comm_of(handle);
  if (comm->is_aborted) refuse(ncclInvalidUsage, "the communicator was aborted");
  if (comm->device != current_device())
    refuse(ncclInvalidUsage,
           format("the communicator is device %d's, and this thread is at device %d", comm->device, current_device()));
  if (stream_of(stream).device != comm->device) refuse(ncclInvalidArgument, "the stream is another device's");
  const int rank = comm->room.rank(), ranks = comm->room.ranks();
  const Called& called = operation.called;
  if (called.root < 0 || called.root >= ranks) refuse(ncclInvalidArgument, format("root %d of %d", called.root, ranks));
  const size_t sent = operation.sent(ranks) * operation.element(),
               received = operation.received(ranks) * operation.element();
  if (called.count == 0) refuse(ncclInvalidArgument, "nothing is exchanged: leave it out, as real NCCL does");
  if (operation.sends(rank)) require_device(ncclInvalidArgument, "what is sent", operation.send, sent);
  if (operation.receives(rank)) require_device(ncclInvalidArgument, "what is received", operation.receive, received);
  if (operation.sends(rank) && operation.receives(rank)) {
    const char* own = operation.send;  // where it is in place
    if (operation.kind() == kReduceScatter) own += rank * received;
    if (operation.kind() == kAllGather) own -= rank * sent;
    const bool overlaps = operation.send < operation.receive + received && operation.receive < operation.send + sent;
    if (overlaps && operation.receive != own)
      refuse(ncclInvalidArgument, "what is sent and what is received overlap, and not in place");
  }
  const Queued queued{comm, operation, stream};
  if (group.depth > 0) group.operations.push_back(queued);
  else queue(queued);
}

template <class Body>
ncclResult_t nccl(const char* function, Body body, On device = On::WorkingDevice) {
  return answer(function, ncclUnhandledCudaError, body, device);
}

ncclResult_t call(const char* function, Kind kind, const void* send, void* receive, size_t count, ncclDataType_t type,
                  ncclRedOp_t reduction, int root, ncclComm_t comm, cudaStream_t stream) {
  return nccl(function, [&] {
    call({{0, kind, type, reduction, root, count}, static_cast<const char*>(send), static_cast<char*>(receive)}, comm,
         stream);
  });
}

cudaEvent_t create_event() {
  auto* event = new CUevent_st{false, nullptr};
  add_object(event, "event");
  return event;
}

/// But for what a graph still has of it.
void close(const SharedComm& comm) {
  finish(*comm->stream);
  destroy_stream(comm->stream);
  for (cudaEvent_t event : {comm->before, comm->after}) destroy(ncclInternalError, event, "event");
  remove_object(comm.get());
  comms().erase(comm.get());
}

}  // namespace
}  // namespace margincore::cuda_sim

using namespace margincore::cuda_sim;
using margincore::format;

#define SIMULATED extern "C" [[gnu::visibility("default")]]

SIMULATED ncclResult_t ncclGetVersion(int* version) {
  *version = 23007;
  return ncclSuccess;
}

SIMULATED const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclInvalidArgument: return "invalid argument";
    case ncclInvalidUsage: return "invalid usage";
    default: return "unhandled error";
  }
}

SIMULATED const char* ncclGetLastError(ncclComm_t) {
  static thread_local std::string message;
  message = last_message();
  return message.c_str();
}

SIMULATED ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  return nccl(__func__, [&] {
    *id = {};
    std::random_device random;
    std::snprintf(id->internal, sizeof id->internal, "margincore-nccl-%d-%08x%08x", getpid(), random(), random());
  });
}

SIMULATED ncclResult_t ncclCommInitRank(ncclComm_t* handle, int ranks, ncclUniqueId id, int rank) {
  return nccl(__func__, [&] {
    if (ranks < 1 || ranks > kMostRanks || rank < 0 || rank >= ranks)
      refuse(ncclInvalidArgument, format("rank %d of %d", rank, ranks));
    const auto comm = std::make_shared<ncclComm>(id.internal, rank, ranks);
    while (!comm->room.is_complete()) let_others_go_on();
    if (const int other = comm->room.rank_on_same_device(); other >= 0)
      refuse(ncclInvalidUsage,
             format("Duplicate GPU detected: rank %d and rank %d both on CUDA device %d", rank, other, comm->device));
    comm->stream = create_stream();
    comm->before = create_event();
    comm->after = create_event();
    add_object(comm.get(), "NCCL communicator");
    comms()[comm.get()] = comm;
    *handle = comm.get();
  });
}

SIMULATED ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  return nccl(__func__, [&] { *error = comm_of(handle)->error; }, On::AnyDevice);
}

SIMULATED ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  return nccl(
      __func__,
      [&] {
        SharedComm comm = comm_of(handle);
        finish(*comm->stream);
        finish_all();
        if (comm.use_count() > 2)  // this one and the list's
          refuse(ncclInvalidUsage, "a graph that uses the communicator is still there");
        close(comm);
      },
      On::AnyDevice);
}

SIMULATED ncclResult_t ncclCommAbort(ncclComm_t handle) {
  return nccl(
      __func__,
      [&] {
        const SharedComm comm = comm_of(handle);
        comm->is_aborted = true;
        close(comm);
      },
      On::AnyDevice);
}

SIMULATED ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                                     ncclRedOp_t reduction, ncclComm_t comm, cudaStream_t stream) {
  return call(__func__, kAllReduce, send, receive, count, type, reduction, 0, comm, stream);
}

SIMULATED ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                                  ncclRedOp_t reduction, int root, ncclComm_t comm, cudaStream_t stream) {
  return call(__func__, kReduce, send, receive, count, type, reduction, root, comm, stream);
}

SIMULATED ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t received, ncclDataType_t type,
                                         ncclRedOp_t reduction, ncclComm_t comm, cudaStream_t stream) {
  return call(__func__, kReduceScatter, send, receive, received, type, reduction, 0, comm, stream);
}

SIMULATED ncclResult_t ncclAllGather(const void* send, void* receive, size_t sent, ncclDataType_t type, ncclComm_t comm,
                                     cudaStream_t stream) {
  return call(__func__, kAllGather, send, receive, sent, type, ncclSum, 0, comm, stream);
}

SIMULATED ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root,
                                     ncclComm_t comm, cudaStream_t stream) {
  return call(__func__, kBroadcast, send, receive, count, type, ncclSum, root, comm, stream);
}

SIMULATED ncclResult_t ncclGroupStart() {
  ++group.depth;
  return ncclSuccess;
}

SIMULATED ncclResult_t ncclGroupEnd() {
  return nccl(__func__, [&] {
    if (group.depth == 0) refuse(ncclInvalidUsage, "there is no group to end");
    if (--group.depth > 0) return;
    const std::vector<Queued> operations = std::exchange(group.operations, {});
    for (const Queued& each : operations) queue(each);
  });
}
