// Convolutions by cuDNN's graph interface: of the engines that its heuristics name, the fastest on this card.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/convolution_context.h"
#include "cuda/convolution_detour.h"
#include "cuda/convolution_engines.h"

namespace margincore {

class GraphConvolutions {
 public:
  explicit GraphConvolutions(ConvolutionContext& context);
  ~GraphConvolutions();

  /// False where cuDNN has no plan for it, or its operands are not aligned: nothing is done then.
  bool run(const ConvolutionCall& call);

 private:
  struct Plan;
  using Plans = std::vector<std::unique_ptr<Plan>>;

  std::unique_ptr<Plan> choose(const ConvolutionCall& call, const std::string& question);
  std::unique_ptr<Plan> remembered(const ConvolutionCall& call, const std::string& question);
  std::unique_ptr<Plan> fastest_of(Plans plans, const ConvolutionCall& call, const std::string& question);
  Plans plans_for(const ConvolutionCall& call, size_t most);
  /// What engines may be taken behind a detour; none, where that leaves no workspace.
  std::optional<EngineFilter> filter_behind(Detour detour, const ConvolutionCall& call) const;
  const ConvolutionGraph& graph_of(const ConvolutionCall& call);
  cudnnStatus_t queue(const Plan& plan, const ConvolutionCall& call, void* workspace) const;

  ConvolutionContext& context_;
  std::vector<std::unique_ptr<const ConvolutionGraph>> graphs_;  // outlive their plans
  std::map<std::string, std::unique_ptr<Plan>> plans_;           // null: there is none
};

}  // namespace margincore
