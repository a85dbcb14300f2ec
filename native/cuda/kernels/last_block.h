// Sums in one launch: each block writes its part, and the one that comes last joins the parts of all, in an order that
// does not depend on which block it is. So there is no second launch, and the bits do not depend on scheduling.
#pragma once

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

/// Chunks that rows are cut into, unless they are too short: eight blocks for each multiprocessor. Only one where there
/// are as many tiles of columns as counters, which makes a counter for each tile that several blocks share.
inline int64_t wanted_chunks(int64_t tiles) {
  static_assert(kCounters == kMultiprocessors * 8);
  return blocks_for(kCounters, tiles);
}

/// Whether this block is the last of the `blocks` that share a counter: then it sees what all of them wrote before.
/// Every thread of each block takes part, once in a kernel.
MARGINCORE_DEVICE bool is_last_block(unsigned* counter, int64_t blocks) {
  MARGINCORE_SHARED(bool, last, 1);
  device::sync_block();
  if (device::thread() == 0) last[0] = device::take_ticket(counter, static_cast<unsigned>(blocks)) == blocks - 1;
  device::sync_block();
  return last[0];
}

}  // namespace margincore::cuda
