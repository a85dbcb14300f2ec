#include "streams.h"

#include <algorithm>
#include <string_view>
#include <thread>

namespace margincore::cuda_sim {
namespace {

struct Streams {
  CUstream_st legacy;
  std::vector<std::unique_ptr<CUstream_st>> created;

  std::vector<CUstream_st*> all() {
    std::vector<CUstream_st*> streams{&legacy};
    for (const auto& stream : created) streams.push_back(stream.get());
    return streams;
  }
};

Streams& streams() {
  static Streams& streams = *new Streams;
  return streams;
}

void count(const Task& task) {
  Statistics& now = counters();
  switch (task.kind) {
    case TaskKind::Kernel: {
      const auto found = now.launches.find(std::string_view(task.name));
      ++(found == now.launches.end() ? now.launches[task.name] : found->second);
      break;
    }
    case TaskKind::Upload: ++now.uploads; break;
    case TaskKind::Download: ++now.downloads; break;
    case TaskKind::DeviceCopy: ++now.device_copies; break;
    case TaskKind::Fill: ++now.fills; break;
    case TaskKind::Library: break;
  }
  now.bytes_copied += task.bytes;
  now.pageable_copies += task.pageable;
}

void push(CUstream_st& stream, SharedTask task) {
  count(*task);
  stream.queue.push_back({std::move(task), nullptr, false});
}

bool can_run(CUstream_st& stream) {
  if (stream.queue.empty()) return false;
  Work& front = stream.queue.front();
  if (front.task == nullptr) return !front.wait || front.ticket->done;
  if (front.task->is_ready == nullptr || device_broken()) return true;
  if (!front.is_ready) front.is_ready = front.task->is_ready();
  return front.is_ready;
}

void run_front(CUstream_st& stream) {
  const Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (work.task != nullptr) {
    if (!device_broken()) work.task->run();
  } else if (!work.wait) {
    work.ticket->done = true;
    work.ticket->time = std::chrono::steady_clock::now();
  }
}

/// Runs the front of a stream, or the first that it waits for; false where that is another process's or thread's.
bool run_front_or_dependency(CUstream_st& stream) {
  if (can_run(stream)) {
    run_front(stream);
    return true;
  }
  const Work& front = stream.queue.front();
  return front.wait && run_front_or_dependency(stream_of(front.ticket->stream));
}

/// Runs the front of any stream of the device that can go on: every order that CUDA may choose is possible.
bool run_any_front(int device) {
  std::vector<CUstream_st*> candidates = streams().all();
  std::erase_if(candidates, [device](CUstream_st* stream) { return stream->device != device || !can_run(*stream); });
  if (candidates.empty()) return false;
  run_front(*candidates[random_below(candidates.size())]);
  return true;
}

bool run_something(CUstream_st& wanted) {
  return settings().shuffle != 0 ? run_any_front(wanted.device) : run_front_or_dependency(wanted);
}

template <class IsOver>
void run_until(CUstream_st& wanted, const IsOver& is_over) {
  while (!is_over())
    if (!run_something(wanted)) let_others_go_on();
}

/// What comes next on the stream comes behind the event, too.
void follow(CUstream_st& stream, const Ticket& event) {
  for (const size_t node : event.nodes)
    if (std::ranges::find(stream.last, node) == stream.last.end()) stream.last.push_back(node);
}

/// Null where it has ended.
SharedCapture capture_of(const Ticket& event) {
  for (const CUstream_st* stream : streams().all())
    if (stream->capture && stream->capture->number == event.capture) return stream->capture;
  return nullptr;
}

}  // namespace

CUstream_st& stream_of(cudaStream_t handle) {
  if (handle == nullptr) return streams().legacy;
  require_object(cudaErrorInvalidResourceHandle, handle, "stream");
  return *handle;
}

cudaStream_t create_stream() {
  streams().created.push_back(std::make_unique<CUstream_st>(CUstream_st{current_device()}));
  add_object(streams().created.back().get(), "stream");
  return streams().created.back().get();
}

void destroy_stream(cudaStream_t handle) {
  require_object(cudaErrorInvalidResourceHandle, handle, "stream");
  finish(*handle);
  remove_object(handle);
  std::erase_if(streams().created, [handle](const auto& stream) { return stream.get() == handle; });
}

void enqueue(cudaStream_t handle, Task task) {
  CUstream_st& stream = stream_of(handle);
  auto shared = std::make_shared<const Task>(std::move(task));
  if (&stream != &streams().legacy && stream.device != current_device())
    refuse(cudaErrorInvalidResourceHandle,
           format("the stream is device %d's, and this thread is at device %d", stream.device, current_device()));
  if (!stream.capture) return push(stream, std::move(shared));
  Capture& capture = *stream.capture;
  if (!capture.valid) refuse(cudaErrorStreamCaptureInvalidated, "something in the capture was refused");
  capture.graph.push_back({std::move(shared), std::move(stream.last), handle == capture.origin});
  stream.last = {capture.graph.size() - 1};
}

void replay(const CUgraphExec_st& graph, cudaStream_t handle) {
  CUstream_st& stream = stream_of(handle);
  if (stream.capture)
    refuse_capture(stream, cudaErrorStreamCaptureUnsupported, "a graph inside a graph is not simulated");
  for (const SharedTask& task : in_order(graph.graph, settings().shuffle != 0)) push(stream, task);
}

void record(CUevent_st& event, cudaStream_t handle) {
  CUstream_st& stream = stream_of(handle);
  event.ticket =
      std::make_shared<Ticket>(Ticket{handle, stream.capture ? stream.capture->number : 0, stream.last, false, {}});
  if (!stream.capture) stream.queue.push_back({nullptr, event.ticket, false});
}

void wait(cudaStream_t handle, const CUevent_st& event) {
  CUstream_st& stream = stream_of(handle);
  if (event.ticket == nullptr) return;  // never recorded: nothing to wait for
  const uint64_t capture = stream.capture ? stream.capture->number : 0;
  if (event.ticket->capture == 0 && capture == 0) {
    stream.queue.push_back({nullptr, event.ticket, true});
  } else if (event.ticket->capture == capture) {
    follow(stream, *event.ticket);
  } else if (event.ticket->capture == 0) {
    refuse_capture(stream, cudaErrorStreamCaptureIsolation, "the event was recorded outside of the capture");
  } else if (stream.capture) {
    refuse_capture(stream, cudaErrorStreamCaptureMerge, "the event was recorded in another capture");
  } else {
    stream.capture = capture_of(*event.ticket);
    if (stream.capture == nullptr) refuse(cudaErrorCapturedEvent, "the event was recorded in a capture that has ended");
    stream.last.clear();
    follow(stream, *event.ticket);
  }
}

void let_others_go_on() {
  mutex().unlock();
  std::this_thread::sleep_for(std::chrono::microseconds(50));
  mutex().lock();
}

void finish(CUstream_st& stream) {
  run_until(stream, [&] { return stream.queue.empty(); });
}

void finish(const SharedTicket& ticket) {
  run_until(stream_of(ticket->stream), [&] { return ticket->done; });
}

void finish_all() {
  std::vector<CUstream_st*> own = streams().all();
  std::erase_if(own, [](const CUstream_st* stream) { return stream->device != current_device(); });
  for (CUstream_st* stream : own) finish(*stream);
}

void advance(CUstream_st& stream) {
  if (!stream.queue.empty() && !run_something(stream)) let_others_go_on();
}

void begin_capture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  static uint64_t number = 0;
  CUstream_st& stream = stream_of(handle);
  if (&stream == &streams().legacy) refuse(cudaErrorStreamCaptureUnsupported, "of the legacy stream");
  if (stream.capture) refuse(cudaErrorIllegalState, "the stream is being captured already");
  stream.capture = std::make_shared<Capture>(Capture{++number, mode, std::this_thread::get_id(), handle});
  stream.last.clear();
}

Graph end_capture(cudaStream_t handle) {
  CUstream_st& stream = stream_of(handle);
  if (!stream.capture) refuse(cudaErrorIllegalState, "the stream is not being captured");
  if (stream.capture->mode != cudaStreamCaptureModeRelaxed && stream.capture->thread != std::this_thread::get_id())
    refuse(cudaErrorStreamCaptureWrongThread, "another thread began the capture");
  if (stream.capture->origin != handle)
    refuse_capture(stream, cudaErrorStreamCaptureUnmatched, "the capture began on another stream");
  const SharedCapture capture = stream.capture;
  const std::vector<size_t> last = stream.last;
  for (CUstream_st* captured : streams().all()) {
    if (captured->capture != capture) continue;
    captured->capture.reset();
    captured->last.clear();
  }
  if (!capture->valid) refuse(cudaErrorStreamCaptureInvalidated, "something in the capture was refused");
  if (!is_joined(capture->graph, last))
    refuse(cudaErrorStreamCaptureUnjoined, "the stream on which the capture began does not wait for all of it");
  return std::move(capture->graph);
}

void refuse_while_capturing(bool in_any) {
  bool found = false;
  for (CUstream_st* stream : streams().all()) {
    if (!stream->capture) continue;
    const Capture& capture = *stream->capture;
    if (!in_any && capture.mode != cudaStreamCaptureModeGlobal &&
        (capture.mode != cudaStreamCaptureModeThreadLocal || capture.thread != std::this_thread::get_id()))
      continue;
    stream->capture->valid = false;
    found = true;
  }
  if (found) refuse(cudaErrorStreamCaptureUnsupported, "not during a capture");
}

void refuse_capture(CUstream_st& stream, cudaError_t code, const std::string& message) {
  if (stream.capture) stream.capture->valid = false;
  refuse(code, message);
}

}  // namespace margincore::cuda_sim
