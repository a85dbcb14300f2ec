// The engines of cuDNN's graphs: what they say of themselves, and one convolution by one of them.
#include <array>

#include "cudnn_algorithms.h"
#include "cudnn_backend.h"

namespace margincore::cuda_sim::cudnn {
namespace {

/// The heuristics name first what a careless caller would take.
struct Engine {
  std::vector<cudnnBackendNumericalNote_t> notes;
  bool makes_plans = true;
  int64_t least_workspace = 0;
};

const Engine& engine(int64_t number) {
  static const std::array<Engine, 7> engines = {{
      {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}},  // of fp32 operands: TF32. It has a knob
      {{}},
      {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}},
      {{}, false},
      {{CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}},
      {{CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}},
      {{}, true, int64_t{1} << 29},
  }};
  if (number < 0 || number >= static_cast<int64_t>(engines.size()))
    refuse(CUDNN_STATUS_BAD_PARAM, format("there is no engine %lld", static_cast<long long>(number)));
  return engines[number];
}

bool says(int64_t number, cudnnBackendNumericalNote_t note) {
  const auto& notes = engine(number).notes;
  return std::find(notes.begin(), notes.end(), note) != notes.end();
}

/// The attributes of an operation, and its name.
struct Names {
  const char* name;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};

Names names_of(cudnnBackendDescriptorType_t operation) {
  switch (operation) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return {"forward",
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return {"backward_data",
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return {"backward_filter",
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    default: refuse(CUDNN_STATUS_BAD_PARAM, format("a descriptor of kind %d is no convolution", operation));
  }
}

struct Operand {
  int64_t id;
  cudnnDataType_t type;
  int64_t alignment;
  std::vector<int64_t> size;  // (N, C, H, W)
};

Operand operand_of(cudnnBackendDescriptor_t descriptor) {
  const BackendDescriptor& tensor = finalized(descriptor, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  return {tensor.one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID), tensor.one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE),
          tensor.one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT), tensor.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)};
}

/// An operation with all that it names.
struct Operation {
  cudnnBackendDescriptorType_t kind;
  const char* name;
  Operand x, w, y;
  Convolution shape;
  float alpha, beta;

  const Operand& result() const {
    if (kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) return y;
    return kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? x : w;
  }
  /// Of what it reads.
  cudnnDataType_t type() const { return &result() == &y ? x.type : y.type; }
};

Operation operation_of(const BackendDescriptor& operation) {
  const Names names = names_of(operation.kind);
  const auto named = [&](cudnnBackendAttributeName_t name) { return operation.one<cudnnBackendDescriptor_t>(name); };
  const BackendDescriptor& convolution = finalized(named(names.convolution), CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  Operation made{operation.kind,
                 names.name,
                 operand_of(named(names.x)),
                 operand_of(named(names.w)),
                 operand_of(named(names.y)),
                 {},
                 operation.one<float>(names.alpha),
                 operation.one<float>(names.beta)};
  const auto both = [&](cudnnBackendAttributeName_t name, int axis) {
    return static_cast<int>(convolution.all<int64_t>(name)[axis]);
  };
  const auto dims = [](const Operand& operand, int axis) { return static_cast<int>(operand.size[axis]); };
  const cudnnTensorStruct x{made.x.type, dims(made.x, 0), dims(made.x, 1), dims(made.x, 2), dims(made.x, 3)};
  const cudnnFilterStruct w{made.w.type, dims(made.w, 0), dims(made.w, 1), dims(made.w, 2), dims(made.w, 3)};
  const cudnnConvolutionStruct set{both(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0),
                                   both(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 1),
                                   both(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 0),
                                   both(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 1),
                                   both(CUDNN_ATTR_CONVOLUTION_DILATIONS, 0),
                                   both(CUDNN_ATTR_CONVOLUTION_DILATIONS, 1),
                                   x.c / std::max(1, w.c),  // groups follow from the channels
                                   CUDNN_DEFAULT_MATH};
  made.shape = shape_of(x, w, set);
  return made;
}

Operation operation_of_graph(cudnnBackendDescriptor_t graph) {
  const auto& found = finalized(graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  return operation_of(descriptor_of(found.one<cudnnBackendDescriptor_t>(CUDNN_ATTR_OPERATIONGRAPH_OPS)));
}

const Configuration& configuration_of(const BackendDescriptor& plan) {
  return finalized(plan.one<cudnnBackendDescriptor_t>(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG),
                   CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
      .configuration;
}

Rounding rounding_of(int64_t number, cudnnDataType_t type) {
  if (type != CUDNN_DATA_FLOAT) return Rounding::None;
  if (says(number, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)) return Rounding::Bf16;
  if (says(number, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)) return Rounding::Bf16;
  return says(number, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) && settings().capability >= 80 ? Rounding::Tf32
                                                                                       : Rounding::None;
}

template <class Direction>
void queue_by(cudnnHandle_t handle, const Operation& operation, const Configuration& configuration, const void* first,
              const void* second, void* out, void* workspace, int64_t bytes) {
  const auto slow = std::chrono::milliseconds(configuration.engine == settings().slow_engine ? 2 : 0);
  queue<Direction>(handle->stream,
                   {operation.shape, element_of(operation.type()), rounding_of(configuration.engine, operation.type()),
                    CUDNN_DEFAULT_MATH},
                   {first, second, out, element_of(operation.result().type), operation.alpha, operation.beta,
                    !says(configuration.engine, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC), workspace,
                    static_cast<size_t>(bytes), static_cast<size_t>(bytes), slow});
}

}  // namespace

void check_tensor(const BackendDescriptor& tensor) {
  const auto size = tensor.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto strides = tensor.all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  if (*std::min_element(size.begin(), size.end()) <= 0) refuse(CUDNN_STATUS_BAD_PARAM, "a dimension is not positive");
  if (strides != std::vector<int64_t>{size[2] * size[3] * size[1], 1, size[3] * size[1], size[1]})
    refuse(CUDNN_STATUS_NOT_SUPPORTED, "only the strides of dense NHWC are simulated");
}

void check_convolution(const BackendDescriptor& convolution) {
  if (convolution.one<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) != CUDNN_DATA_FLOAT ||
      convolution.one<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION ||
      convolution.one<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) != 2 ||
      convolution.all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS) !=
          convolution.all<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS))
    refuse(CUDNN_STATUS_NOT_SUPPORTED, "only evenly padded cross-correlation of images in fp32 is simulated");
}

void check_operation(const BackendDescriptor& descriptor) {
  const Operation operation = operation_of(descriptor);
  const Convolution& s = operation.shape;
  if (operation.y.size != std::vector<int64_t>{s.images, s.filters, s.out_height, s.out_width})
    refuse(CUDNN_STATUS_BAD_PARAM, "y is not what the convolution gives");
  for (const Operand* operand : {&operation.x, &operation.w, &operation.y})
    if (operand != &operation.result() && operand->type != operation.type())
      refuse(CUDNN_STATUS_BAD_PARAM, "the operands are of different types");
}

void check_engine(int64_t number) { engine(number); }

void check_configuration(const Configuration& configuration) {
  for (const auto& [type, value] : configuration.knobs)
    if (configuration.engine != 0 || type != CUDNN_KNOB_TYPE_TILE_SIZE || value < 0 || value > 1)
      refuse(CUDNN_STATUS_NOT_SUPPORTED,
             format("engine %lld has no knob %d of value %lld", static_cast<long long>(configuration.engine), type,
                    static_cast<long long>(value)));
}

void check_plan(const BackendDescriptor& plan) {
  const Configuration& configuration = configuration_of(plan);
  const Operation operation = operation_of_graph(configuration.graph);
  if (!settings().has_engines || !engine(configuration.engine).makes_plans)
    refuse(CUDNN_STATUS_NOT_SUPPORTED,
           format("engine %lld does not support this", static_cast<long long>(configuration.engine)));
  element_of(operation.type());
  // As the kernels that are compiled at run time: a result of another type from Hopper on.
  if (operation.result().type != operation.type() && (settings().capability < 90 || configuration.engine != 0))
    refuse(CUDNN_STATUS_NOT_SUPPORTED, "the result must be of its operands' type");
}

void check_variant_pack(const BackendDescriptor& pack) {
  if (pack.attributes.at(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).count !=
      pack.attributes.at(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).count)
    refuse(CUDNN_STATUS_BAD_PARAM, "there must be a pointer per id");
}

std::vector<Configuration> ranked(cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode) {
  finalized(graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  const auto tile = [](int64_t size) { return std::map{std::pair{CUDNN_KNOB_TYPE_TILE_SIZE, size}}; };
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {{graph, 1, {}}, {graph, 0, tile(0)}};
  return {{graph, 4, {}}, {graph, 5, {}},      {graph, 6, {}},     {graph, 3, {}},
          {graph, 2, {}}, {graph, 0, tile(1)}, {graph, 0, tile(0)}};
}

std::vector<cudnnBackendNumericalNote_t> notes_of(int64_t number) { return engine(number).notes; }

/// Never 0, and different for every shape, engine and knob, so that one which is too small is found.
int64_t workspace_of(const BackendDescriptor& plan) {
  const Configuration& configuration = configuration_of(plan);
  const Convolution shape = operation_of_graph(configuration.graph).shape;
  int64_t bytes = 512 * (1 + configuration.engine) + shape.x_count() + engine(configuration.engine).least_workspace;
  for (const auto& [type, value] : configuration.knobs) bytes += 4096 * (1 + value);
  return bytes;
}

void execute(cudnnHandle_t handle, const BackendDescriptor& plan, const BackendDescriptor& pack) {
  const Configuration& configuration = configuration_of(plan);
  const Operation operation = operation_of_graph(configuration.graph);
  const auto ids = pack.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  if (ids.size() != 3) refuse(CUDNN_STATUS_BAD_PARAM, format("%zu operands, where 3 are needed", ids.size()));
  const auto pointer_of = [&](const Operand& operand) {
    const auto found = std::find(ids.begin(), ids.end(), operand.id);
    if (found == ids.end())
      refuse(CUDNN_STATUS_BAD_PARAM, format("operand %lld is missing", static_cast<long long>(operand.id)));
    void* pointer = pointers[found - ids.begin()];
    if (reinterpret_cast<uintptr_t>(pointer) % operand.alignment != 0)
      refuse(CUDNN_STATUS_BAD_PARAM, format("%p is not aligned as its descriptor says", pointer));
    return pointer;
  };
  void *x = pointer_of(operation.x), *w = pointer_of(operation.w), *y = pointer_of(operation.y);
  void* workspace = pack.one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  const int64_t bytes = workspace_of(plan);
  ++counters().engines[format("%s %lld", operation.name, static_cast<long long>(configuration.engine))];
  if (operation.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
    return queue_by<Forward>(handle, operation, configuration, x, w, y, workspace, bytes);
  if (operation.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
    return queue_by<BackwardData>(handle, operation, configuration, w, y, x, workspace, bytes);
  queue_by<BackwardFilter>(handle, operation, configuration, x, y, w, workspace, bytes);
}

}  // namespace margincore::cuda_sim::cudnn
