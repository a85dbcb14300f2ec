// What ranks exchange of their devices' memory: queued there, after what was queued before, and recorded with it. Its engine
// is NCCL, whose library is looked for where people have it.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.h"

namespace margincore {

/// The device of this rank, as its backend has it.
struct DeviceQueues {
  void* own;     // where operations are queued
  void* beside;  // and what runs beside them, between a fork and a join
  /// Makes the device the calling thread's, which may be any.
  Status (*enter)(void* context);
  void* context;
};

class DeviceExchange : public Exchange {
 public:
  /// Ends what is queued: other ranks may be waiting for what never comes.
  virtual ~DeviceExchange() = default;
  /// In place of that, by all ranks, when nothing is queued any more and no recording is left that uses it.
  virtual Status leave() = 0;

  /// As all_reduce by sum, in the queue beside the own one.
  virtual Status add_up_beside(Tensor x) = 0;
  /// While the host waits for what was queued: `seconds` since something was last seen to be done. Past the deadline, or
  /// where the engine says that another rank has failed, it ends what is queued and answers RankFailed.
  virtual Status still_waiting(double seconds) = 0;
};

struct DeviceEngine {
  bool available = false;
  std::string version;  // "NCCL 2.30.7"
  std::string text;     // the library's path; otherwise why there is none, and how to get it
};

/// Looks for the engine's library.
DeviceEngine find_device_engine();

/// Called by all ranks. Throws Unsupported, in all of them, where one has no engine; RankFailed where they do not come
/// together before the deadline.
std::unique_ptr<DeviceExchange> join_devices(Communicator& ranks, const DeviceQueues& device);

}  // namespace margincore
