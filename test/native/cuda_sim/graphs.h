// Captures of one or several streams, and the graphs that they leave: tasks, and which of them each waits for. Nothing
// else orders them, so that a join that is missing shows.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "api.h"

namespace margincore::cuda_sim {

enum class TaskKind { Kernel, Upload, Download, DeviceCopy, Fill, Library };

struct Task {
  TaskKind kind;
  const char* name;  // of a kernel
  int64_t bytes;     // of a copy
  bool pageable;     // a copy whose host memory is not pinned
  std::function<void()> run;
  std::function<bool()> is_ready =
      {};  // else always; asked again and again by whoever waits, until it is, and then no more
};
using SharedTask = std::shared_ptr<const Task>;

struct GraphNode {
  SharedTask task;
  std::vector<size_t> after;  // nodes, all before this one
  bool of_origin;             // queued on the stream on which the capture began
};
using Graph = std::vector<GraphNode>;

struct Capture {
  uint64_t number;  // from 1
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  cudaStream_t origin;
  bool valid = true;
  Graph graph = {};
};
using SharedCapture = std::shared_ptr<Capture>;

/// The tasks of a graph, each behind those that it waits for: at random, or those of other streams than the capture's own
/// only when these wait for them.
std::vector<SharedTask> in_order(const Graph& graph, bool at_random);

/// Whether each node is among `last`, or another waits for it.
bool is_joined(const Graph& graph, const std::vector<size_t>& last);

}  // namespace margincore::cuda_sim
