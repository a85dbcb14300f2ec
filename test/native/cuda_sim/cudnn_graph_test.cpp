// Convolutions by cuDNN's graph interface: each engine against the older calls, and each refusal.
#include <cudnn.h>

#include <random>

#include "convolution.h"
#include "support.h"

namespace margincore::cuda_sim {
namespace {

using Descriptor = cudnnBackendDescriptor_t;

constexpr Convolution kShape = {2, 5, 6, 4, 5, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1};

/// A forward convolution up to a plan of one engine. A test may change it before `plan`.
struct Graph : Device {
  Graph() { REQUIRE(cudnnCreate(&handle) == CUDNN_STATUS_SUCCESS); }
  ~Graph() {
    for (const Descriptor one : made) CHECK(cudnnBackendDestroyDescriptor(one) == CUDNN_STATUS_SUCCESS);
    cudnnDestroy(handle);
  }

  Descriptor create(cudnnBackendDescriptorType_t kind) {
    Descriptor descriptor = nullptr;
    REQUIRE(cudnnBackendCreateDescriptor(kind, &descriptor) == CUDNN_STATUS_SUCCESS);
    made.push_back(descriptor);
    return descriptor;
  }
  template <class T>
  static cudnnStatus_t set(Descriptor descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                           std::vector<T> values) {
    return cudnnBackendSetAttribute(descriptor, name, type, static_cast<int64_t>(values.size()), values.data());
  }

  Descriptor tensor(int64_t id, std::vector<int64_t> size) {
    const Descriptor made_now = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set<int64_t>(made_now, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, {id});
    set(made_now, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{CUDNN_DATA_FLOAT});
    set<int64_t>(made_now, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, {16});
    set(made_now, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, size);
    set<int64_t>(made_now, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64,
                 {size[2] * size[3] * size[1], 1, size[3] * size[1], size[1]});
    return made_now;
  }

  /// What answers the last step.
  cudnnStatus_t operation(int64_t out_height = kShape.out_height) {
    const Descriptor x = tensor(1, {kShape.images, kShape.channels, kShape.height, kShape.width});
    const Descriptor w = tensor(2, {kShape.filters, kShape.channels, kShape.filter_height, kShape.filter_width});
    const Descriptor y = tensor(3, {kShape.images, kShape.filters, out_height, kShape.out_width});
    const Descriptor shape = create(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set(shape, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{CUDNN_DATA_FLOAT});
    set(shape, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, std::vector{CUDNN_CROSS_CORRELATION});
    set<int64_t>(shape, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, {2});
    for (const auto name : {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
                            CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_DILATIONS})
      set<int64_t>(shape, name, CUDNN_TYPE_INT64, {1, 1});
    for (const Descriptor one : {x, w, y, shape}) REQUIRE(cudnnBackendFinalize(one) == CUDNN_STATUS_SUCCESS);
    convolution = create(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    const auto name = [&](cudnnBackendAttributeName_t attribute, Descriptor named) {
      CHECK(set(convolution, attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{named}) == CUDNN_STATUS_SUCCESS);
    };
    name(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    name(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    name(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    name(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, shape);
    set<float>(convolution, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, {1});
    set<float>(convolution, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, {0});
    return cudnnBackendFinalize(convolution);
  }

  cudnnStatus_t plan(int64_t number) {
    if (convolution == nullptr) REQUIRE(operation() == CUDNN_STATUS_SUCCESS);
    graph = create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, std::vector{handle});
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{convolution});
    REQUIRE(cudnnBackendFinalize(graph) == CUDNN_STATUS_SUCCESS);
    const Descriptor engine = create(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    set(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{graph});
    set<int64_t>(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, {number});
    if (const auto status = cudnnBackendFinalize(engine); status != CUDNN_STATUS_SUCCESS) return status;
    const Descriptor configuration = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    set(configuration, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{engine});
    REQUIRE(cudnnBackendFinalize(configuration) == CUDNN_STATUS_SUCCESS);
    execution = create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set(execution, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, std::vector{handle});
    set(execution, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{configuration});
    return cudnnBackendFinalize(execution);
  }

  int64_t workspace_bytes() const {
    int64_t bytes = 0, count = 0;
    CHECK(cudnnBackendGetAttribute(execution, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                                   &bytes) == CUDNN_STATUS_SUCCESS);
    return bytes;
  }

  cudnnStatus_t execute(std::vector<int64_t> ids, std::vector<void*> pointers, void* workspace) {
    const Descriptor pack = create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids);
    set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers);
    set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, std::vector{workspace});
    if (const auto status = cudnnBackendFinalize(pack); status != CUDNN_STATUS_SUCCESS) return status;
    return cudnnBackendExecute(handle, execution, pack);
  }

  cudnnHandle_t handle = nullptr;
  Descriptor convolution = nullptr, graph = nullptr, execution = nullptr;
  std::vector<Descriptor> made;
};

std::vector<float> normals(int64_t count) {
  static std::mt19937 engine(1);
  std::vector<float> values(count);
  for (float& value : values) value = std::normal_distribution<float>()(engine);
  return values;
}

}  // namespace

TEST_CASE("engines are what they say: exact, in TF32, of reduced precision, not deterministic, without a plan") {
  const std::vector<float> x = normals(kShape.x_count()), w = normals(kShape.w_count());
  const Doubles expected = convolve_forward(kShape, x, w);
  struct Case {
    int64_t engine;
    double least, most;  // error
    bool differs;        // from call to call
  };
  for (const Case& c : {Case{0, 1e-4, 1e-2, false}, Case{1, 0, 1e-5, false}, Case{2, 0, 1e-5, true},
                        Case{4, 1e-3, 1e-1, false}, Case{5, 1e-3, 1e-1, false}}) {
    CAPTURE(c.engine);
    Graph test;
    REQUIRE(test.plan(c.engine) == CUDNN_STATUS_SUCCESS);
    const DeviceArray<float> on_x(x), on_w(w), y(kShape.y_count());
    const DeviceArray<char> workspace(test.workspace_bytes());
    std::vector<float> seen[2];
    for (auto& values : seen) {
      CHECK(test.execute({3, 1, 2}, {y.data(), on_x.data(), on_w.data()}, workspace.data()) == CUDNN_STATUS_SUCCESS);
      cudaDeviceSynchronize();
      values = y.values();
    }
    double worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(seen[0][i] - expected[i]));
    CHECK(worst >= c.least);
    CHECK(worst <= c.most);
    CHECK((seen[0] != seen[1]) == c.differs);
    CHECK(statistics().engines.at("forward " + std::to_string(c.engine)) == 2);
  }
  Graph test;
  CHECK(test.plan(3) == CUDNN_STATUS_NOT_SUPPORTED);
  CHECK(test.plan(6) == CUDNN_STATUS_SUCCESS);
  CHECK(test.workspace_bytes() > int64_t{1} << 28);
  CHECK(test.plan(7) == CUDNN_STATUS_BAD_PARAM);
}

TEST_CASE("attributes are refused that are of another descriptor, type or count, or come too late") {
  Graph test;
  const Descriptor tensor = test.tensor(1, {1, 1, 1, 1});
  CHECK(test.set<int64_t>(tensor, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, {1}) == CUDNN_STATUS_BAD_PARAM);
  CHECK(test.set<float>(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_FLOAT, {1}) == CUDNN_STATUS_BAD_PARAM);
  CHECK(test.set<int64_t>(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, {1, 1, 1}) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("has 4 to 4 elements, not 3"));
  int64_t count = 0, id = 0;
  CHECK(cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &count, &id) ==
        CUDNN_STATUS_BAD_PARAM);
  CHECK(cudnnBackendFinalize(tensor) == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnBackendFinalize(tensor) == CUDNN_STATUS_BAD_PARAM);
  CHECK(test.set<int64_t>(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, {2}) == CUDNN_STATUS_BAD_PARAM);
  CHECK(cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &count, &id) ==
        CUDNN_STATUS_SUCCESS);
  CHECK(id == 1);

  const Descriptor unfinished = test.create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK(cudnnBackendFinalize(unfinished) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("is not set"));
  const Descriptor operation = test.create(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  CHECK(test.set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                 std::vector{unfinished}) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("not finalised"));
  CHECK(test.operation(kShape.out_height + 1) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("y is not what the convolution gives"));
  CHECK(cudnnBackendDestroyDescriptor(&count) == CUDNN_STATUS_BAD_PARAM);
}

TEST_CASE("an execution refuses operands that are missing, misaligned, on the host or overlap, and small workspaces") {
  Graph test;
  REQUIRE(test.plan(1) == CUDNN_STATUS_SUCCESS);
  const DeviceArray<float> x(kShape.x_count() + 8), w(kShape.w_count()), y(kShape.y_count());
  const DeviceArray<char> workspace(test.workspace_bytes()), small(test.workspace_bytes() - 1);
  std::vector<float> on_host(kShape.x_count() + 4);
  const std::vector<int64_t> ids{1, 2, 3};
  CHECK(test.execute(ids, {x.data(), w.data(), y.data()}, workspace.data()) == CUDNN_STATUS_SUCCESS);
  CHECK(test.execute({1, 2, 4}, {x.data(), w.data(), y.data()}, workspace.data()) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("operand 3 is missing"));
  CHECK(test.execute(ids, {x.data(), w.data()}, workspace.data()) == CUDNN_STATUS_BAD_PARAM);
  CHECK(test.execute(ids, {x.data() + 1, w.data(), y.data()}, workspace.data()) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("is not aligned"));
  CHECK(test.execute(ids, {x.data(), w.data(), y.data()}, small.data()) == CUDNN_STATUS_BAD_PARAM);
  CHECK(test.execute(ids, {x.data(), w.data(), y.data()}, nullptr) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("the workspace"));
  CHECK(test.execute(ids, {x.data(), w.data(), x.data()}, workspace.data()) == CUDNN_STATUS_BAD_PARAM);
  float* host = on_host.data() + (4 - reinterpret_cast<uintptr_t>(on_host.data()) / 4 % 4) % 4;
  CHECK(test.execute(ids, {host, w.data(), y.data()}, workspace.data()) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("is not in device memory"));
  // A plan needs what it was made from.
  CHECK(cudnnBackendDestroyDescriptor(test.graph) == CUDNN_STATUS_SUCCESS);
  std::erase(test.made, test.graph);
  CHECK(test.execute(ids, {x.data(), w.data(), y.data()}, workspace.data()) == CUDNN_STATUS_BAD_PARAM);
}

TEST_CASE("a plan is executed while a stream is captured, but not made") {
  Graph test;
  REQUIRE(test.plan(1) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnSetStream(test.handle, test.stream) == CUDNN_STATUS_SUCCESS);
  const DeviceArray<float> x(kShape.x_count()), w(kShape.w_count()), y(kShape.y_count());
  const DeviceArray<char> workspace(test.workspace_bytes());
  cudaGraph_t captured = nullptr;
  cudaStreamBeginCapture(test.stream, cudaStreamCaptureModeThreadLocal);
  CHECK(test.execute({1, 2, 3}, {x.data(), w.data(), y.data()}, workspace.data()) == CUDNN_STATUS_SUCCESS);
  CHECK(cudaStreamEndCapture(test.stream, &captured) == cudaSuccess);
  cudaGraphDestroy(captured);
  cudaStreamBeginCapture(test.stream, cudaStreamCaptureModeThreadLocal);
  CHECK(test.plan(1) == CUDNN_STATUS_EXECUTION_FAILED);
  CHECK(cudaStreamEndCapture(test.stream, &captured) == cudaErrorStreamCaptureInvalidated);
}

TEST_CASE("heuristics rank configurations, which say their engines and knobs") {
  Graph test;
  REQUIRE(test.plan(1) == CUDNN_STATUS_SUCCESS);
  const Descriptor heuristics = test.create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  test.set(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{test.graph});
  test.set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, std::vector{CUDNN_HEUR_MODE_FALLBACK});
  REQUIRE(cudnnBackendFinalize(heuristics) == CUDNN_STATUS_SUCCESS);
  const auto get = [](Descriptor asked, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                      int64_t requested, void* elements) {
    int64_t count = -1;
    CHECK(cudnnBackendGetAttribute(asked, name, type, requested, &count, elements) == CUDNN_STATUS_SUCCESS);
    return count;
  };
  const auto kDescriptor = CUDNN_TYPE_BACKEND_DESCRIPTOR;
  CHECK(get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, kDescriptor, 0, nullptr) == 2);
  Descriptor results[2] = {test.create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR),
                           test.create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)};
  CHECK(get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, kDescriptor, 2, results) == 2);
  Descriptor engine = test.create(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  Descriptor knob = test.create(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
  CHECK(get(results[0], CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, kDescriptor, 1, &knob) == 0);
  CHECK(get(results[1], CUDNN_ATTR_ENGINECFG_ENGINE, kDescriptor, 1, &engine) == 1);
  CHECK(get(results[1], CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, kDescriptor, 1, &knob) == 1);
  int64_t number = -1, value = -1;
  cudnnBackendKnobType_t type{};
  cudnnBackendNumericalNote_t note = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
  CHECK(get(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &number) == 1);
  CHECK(get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, 1, &note) == 1);
  CHECK(get(knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type) == 1);
  CHECK(get(knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &value) == 1);
  CHECK(number == 0);
  CHECK(note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  CHECK(type == CUDNN_KNOB_TYPE_TILE_SIZE);
  CHECK(value == 0);
}

}  // namespace margincore::cuda_sim
