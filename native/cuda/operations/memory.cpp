#include "cuda/cuda_backend.h"

#include <algorithm>

#include "cuda/guard.h"

namespace margincore {

/// A recorded sequence is a CUDA graph: one launch instead of some forty. Where each call is waited for, it is the
/// calls themselves.
struct Program {
  cudaGraphExec_t graph = nullptr;
  Status (*body)(void* context) = nullptr;
  void* context = nullptr;
};

using cuda::guarded;

Status CudaBackend::allocate(void** memory, size_t bytes) {
  const cudaError_t error = cudaMalloc(memory, std::max<size_t>(bytes, 1));
  if (error == cudaSuccess) return Status::success();
  cudaGetLastError();
  return Status::failure(ErrorCode::OutOfMemory, "%s: no memory for %zu bytes: %s", info_.device, bytes,
                         cudaGetErrorString(error));
}

/// Whatever becomes of it: what is released then is at its end.
void CudaBackend::settle() {
  const Status ignored = guarded("wait", [&] { waits_.finish(stream_, uploads_); });
  if (!ignored.ok()) cudaStreamSynchronize(stream_);
}

void CudaBackend::release(void* memory) {
  settle();
  cudaFree(memory);
}

Status CudaBackend::upload(void* device, const void* host, size_t bytes) {
  return guarded("upload", [&] {
    if (bytes == 0) return;
    if (bytes <= SmallUploads::kMaxBytes)
      return uploads_.upload(device, host, bytes, [&](cudaEvent_t done) { waits_.finish(done, uploads_); });
    // From pageable memory: returns once the contents have been staged.
    MARGINCORE_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_));
  });
}

Status CudaBackend::download(void* host, const void* device, size_t bytes) {
  return guarded("download", [&] {
    if (waits_.is_watched()) waits_.finish(stream_, uploads_);  // pageable memory: the copy would wait
    if (bytes > 0) MARGINCORE_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_));
    MARGINCORE_CHECK(cudaStreamSynchronize(stream_));
  });
}

Status CudaBackend::copy(void* to, const void* from, size_t bytes) {
  return guarded("copy", [&] {
    if (bytes > 0) MARGINCORE_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
  });
}

Status CudaBackend::zero(void* memory, size_t bytes) {
  return guarded("zero", [&] {
    if (bytes > 0) MARGINCORE_CHECK(cudaMemsetAsync(memory, 0, bytes, stream_));
  });
}

Status CudaBackend::synchronize() {
  return guarded("synchronize", [&] { waits_.finish(stream_, uploads_); });
}

Status CudaBackend::available_memory(size_t* bytes) {
  return guarded("available_memory", [&] {
    size_t total = 0;
    MARGINCORE_CHECK(cudaMemGetInfo(bytes, &total));
  });
}

Status CudaBackend::allocate_host(void** memory, size_t bytes) {
  return guarded("allocate_host", [&] { MARGINCORE_CHECK(cudaMallocHost(memory, std::max<size_t>(bytes, 1))); });
}

void CudaBackend::release_host(void* memory) {
  cudaDeviceSynchronize();  // an upload may still read it
  cudaFreeHost(memory);
}

Status CudaBackend::feed_wait(int32_t slot) {
  return guarded("feed_wait", [&] { waits_.finish(feed_.uploaded(slot), uploads_); });
}

Status CudaBackend::feed(int32_t slot, void* device, const void* host, size_t bytes) {
  return guarded("feed", [&] { feed_.upload(slot, device, host, bytes); });
}

Status CudaBackend::feed_begin(int32_t slot) {
  return guarded("feed_begin", [&] { feed_.begin(slot); });
}

Status CudaBackend::feed_end(int32_t slot) {
  return guarded("feed_end", [&] { feed_.end(slot); });
}

Status CudaBackend::queues(void** own, void** beside) {
  *own = static_cast<cudaStream_t>(stream_);
  *beside = static_cast<cudaStream_t>(exchanges_);
  return Status::success();
}

Status CudaBackend::fork_queue() {
  return guarded("fork_queue", [&] { exchanges_.fork(); });
}

Status CudaBackend::join_queue() {
  return guarded("join_queue", [&] { exchanges_.join(); });
}

Status CudaBackend::enter() {
  return guarded("enter", [&] { MARGINCORE_CHECK(cudaSetDevice(device_)); });
}

void CudaBackend::watch(Watch watch) { waits_.watch(watch); }

Status CudaBackend::record(Program** program, Status (*body)(void* context), void* context) {
  return guarded("record", [&] {
    if (cuda::waits_for_each_call()) {
      *program = new Program{nullptr, body, context};
      return;
    }
    workspace_.keep();
    side_workspace_.keep();
    MARGINCORE_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    const Status status = body(context);
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
    if (!status.ok()) {
      cudaGraphDestroy(graph);
      cudaGetLastError();
      margincore::check(status);
    }
    MARGINCORE_CHECK(ended);
    auto made = std::make_unique<Program>();
    const cudaError_t instantiated = cudaGraphInstantiate(&made->graph, graph, 0);
    cudaGraphDestroy(graph);
    MARGINCORE_CHECK(instantiated);
    *program = made.release();
  });
}

Status CudaBackend::replay(Program* program) {
  if (program->graph == nullptr) return program->body(program->context);
  return guarded("replay", [&] { MARGINCORE_CHECK(cudaGraphLaunch(program->graph, stream_)); });
}

void CudaBackend::discard(Program* program) {
  settle();
  if (program->graph != nullptr) cudaGraphExecDestroy(program->graph);
  delete program;
}

}  // namespace margincore
