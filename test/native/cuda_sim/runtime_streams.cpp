// The subset of the CUDA runtime that the CUDA backend calls: streams, events and graphs.
#include "runtime.h"
#include "streams.h"

namespace margincore::cuda_sim {
namespace {

CUevent_st& event_of(cudaEvent_t event) {
  require_object(cudaErrorInvalidResourceHandle, event, "event");
  return *event;
}

void refuse_captured(const CUevent_st& event) {
  if (event.ticket != nullptr && event.ticket->capture != 0)
    refuse(cudaErrorCapturedEvent, "the event was recorded in a capture");
}

}  // namespace
}  // namespace margincore::cuda_sim

using namespace margincore::cuda_sim;
using margincore::format;

extern "C" {

// ---- streams and events ---------------------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return runtime(__func__, [&] {
    require(stream);
    if (flags != cudaStreamNonBlocking)
      refuse(cudaErrorInvalidValue, "only cudaStreamNonBlocking is simulated: no order with the legacy stream");
    *stream = create_stream();
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return runtime(__func__, [&] { destroy_stream(stream); }, On::AnyDevice);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return runtime(__func__, [&] {
    CUstream_st& stream = stream_of(handle);
    if (stream.capture)
      refuse_capture(stream, cudaErrorStreamCaptureUnsupported, "waiting for a stream that is being captured");
    synchronize([&] { finish(stream); });
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return runtime(__func__, [&] { wait(stream, event_of(event)); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return runtime(__func__, [&] {
    require(event);
    *event = new CUevent_st{(flags & cudaEventDisableTiming) == 0, nullptr};
    add_object(*event, "event");
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return runtime(__func__, [&] { destroy(cudaErrorInvalidResourceHandle, event, "event"); }, On::AnyDevice);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return runtime(__func__, [&] { record(event_of(event), stream); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return runtime(__func__, [&] {
    const CUevent_st& event = event_of(handle);
    refuse_captured(event);
    synchronize([&] {
      if (event.ticket != nullptr) finish(event.ticket);
    });
  });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  bool done = true;
  const cudaError_t error = runtime(__func__, [&] {
    const CUevent_st& event = event_of(handle);
    refuse_captured(event);
    done = event.ticket == nullptr || event.ticket->done;
    if (!done) advance(stream_of(event.ticket->stream));
  });
  return error == cudaSuccess && !done ? last_error = cudaErrorNotReady : error;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return runtime(__func__, [&] {
    require(milliseconds);
    for (const cudaEvent_t handle : {start, end}) {
      const CUevent_st& event = event_of(handle);
      refuse_captured(event);
      if (!event.timed || event.ticket == nullptr)
        refuse(cudaErrorInvalidResourceHandle, "the event has no timing, or was not recorded");
      if (!event.ticket->done) refuse(cudaErrorNotReady, "the event has not happened yet");
    }
    *milliseconds = std::chrono::duration<float, std::milli>(end->ticket->time - start->ticket->time).count();
  });
}

// ---- graphs ---------------------------------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return runtime(__func__, [&] { begin_capture(stream, mode); });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return runtime(__func__, [&] {
    require(status);
    const CUstream_st& stream = stream_of(handle);
    *status = !stream.capture         ? cudaStreamCaptureStatusNone
              : stream.capture->valid ? cudaStreamCaptureStatusActive
                                      : cudaStreamCaptureStatusInvalidated;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return runtime(__func__, [&] {
    require(graph);
    *graph = nullptr;
    Graph captured = end_capture(stream);
    *graph = new CUgraph_st{std::move(captured)};
    add_object(*graph, "graph");
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return runtime(__func__, [&] {
    require(executable);
    require_object(cudaErrorInvalidValue, graph, "graph");
    *executable = new CUgraphExec_st{graph->graph};
    add_object(*executable, "executable graph");
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return runtime(__func__, [&] {
    require_object(cudaErrorInvalidValue, executable, "executable graph");
    replay(*executable, stream);
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return runtime(__func__, [&] { destroy(cudaErrorInvalidValue, graph, "graph"); }, On::AnyDevice);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return runtime(__func__, [&] { destroy(cudaErrorInvalidValue, executable, "executable graph"); }, On::AnyDevice);
}

}  // extern "C"
