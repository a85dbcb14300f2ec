// What a test may ask of the simulated device, and change about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace margincore::cuda_sim {

/// Read from the environment once; a test may change them between two calls.
struct Settings {
  int devices = 1;                  // MARGINCORE_SIM_DEVICES
  int capability = 80;              // MARGINCORE_SIM_CAPABILITY: 10 * major + minor
  size_t memory = size_t{1} << 30;  // MARGINCORE_SIM_MEMORY: bytes
  size_t cudnn_cuda = 0;            // MARGINCORE_SIM_CUDNN_CUDA: the CUDA that cuDNN was built for; 0: this one
  uint64_t shuffle = 0;             // MARGINCORE_SIM_SHUFFLE: seed of random orders; 0: threads and streams in order
  std::string fail;                 // MARGINCORE_SIM_FAIL: kernels whose name contains it fail when they run
  int64_t slow_engine = -1;         // the number of one of cuDNN's engines that takes longer than the others
  bool has_engines = true;          // false: no plan of cuDNN's graphs can be finalised
};

Settings& settings();

using Counts = std::map<std::string, int64_t, std::less<>>;

struct Statistics {
  Counts calls;                        // of the runtime and the libraries, by function: "cudaMalloc", "cublasGemmEx"
  Counts engines;                      // cuDNN's executions, by operation and engine: "forward 1"
  Counts launches;                     // queued kernels, by name, replays of graphs included
  int64_t allocations = 0, frees = 0;  // of device memory
  int64_t host_allocations = 0, host_frees = 0;  // of pinned memory
  int64_t synchronizations = 0;                  // calls that waited, also those that wait behind the caller's back
  int64_t uploads = 0, downloads = 0, device_copies = 0, fills = 0;  // queued, replays of graphs included
  int64_t pageable_copies = 0;  // those of uploads and downloads whose host memory is not pinned
  int64_t bytes_copied = 0;
  // What exists now, so `reset_statistics` leaves it.
  int64_t live_bytes = 0;  // of device memory
  Counts live_objects;     // "stream", "event", "graph", "cuDNN handle", …; none that is 0
};

Statistics statistics();
void reset_statistics();

/// Why the last refused call was refused, or the last failed kernel failed; the same line went to standard error.
std::string last_message();

/// After a kernel has failed, every call answers cudaErrorLaunchFailure for the rest of the process, as with CUDA. This
/// ends that, so that a test can go on. The random orders begin again, too.
void reset_device();

}  // namespace margincore::cuda_sim
