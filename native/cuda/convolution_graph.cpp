#include "cuda/convolution_graph.h"

#include <algorithm>

#include "cuda/fastest.h"
#include "cuda/kernels/kernels.h"
#include "cuda/trial.h"

namespace margincore {

namespace {

/// What is timed of each operation graph: what the heuristics name later is not faster.
constexpr size_t kMostTimed = 10;
/// How a choice that takes a detour begins.
constexpr std::string_view name_of(Detour detour) {
  switch (detour) {
    case Detour::None: break;
    case Detour::Converted: return "converted ";
    case Detour::Padded: return "padded ";
  }
  return "";
}

bool is_aligned(const ConvolutionCall& call) {
  const auto aligned = [](const Tensor& t) {
    return reinterpret_cast<uintptr_t>(t.data) % ConvolutionGraph::kAlignment == 0;
  };
  return aligned(call.x) && aligned(call.w) && aligned(call.y);
}

}  // namespace

struct GraphConvolutions::Plan {
  EnginePlan engine;
  Detour detour;
  size_t before;  // bytes of workspace that the detour takes

  size_t workspace() const { return before + engine.workspace; }
  std::string choice() const { return std::string(name_of(detour)) + engine.name; }
};

GraphConvolutions::GraphConvolutions(ConvolutionContext& context) : context_(context) {}

GraphConvolutions::~GraphConvolutions() = default;

bool GraphConvolutions::run(const ConvolutionCall& call) {
  if (!is_aligned(call)) return false;
  const std::string question = context_.question(call);
  auto found = plans_.find(question);
  if (found == plans_.end()) {
    context_.expect_eager(name_of(call.pass));
    found = plans_.emplace(question, choose(call, question)).first;
  }
  if (!found->second) return false;
  const Plan& plan = *found->second;
  constexpr const char* kCall = "cudnnBackendExecute";
  cuda::check(queue(plan, call, context_.workspace.take(plan.workspace())), kCall, __FILE__, __LINE__);
  cuda::check_queued(kCall, context_.stream, __FILE__, __LINE__);
  return true;
}

cudnnStatus_t GraphConvolutions::queue(const Plan& plan, const ConvolutionCall& call, void* workspace) const {
  if (plan.detour == Detour::None) return ConvolutionGraph::execute(context_.handle, plan.engine, call, workspace);
  const ConvolutionCall made = on_detour(plan.detour, call, workspace);
  prepare(call, made, context_.stream);
  const cudnnStatus_t status =
      ConvolutionGraph::execute(context_.handle, plan.engine, made, static_cast<char*>(workspace) + plan.before);
  if (status == CUDNN_STATUS_SUCCESS) finish(call, made, context_.stream);
  return status;
}

std::unique_ptr<GraphConvolutions::Plan> GraphConvolutions::choose(const ConvolutionCall& call,
                                                                   const std::string& question) {
  if (!context_.deterministic) {
    if (auto plan = remembered(call, question)) return plan;
    return fastest_of(plans_for(call, kMostTimed), call, question);
  }
  // Without timing, so that the same training gives the same bits.
  Plans plans = plans_for(call, 1);
  return plans.empty() ? nullptr : std::move(plans.front());
}

const ConvolutionGraph& GraphConvolutions::graph_of(const ConvolutionCall& call) {
  return *graphs_.emplace_back(std::make_unique<const ConvolutionGraph>(context_.handle, call));
}

GraphConvolutions::Plans GraphConvolutions::plans_for(const ConvolutionCall& call, size_t most) {
  Plans plans;
  for (const Detour detour : kDetours) {
    // Which is the faster way only timing tells: few engines give fp32 from bf16, on some cards none.
    if (!may_take(detour, call) || (most == 1 && !plans.empty())) continue;
    const auto filter = filter_behind(detour, call);
    if (!filter) continue;
    for (EnginePlan& engine : graph_of(on_detour(detour, call, nullptr)).best_plans(*filter, most))
      plans.push_back(std::make_unique<Plan>(Plan{std::move(engine), detour, bytes_of(detour, call)}));
  }
  return plans;
}

std::optional<EngineFilter> GraphConvolutions::filter_behind(Detour detour, const ConvolutionCall& call) const {
  const size_t before = bytes_of(detour, call);
  if (before >= kMaxConvolutionWorkspace) return std::nullopt;
  return EngineFilter{context_.deterministic, context_.allows_tf32, kMaxConvolutionWorkspace - before};
}

std::unique_ptr<GraphConvolutions::Plan> GraphConvolutions::remembered(const ConvolutionCall& call,
                                                                       const std::string& question) {
  const std::optional<std::string> choice = context_.choices.find(question);
  if (!choice) return nullptr;
  Detour detour = Detour::None;
  for (const Detour each : kDetours)
    if (choice->starts_with(name_of(each))) detour = each;
  const auto filter = filter_behind(detour, call);
  if (!may_take(detour, call) || !filter) return nullptr;
  auto engine = graph_of(on_detour(detour, call, nullptr)).plan(choice->substr(name_of(detour).size()), *filter);
  if (!engine) return nullptr;
  return std::make_unique<Plan>(Plan{std::move(*engine), detour, bytes_of(detour, call)});
}

std::unique_ptr<GraphConvolutions::Plan> GraphConvolutions::fastest_of(Plans plans, const ConvolutionCall& call,
                                                                       const std::string& question) {
  if (plans.empty()) return nullptr;
  // Trying writes results, and this one may hold what is to be added to. Without memory for another, the heuristics
  // decide.
  DeviceMemory other;
  ConvolutionCall trial_call = call;
  if (call.adds) {
    if (!try_allocate(other, static_cast<size_t>(call.result().bytes()))) return std::move(plans.front());
    trial_call.result().data = other;
  }
  size_t largest = 0;
  for (const auto& plan : plans) largest = std::max(largest, plan->workspace());
  const Trial trial(largest);
  const auto best = fastest(context_.stream, plans.size(), [&](size_t i) {
    return plans[i]->workspace() <= trial.bytes() &&
           queue(*plans[i], trial_call, trial.memory()) == CUDNN_STATUS_SUCCESS;
  });
  if (!best) return nullptr;
  if (trial.is_whole()) context_.choices.keep(question, plans[*best]->choice());
  return std::move(plans[*best]);
}

}  // namespace margincore
