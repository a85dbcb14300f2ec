// A second stream, for work that runs beside what the main one does: a small layer's gradients by themselves leave some
// of a card idle. What is recorded so is a branch of the graph.
#pragma once

#include "cuda/owned.h"

namespace margincore {

class CudaSideStream {
 public:
  explicit CudaSideStream(cudaStream_t main) : main_(main) {}
  ~CudaSideStream() { cudaStreamSynchronize(stream_); }

  operator cudaStream_t() const { return stream_; }

  /// What is queued here from now on begins when all is done that the main stream has queued.
  void fork() {
    MARGINCORE_CHECK(cudaEventRecord(forked_, main_));
    MARGINCORE_CHECK(cudaStreamWaitEvent(stream_, forked_, 0));
  }
  /// What the main stream queues from now on begins when all is done that was queued here.
  void join() {
    MARGINCORE_CHECK(cudaEventRecord(joined_, stream_));
    MARGINCORE_CHECK(cudaStreamWaitEvent(main_, joined_, 0));
  }

  /// Calls both, whose work begins when all is done that the main stream has queued; what that queues next begins when
  /// both are done, also where one of them throws.
  template <class OnSide, class OnMain>
  void run_beside(const OnSide& on_side, const OnMain& on_main) {
    fork();
    try {
      on_side();
      on_main();
    } catch (...) {
      join();
      throw;
    }
    join();
  }

 private:
  cudaStream_t main_;
  CudaStream stream_;
  CudaEvent forked_, joined_;
};

}  // namespace margincore
