// The subset of cuDNN that the CUDA backend calls: the descriptors of its graph interface.
#include "cudnn_backend.h"

#include <algorithm>

#include "streams.h"

namespace margincore::cuda_sim::cudnn {
namespace {

/// Of an attribute: whose it is, its type, how many elements it has, and whether a caller sets it.
struct Rule {
  cudnnBackendAttributeName_t name;
  cudnnBackendDescriptorType_t kind;
  cudnnBackendAttributeType_t type;
  int64_t least, most;
  bool settable = true;
};

constexpr auto kConvolutionKind = CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR;
constexpr auto kForward = CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
constexpr auto kDataGradient = CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
constexpr auto kFilterGradient = CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
constexpr auto kGraph = CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR;
constexpr auto kHeuristics = CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR;
constexpr auto kEngine = CUDNN_BACKEND_ENGINE_DESCRIPTOR;
constexpr auto kConfiguration = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
constexpr auto kKnob = CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR;
constexpr auto kPlan = CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR;
constexpr auto kPack = CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR;
constexpr auto kTensorKind = CUDNN_BACKEND_TENSOR_DESCRIPTOR;
constexpr int64_t kMany = 64;

constexpr Rule kRules[] = {
    {CUDNN_ATTR_TENSOR_UNIQUE_ID, kTensorKind, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_ATTR_TENSOR_DATA_TYPE, kTensorKind, CUDNN_TYPE_DATA_TYPE, 1, 1},
    {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kTensorKind, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_ATTR_TENSOR_DIMENSIONS, kTensorKind, CUDNN_TYPE_INT64, 4, 4},
    {CUDNN_ATTR_TENSOR_STRIDES, kTensorKind, CUDNN_TYPE_INT64, 4, 4},
    {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, kConvolutionKind, CUDNN_TYPE_DATA_TYPE, 1, 1},
    {CUDNN_ATTR_CONVOLUTION_CONV_MODE, kConvolutionKind, CUDNN_TYPE_CONVOLUTION_MODE, 1, 1},
    {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, kConvolutionKind, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_ATTR_CONVOLUTION_DILATIONS, kConvolutionKind, CUDNN_TYPE_INT64, 2, 2},
    {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, kConvolutionKind, CUDNN_TYPE_INT64, 2, 2},
    {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, kConvolutionKind, CUDNN_TYPE_INT64, 2, 2},
    {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, kConvolutionKind, CUDNN_TYPE_INT64, 2, 2},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, kForward, CUDNN_TYPE_FLOAT, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, kForward, CUDNN_TYPE_FLOAT, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, kForward, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, kForward, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, kForward, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, kForward, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, kDataGradient, CUDNN_TYPE_FLOAT, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, kDataGradient, CUDNN_TYPE_FLOAT, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, kDataGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, kDataGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, kDataGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, kDataGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, kFilterGradient, CUDNN_TYPE_FLOAT, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, kFilterGradient, CUDNN_TYPE_FLOAT, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, kFilterGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, kFilterGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, kFilterGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, kFilterGradient, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, kGraph, CUDNN_TYPE_HANDLE, 1, 1},
    {CUDNN_ATTR_OPERATIONGRAPH_OPS, kGraph, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, kHeuristics, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_ENGINEHEUR_MODE, kHeuristics, CUDNN_TYPE_HEUR_MODE, 1, 1},
    {CUDNN_ATTR_ENGINEHEUR_RESULTS, kHeuristics, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, kMany, false},
    {CUDNN_ATTR_ENGINE_OPERATION_GRAPH, kEngine, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_ENGINE_GLOBAL_INDEX, kEngine, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, kEngine, CUDNN_TYPE_NUMERICAL_NOTE, 0, kMany, false},
    {CUDNN_ATTR_ENGINECFG_ENGINE, kConfiguration, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, kConfiguration, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, kMany},
    {CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, kKnob, CUDNN_TYPE_KNOB_TYPE, 1, 1},
    {CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, kKnob, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_ATTR_EXECUTION_PLAN_HANDLE, kPlan, CUDNN_TYPE_HANDLE, 1, 1},
    {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, kPlan, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, kPlan, CUDNN_TYPE_INT64, 0, 1, false},
    {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, kPack, CUDNN_TYPE_INT64, 1, kMany},
    {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, kPack, CUDNN_TYPE_VOID_PTR, 1, kMany},
    {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, kPack, CUDNN_TYPE_VOID_PTR, 1, 1},
};

const Rule& rule_of(const BackendDescriptor& descriptor, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type) {
  for (const Rule& rule : kRules) {
    if (rule.name != name) continue;
    if (rule.kind != descriptor.kind)
      refuse(CUDNN_STATUS_BAD_PARAM, format("a descriptor of kind %d has no attribute %d", descriptor.kind, name));
    if (rule.type != type)
      refuse(CUDNN_STATUS_BAD_PARAM, format("attribute %d is of type %d, not %d", name, rule.type, type));
    return rule;
  }
  refuse(CUDNN_STATUS_NOT_SUPPORTED, format("attribute %d is not simulated", name));
}

size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_INT64: return sizeof(int64_t);
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return sizeof(void*);
    default: return 4;  // floats and enumerations
  }
}

void require_finalized(const void* elements, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const BackendDescriptor& named = descriptor_of(static_cast<const cudnnBackendDescriptor_t*>(elements)[i]);
    if (!named.finalized)
      refuse(CUDNN_STATUS_BAD_PARAM, format("a descriptor of kind %d is not finalised", named.kind));
  }
}

void check(const BackendDescriptor& descriptor) {
  switch (descriptor.kind) {
    case kTensorKind: return check_tensor(descriptor);
    case kConvolutionKind: return check_convolution(descriptor);
    case kForward:
    case kDataGradient:
    case kFilterGradient: return check_operation(descriptor);
    case kGraph: object_of(descriptor.one<cudnnHandle_t>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE), kHandle); return;
    case kHeuristics: return refuse_while_capturing();
    case kEngine: return check_engine(descriptor.one<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
    case kConfiguration: return check_configuration(descriptor.configuration);
    case kKnob: return;
    case kPlan: refuse_while_capturing(); return check_plan(descriptor);  // it may compile, and allocate
    case kPack: return check_variant_pack(descriptor);
  }
}

Configuration configuration_of(const BackendDescriptor& config) {
  const auto& engine = finalized(config.one<cudnnBackendDescriptor_t>(CUDNN_ATTR_ENGINECFG_ENGINE), kEngine);
  Configuration made{engine.one<cudnnBackendDescriptor_t>(CUDNN_ATTR_ENGINE_OPERATION_GRAPH),
                     engine.one<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX),
                     {}};
  for (const auto knob : config.all<cudnnBackendDescriptor_t>(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES)) {
    const BackendDescriptor& choice = finalized(knob, kKnob);
    made.knobs[choice.one<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE)] =
        choice.one<int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE);
  }
  return made;
}

// ---- answers --------------------------------------------------------------------------------------------------------

/// Fills the first of the caller's descriptors by fill(descriptor, element), finalises them, and says how many there are.
template <class Elements, class Fill>
int64_t give(const Elements& elements, cudnnBackendDescriptorType_t kind, int64_t requested, void* descriptors,
             Fill fill) {
  int64_t given = 0;
  for (const auto& element : elements) {
    if (given == requested) break;
    BackendDescriptor& out = descriptor_of(static_cast<cudnnBackendDescriptor_t*>(descriptors)[given++]);
    if (out.kind != kind || out.finalized) refuse(CUDNN_STATUS_BAD_PARAM, "the answer's descriptors must be new ones");
    fill(out, element);
    out.finalized = true;
  }
  return static_cast<int64_t>(elements.size());
}

template <class T>
int64_t give_values(const std::vector<T>& values, int64_t requested, void* elements) {
  const auto count = static_cast<int64_t>(values.size());
  std::copy_n(values.begin(), std::min(requested, count), static_cast<T*>(elements));
  return count;
}

int64_t answer_attribute(const BackendDescriptor& asked, cudnnBackendAttributeName_t name, int64_t requested,
                         void* elements) {
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
      return give(ranked(asked.one<cudnnBackendDescriptor_t>(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH),
                         asked.one<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE)),
                  kConfiguration, requested, elements,
                  [](BackendDescriptor& out, const Configuration& ranked) { out.configuration = ranked; });
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      return give(std::vector{asked.configuration}, kEngine, requested, elements,
                  [](BackendDescriptor& out, const Configuration& configuration) {
                    out.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, &configuration.graph, 1);
                    out.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, &configuration.engine, 1);
                  });
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES:
      return give(asked.configuration.knobs, kKnob, requested, elements, [](BackendDescriptor& out, const auto& knob) {
        out.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, &knob.first, 1);
        out.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, &knob.second, 1);
      });
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      return give_values(notes_of(asked.one<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX)), requested, elements);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      return give_values(std::vector{workspace_of(asked)}, requested, elements);
    default: {
      const Attribute& set = asked.attributes.at(name);
      const int64_t given = std::min(requested, set.count);
      if (given > 0) std::memcpy(elements, set.bytes.data(), set.bytes.size() / set.count * given);
      return set.count;
    }
  }
}

}  // namespace
}  // namespace margincore::cuda_sim::cudnn

using namespace margincore::cuda_sim;
using namespace margincore::cuda_sim::cudnn;
using margincore::format;

extern "C" {

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  return call(__func__, [&] {
    require(descriptor);
    if (std::none_of(std::begin(kRules), std::end(kRules), [&](const Rule& rule) { return rule.kind == type; }))
      refuse(CUDNN_STATUS_NOT_SUPPORTED, format("descriptors of kind %d are not simulated", type));
    *descriptor = new BackendDescriptor{type, false, {}, {}};
    add_object(*descriptor, kBackend);
  });
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  return call(
      __func__, [&] { destroy(CUDNN_STATUS_BAD_PARAM, static_cast<BackendDescriptor*>(descriptor), kBackend); },
      On::AnyDevice);
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* elements) {
  return call(__func__, [&] {
    BackendDescriptor& set = descriptor_of(descriptor);
    const Rule& rule = rule_of(set, name, type);
    if (set.finalized) refuse(CUDNN_STATUS_BAD_PARAM, "the descriptor is finalised");
    if (!rule.settable) refuse(CUDNN_STATUS_BAD_PARAM, format("attribute %d is read-only", name));
    if (count < rule.least || count > rule.most)
      refuse(CUDNN_STATUS_BAD_PARAM,
             format("attribute %d has %lld to %lld elements, not %lld", name, static_cast<long long>(rule.least),
                    static_cast<long long>(rule.most), static_cast<long long>(count)));
    if (count > 0) require(elements);
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) require_finalized(elements, count);
    set.set(name, static_cast<const char*>(elements), count * static_cast<int64_t>(size_of(type)));
    set.attributes[name].count = count;
  });
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t requested, int64_t* count,
                                       void* elements) {
  return call(__func__, [&] {
    BackendDescriptor& asked = descriptor_of(descriptor);
    rule_of(asked, name, type);
    if (!asked.finalized) refuse(CUDNN_STATUS_BAD_PARAM, "the descriptor is not finalised");
    require(count);
    if (requested > 0) require(elements);
    else if (name != CUDNN_ATTR_ENGINEHEUR_RESULTS)
      refuse(CUDNN_STATUS_BAD_PARAM, "only heuristics say how many there are");
    *count = answer_attribute(asked, name, requested, elements);
  });
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return call(__func__, [&] {
    BackendDescriptor& made = descriptor_of(descriptor);
    if (made.finalized) refuse(CUDNN_STATUS_BAD_PARAM, "the descriptor is finalised already");
    for (const Rule& rule : kRules)
      if (rule.kind == made.kind && rule.settable && rule.least > 0 && made.attributes.count(rule.name) == 0)
        refuse(CUDNN_STATUS_BAD_PARAM, format("attribute %d is not set", rule.name));
    if (made.kind == kConfiguration) made.configuration = configuration_of(made);
    check(made);
    made.finalized = true;
  });
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t variant_pack) {
  return call(__func__, [&] {
    object_of(handle, kHandle);
    execute(handle, finalized(plan, kPlan), finalized(variant_pack, kPack));
  });
}

}  // extern "C"
