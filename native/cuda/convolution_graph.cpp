#include "cuda/convolution_graph.h"

#include <algorithm>

#include "cuda/fastest.h"
#include "cuda/kernels/kernels.h"
#include "cuda/trial.h"

namespace margincore {

namespace {

/// What is timed of each operation graph: what the heuristics name later is not faster.
constexpr size_t kMostTimed = 10;
constexpr std::string_view kConverted = "converted ";

bool is_aligned(const ConvolutionCall& call) {
  const auto aligned = [](const Tensor& t) {
    return reinterpret_cast<uintptr_t>(t.data) % ConvolutionGraph::kAlignment == 0;
  };
  return aligned(call.x) && aligned(call.w) && aligned(call.y);
}

/// The same call with its result in its operands' type, to be converted.
ConvolutionCall before_conversion(ConvolutionCall call, void* memory) {
  call.result() = {memory, call.operand_type(), call.result().shape};
  return call;
}

bool may_convert(const ConvolutionCall& call) { return call.result().dtype != call.operand_type(); }

}  // namespace

struct GraphConvolutions::Plan {
  EnginePlan engine;
  size_t unconverted = 0;  // bytes of a result in another type, at the workspace's beginning

  size_t workspace() const { return unconverted + engine.workspace; }
  std::string choice() const { return (unconverted > 0 ? std::string(kConverted) : "") + engine.name; }
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
  if (plan.unconverted == 0) return ConvolutionGraph::execute(context_.handle, plan.engine, call, workspace);
  const ConvolutionCall made = before_conversion(call, workspace);
  const cudnnStatus_t status =
      ConvolutionGraph::execute(context_.handle, plan.engine, made, static_cast<char*>(workspace) + plan.unconverted);
  if (status == CUDNN_STATUS_SUCCESS) cuda::convert(call.result(), made.result(), context_.stream);
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
  const EngineFilter filter{context_.deterministic, context_.allows_tf32, kMaxConvolutionWorkspace};
  Plans plans;
  const auto add = [&](const ConvolutionCall& made, size_t unconverted) {
    for (EnginePlan& engine : graph_of(made).best_plans(filter, most))
      plans.push_back(std::make_unique<Plan>(Plan{std::move(engine), unconverted}));
  };
  add(call, 0);
  // Few engines give fp32 from bf16, on some cards none, and they need not be faster.
  if (may_convert(call) && (plans.empty() || most > 1))
    add(before_conversion(call, nullptr), bytes_before_conversion(call.result(), call.operand_type()));
  return plans;
}

std::unique_ptr<GraphConvolutions::Plan> GraphConvolutions::remembered(const ConvolutionCall& call,
                                                                       const std::string& question) {
  std::optional<std::string> choice = context_.choices.find(question);
  if (!choice) return nullptr;
  const bool converts = choice->starts_with(kConverted);
  if (converts) choice->erase(0, kConverted.size());
  if (converts && !may_convert(call)) return nullptr;
  const EngineFilter filter{context_.deterministic, context_.allows_tf32, kMaxConvolutionWorkspace};
  auto engine = graph_of(converts ? before_conversion(call, nullptr) : call).plan(*choice, filter);
  if (!engine) return nullptr;
  const size_t unconverted = converts ? bytes_before_conversion(call.result(), call.operand_type()) : 0;
  return std::make_unique<Plan>(Plan{std::move(*engine), unconverted});
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
