// THE seam between what processes that train together exchange and what carries it. There are two kinds of exchange:
//  - `Communicator`, between processes, of host memory: a call returns when it is done. Its engine is a plugin,
//    libmargincore_<name>.so, as backends are; nothing outside its folder includes a library's header.
//  - `DeviceExchange` (device_exchange.h), between their devices: calls are queued there, after what was queued before,
//    and may be recorded.
//
// Conventions:
//  - All ranks call the same, in the same order, with the same sizes.
//  - What is not done before the deadline, or of which the engine says that it failed, answers RankFailed; from then on
//    nothing may be called but `abort`.
//  - One thread at a time, but for `abort`.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/tensor.h"

namespace margincore {

inline constexpr int32_t kCommunicatorAbiVersion = 3;

struct CommunicatorInfo {
  char engine[32];    // "openmpi", "mpich"
  char version[128];  // of its library
  char host[128];
  int32_t rank, size;
};

struct CommunicatorOptions {
  int32_t rank, size;      // as the launcher says: a world of another size is refused
  double timeout_seconds;  // that any rank may be waited for
};

enum class Reduction : int32_t { Sum, Largest };

/// What a training step needs, in the memory of the kind that it is computed in.
class Exchange {
 public:
  virtual const CommunicatorInfo& info() const = 0;

  /// x := its sum over all ranks, or the largest, element by element; the same bits on all of them. fp32; a
  /// DeviceExchange takes bf16, too.
  virtual Status all_reduce(Tensor x, Reduction reduction) = 0;
  /// part := the own part of the sum of `whole` over all ranks, fp32; parts lie one after another, of `counts[rank]` elements.
  virtual Status reduce_scatter(float* part, const float* whole, const int64_t* counts) = 0;
  /// whole: the ranks' parts one after another, of `bytes[rank]` each; on entry the own one is in its place.
  virtual Status all_gather(void* whole, const int64_t* bytes) = 0;

 protected:
  ~Exchange() = default;
};

class Communicator : public Exchange {
 public:
  /// From rank 0.
  virtual Status broadcast(void* values, int64_t bytes) = 0;
  /// That any rank may be waited for.
  virtual double timeout_seconds() const = 0;
  /// Ends all ranks' processes, this one with them: `code` is what they exit with. From any thread.
  virtual void abort(int32_t code) = 0;
  /// Waits until all ranks have come here; before a process ends well.
  virtual Status finish() = 0;

 protected:
  ~Communicator() = default;  // lives as long as the process
};

struct CommunicatorPlugin {
  int32_t abi_version;
  Status (*join)(Communicator** communicator, const CommunicatorOptions* options);
};

inline constexpr const char* kCommunicatorEntryName = "margincore_communicator";
using CommunicatorEntry = const CommunicatorPlugin* (*)();

}  // namespace margincore
