// How the host waits for what was queued. Of ranks that train together, one that has died leaves the others' devices waiting
// for ever: so somebody who knows is asked in between (Watch), and then no call that would block is made before what it would
// block for is done.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <chrono>

#include "backend/backend.h"
#include "cuda/uploads.h"

namespace margincore {

class CudaWaits {
 public:
  void watch(Watch watch) { watch_ = watch; }
  bool is_watched() const { return watch_.ask != nullptr; }

  /// uploads: of which each that is done says that what was queued comes nearer its end.
  void finish(cudaStream_t stream, SmallUploads& uploads) {
    if (!is_watched()) return MARGINCORE_CHECK(cudaStreamSynchronize(stream));
    MARGINCORE_CHECK(cudaEventRecord(end_, stream));
    finish(end_, uploads);
  }

  void finish(cudaEvent_t event, SmallUploads& uploads) {
    if (!is_watched()) return MARGINCORE_CHECK(cudaEventSynchronize(event));
    auto begin = Clock::now();
    for (int64_t before = uploads.done(); !is_done(event);) {
      if (const int64_t now = uploads.done(); now != before) {
        before = now;
        begin = Clock::now();
      }
      const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      margincore::check(watch_.ask(watch_.context, seconds));
      if (seconds < 1e-3) sched_yield();
      else usleep(50);
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  Watch watch_;
  CudaEvent end_;
};

}  // namespace margincore
