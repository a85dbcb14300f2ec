// What cuDNN's graph interface has for one pass of a convolution: its operation graph, and the plans of its engines.
#pragma once

#include <optional>
#include <string>

#include "cuda/convolution_call.h"
#include "cuda/graph_descriptor.h"

namespace margincore {

/// What an engine may not do.
struct EngineFilter {
  bool deterministic;
  bool allows_tf32;
  size_t most_workspace;
};

/// An engine with its knobs, ready to be executed.
struct EnginePlan {
  std::string name;                    // the engine's number, and knobs as type=value: "12 2=1 7=0"
  std::vector<GraphDescriptor> parts;  // which the plan names
  GraphDescriptor plan;
  size_t workspace;
};

class ConvolutionGraph {
 public:
  /// Operands are aligned to kAlignment. Its plans need it as long as they live.
  ConvolutionGraph(cudnnHandle_t handle, const ConvolutionCall& call);

  static constexpr int64_t kAlignment = 16;

  /// The best by cuDNN's heuristics, at most `most`: those that may be taken, and whose plans cuDNN can make.
  std::vector<EnginePlan> best_plans(const EngineFilter& filter, size_t most) const;
  /// The one of that name, if it may be taken.
  std::optional<EnginePlan> plan(const std::string& name, const EngineFilter& filter) const;

  /// Queues the call, whose tensors are of the types that the graph was made for.
  static cudnnStatus_t execute(cudnnHandle_t handle, const EnginePlan& plan, const ConvolutionCall& call,
                               void* workspace);

 private:
  std::vector<GraphDescriptor> ranked(cudnnBackendHeurMode_t mode) const;
  std::optional<EnginePlan> plan_of(const GraphDescriptor& configuration, const std::string& name,
                                    const EngineFilter& filter) const;

  cudnnHandle_t handle_;
  bool is_fp32_;  // its operands are
  GraphDescriptor x_, w_, y_, convolution_, operation_, graph_;
  bool is_supported_;
};

}  // namespace margincore
