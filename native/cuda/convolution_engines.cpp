#include "cuda/convolution_engines.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "cuda/convolution_context.h"

namespace margincore {

namespace {

enum Id : int64_t { kX = 'x', kW = 'w', kY = 'y' };

/// An image or a filter as cuDNN counts axes, (N, C, H, W), though C lies innermost.
GraphDescriptor describe(Id id, const Tensor& t) {
  GraphDescriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const int64_t n = t.shape[0], h = t.shape[1], w = t.shape[2], c = t.shape[3];
  made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, int64_t{id});
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, cudnn_type_of(t.dtype));
  made.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, ConvolutionGraph::kAlignment);
  made.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::vector<int64_t>{n, c, h, w});
  made.set(CUDNN_ATTR_TENSOR_STRIDES, std::vector<int64_t>{h * w * c, 1, w * c, c});
  return made;
}

GraphDescriptor describe(const Conv2d& conv) {
  GraphDescriptor made(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const auto both = [](int64_t value) { return std::vector<int64_t>{value, value}; };
  made.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  made.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  made.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2});
  made.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, both(conv.stride));
  made.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, both(conv.padding));
  made.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, both(conv.padding));
  made.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, both(1));
  return made;
}

/// What cuDNN calls an operation and its attributes.
struct OperationNames {
  cudnnBackendDescriptorType_t kind;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};

OperationNames names_of(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::Forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvolutionPass::BackwardData:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvolutionPass::BackwardFilter: break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

/// More than there are kinds of notes, or of knobs.
constexpr size_t kMost = 64;

bool may_be_taken(const GraphDescriptor& engine, const EngineFilter& filter, bool is_fp32) {
  const auto notes = engine.all<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, kMost);
  if (!notes) return false;
  for (const cudnnBackendNumericalNote_t note : *notes) {
    if (note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) return false;
    if (note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) return false;
    if (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && is_fp32 && !filter.allows_tf32) return false;
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && filter.deterministic) return false;
  }
  return true;
}

std::string choice_of(const GraphDescriptor& configuration, const GraphDescriptor& engine) {
  std::string name = std::to_string(engine.one<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX).value_or(-1));
  for (const GraphDescriptor& knob :
       configuration.get(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, kMost)) {
    const auto type = knob.one<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE);
    const auto value = knob.one<int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE);
    if (type && value) name += format(" %d=%lld", static_cast<int>(*type), static_cast<long long>(*value));
  }
  return name;
}

}  // namespace

ConvolutionGraph::ConvolutionGraph(cudnnHandle_t handle, const ConvolutionCall& call)
    : handle_(handle),
      is_fp32_(call.operand_type() == DType::F32),
      x_(describe(kX, call.x)),
      w_(describe(kW, call.w)),
      y_(describe(kY, call.y)),
      convolution_(describe(call.conv)),
      operation_(names_of(call.pass).kind),
      graph_(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR),
      is_supported_(x_.finalize() && w_.finalize() && y_.finalize() && convolution_.finalize()) {
  if (!is_supported_) return;
  const OperationNames names = names_of(call.pass);
  operation_.set(names.x, x_);
  operation_.set(names.w, w_);
  operation_.set(names.y, y_);
  operation_.set(names.convolution, convolution_);
  operation_.set(names.alpha, 1.0f);
  operation_.set(names.beta, call.adds ? 1.0f : 0.0f);
  is_supported_ = operation_.finalize();
  if (!is_supported_) return;
  graph_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
  graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation_);
  is_supported_ = graph_.finalize();
}

std::vector<GraphDescriptor> ConvolutionGraph::ranked(cudnnBackendHeurMode_t mode) const {
  GraphDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph_);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (!heuristics.finalize()) return {};
  return heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                        heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS));
}

std::vector<EnginePlan> ConvolutionGraph::best_plans(const EngineFilter& filter, size_t most) const {
  std::vector<EnginePlan> plans;
  if (!is_supported_) return plans;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (GraphDescriptor& configuration : ranked(mode)) {
      if (plans.size() == most) return plans;
      auto engine = configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
      if (engine.empty() || !may_be_taken(engine.front(), filter, is_fp32_)) continue;
      const std::string name = choice_of(configuration, engine.front());
      const auto is_same = [&](const EnginePlan& other) { return other.name == name; };
      if (std::any_of(plans.begin(), plans.end(), is_same)) continue;
      if (auto made = plan_of(configuration, name, filter)) {
        made->parts = std::move(engine);
        made->parts.push_back(std::move(configuration));
        plans.push_back(std::move(*made));
      }
    }
  }
  return plans;
}

std::optional<EnginePlan> ConvolutionGraph::plan(const std::string& name, const EngineFilter& filter) const {
  if (!is_supported_) return std::nullopt;
  std::istringstream words(name);
  int64_t number = 0;
  if (!(words >> number)) return std::nullopt;
  GraphDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph_);
  engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, number);
  if (!engine.finalize() || !may_be_taken(engine, filter, is_fp32_)) return std::nullopt;
  std::vector<GraphDescriptor> knobs;
  for (std::string word; words >> word;) {
    int type = 0;
    long long value = 0;
    if (std::sscanf(word.c_str(), "%d=%lld", &type, &value) != 2) return std::nullopt;
    GraphDescriptor& knob = knobs.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    knob.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, static_cast<cudnnBackendKnobType_t>(type));
    knob.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, int64_t{value});
    if (!knob.finalize()) return std::nullopt;
  }
  GraphDescriptor configuration(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  configuration.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!knobs.empty()) configuration.set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knobs);
  if (!configuration.finalize()) return std::nullopt;
  auto made = plan_of(configuration, name, filter);
  if (!made) return std::nullopt;
  made->parts = std::move(knobs);
  made->parts.push_back(std::move(engine));
  made->parts.push_back(std::move(configuration));
  return made;
}

std::optional<EnginePlan> ConvolutionGraph::plan_of(const GraphDescriptor& configuration, const std::string& name,
                                                    const EngineFilter& filter) const {
  GraphDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle_);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (!plan.finalize()) return std::nullopt;
  const auto workspace = plan.one<int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (!workspace || static_cast<size_t>(*workspace) > filter.most_workspace) return std::nullopt;
  return EnginePlan{name, {}, std::move(plan), static_cast<size_t>(*workspace)};
}

cudnnStatus_t ConvolutionGraph::execute(cudnnHandle_t handle, const EnginePlan& plan, const ConvolutionCall& call,
                                        void* workspace) {
  GraphDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::vector<int64_t>{kX, kW, kY});
  pack.set_pointers(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, {call.x.data, call.w.data, call.y.data});
  pack.set_pointers(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, {workspace});
  if (!pack.finalize()) return CUDNN_STATUS_BAD_PARAM;
  return GraphDescriptor::execute(handle, plan.plan, pack);
}

}  // namespace margincore
