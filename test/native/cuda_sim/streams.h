// Streams, events and graphs. Work is queued and runs only when something waits for it, in an order that nothing but
// streams and events decide: a dependency that is missing shows as stale data.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "graphs.h"

namespace margincore::cuda_sim {

/// One recording of an event.
struct Ticket {
  cudaStream_t stream;
  uint64_t capture;           // in which it was recorded, or 0
  std::vector<size_t> nodes;  // of that capture, for which whoever waits for the event waits
  bool done = false;
  std::chrono::steady_clock::time_point time;
};
using SharedTicket = std::shared_ptr<Ticket>;

struct Work {
  SharedTask task;      // or
  SharedTicket ticket;  // to be waited for if `wait`, else to be marked as done
  bool wait;
  bool is_ready = false;  // the task has said so, which is once: what it waited for is over
};

}  // namespace margincore::cuda_sim

// The names that NVIDIA's headers declare.
struct CUstream_st {
  int device = 0;
  std::deque<margincore::cuda_sim::Work> queue = {};
  margincore::cuda_sim::SharedCapture capture = {};  // null: none
  std::vector<size_t> last = {};                     // nodes of the capture, behind which the next one comes
};

struct CUevent_st {
  bool timed;
  margincore::cuda_sim::SharedTicket ticket;  // of the latest recording
};

struct CUgraph_st {
  margincore::cuda_sim::Graph graph;
};

struct CUgraphExec_st {
  margincore::cuda_sim::Graph graph;
};

namespace margincore::cuda_sim {

/// The stream behind a handle; 0 is the legacy stream, which here waits for no other and no other for it: all streams
/// are non-blocking.
CUstream_st& stream_of(cudaStream_t handle);

cudaStream_t create_stream();
void destroy_stream(cudaStream_t stream);

/// Queues work on a stream, or adds it to the graph that is being captured there. A stream that waits for an event of a
/// capture is captured, too, until that ends.
void enqueue(cudaStream_t stream, Task task);
void replay(const CUgraphExec_st& graph, cudaStream_t stream);
void record(CUevent_st& event, cudaStream_t stream);
void wait(cudaStream_t stream, const CUevent_st& event);

/// Runs what these wait for. Where that waits for another process or thread, they get the lock in between.
void finish(CUstream_st& stream);
void finish(const SharedTicket& ticket);
void finish_all();  // of the calling thread's device

/// For who waits for another process or thread: gives them the lock for a moment.
void let_others_go_on();

/// Runs a little of it, so that a loop which asks again and again comes to an end.
void advance(CUstream_st& stream);

void begin_capture(cudaStream_t stream, cudaStreamCaptureMode mode);
Graph end_capture(cudaStream_t stream);

/// Ends a call that no capture allows: any capture for calls that would wait for it, else those whose mode covers this
/// thread. They are invalid from then on.
void refuse_while_capturing(bool in_any = false);
[[noreturn]] void refuse_capture(CUstream_st& stream, cudaError_t code, const std::string& message);

}  // namespace margincore::cuda_sim
