// What a training step asks of a CUDA device: nothing is allocated and nothing waited for inside a step, all is
// released at the end, and the table of its launches, library calls and bytes.
#include <doctest/doctest.h>

#include <cstdio>

#include "cuda/counting_backend.h"
#include "cuda/open_cuda.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"
#include "support/random.h"
#include "support/training_run.h"

namespace margincore::test {

namespace {

using cuda_sim::Counts;
using cuda_sim::Statistics;

constexpr int64_t kBatch = 8;

int64_t total(const Counts& counts) {
  int64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

}  // namespace

TEST_CASE("a step allocates nothing and waits for nothing; a request waits once, for its reports") {
  for (const bool streamed : {false, true}) {
    CAPTURE(streamed);
    const Opened backend = open_cuda(true);
    TrainingRun run(*backend, streamed, seed_cnn(32), kBatch);
    run.steps(5);  // one eager, one recorded, the others replayed; and so many that no buffer grows later
    cuda_sim::reset_statistics();
    run.steps(5);
    const Statistics found = cuda_sim::statistics();
    CHECK(found.allocations == 0);
    CHECK(found.frees == 0);
    CHECK(found.host_allocations == 0);
    CHECK(found.calls.count("cudaGraphLaunch") == 1);
    CHECK(found.calls.at("cudaGraphLaunch") == 5);
    CHECK(calls(found, "cudnn") == 0);  // a step is one call
    CHECK(calls(found, "cublas") == 0);
    CHECK(found.downloads == 1);
    CHECK(found.pageable_copies <= 2);  // order of the samples and reports, once per request
    // Streaming waits for the host memory of a slot, whose copy is long over.
    const int64_t slots = streamed ? 5 : 0;
    CHECK(found.synchronizations <= 1 + slots + found.pageable_copies);
  }
}

TEST_CASE("small steps are given to the device eight at a time, with the same bits as one by one") {
  const Opened backend = open_cuda(true);
  const auto parameters_after = [&](std::initializer_list<int64_t> requests) {
    TrainingRun run(*backend, false, seed_cnn(32), kBatch);
    for (const int64_t count : requests) run.steps(count);
    Floats all;
    for (const auto& entry : run.table().entries()) {
      const Floats values = run.parameters().read_value(entry.spec.name);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  };
  // All begin with the first sample again, after five steps.
  const Floats at_once = parameters_after({5, 20, 10}), one_by_one = parameters_after({5, 5, 5, 5, 5, 5, 5});
  expect_same(at_once, one_by_one);

  TrainingRun run(*backend, false, seed_cnn(32), kBatch), streamed(*backend, true, seed_cnn(32), kBatch);
  const auto launches = [](TrainingRun& run, int64_t steps) {
    cuda_sim::reset_statistics();
    run.steps(steps);
    const Statistics found = cuda_sim::statistics();
    CHECK(found.allocations == 0);
    return found;
  };
  for (TrainingRun* each : {&run, &streamed}) each->steps(20);  // makes plans and programs
  const Statistics found = launches(run, 19);
  CHECK(found.calls.at("cudaGraphLaunch") == 2 + 3);
  CHECK(found.uploads <= 2 + 3 + 1);                                // of step blocks, and the order of the samples
  CHECK(launches(streamed, 19).calls.at("cudaGraphLaunch") == 19);  // what comes from the host comes between two steps
}

TEST_CASE("whoever searches for a convolution leaves alone what it is to add to") {
  const Shape image{2, 32, 32, 8}, weights{4, 3, 3, 8}, output{2, 32, 32, 4};
  Random random(1);
  const Floats before = random.normals(image.count()), w = random.normals(weights.count());
  const Floats dy = random.normals(output.count());
  for (const bool deterministic : {false, true}) {
    for (const bool has_memory : {true, false}) {
      CAPTURE(deterministic);
      CAPTURE(has_memory);
      const Opened backend = open_cuda(deterministic);
      Device device(*backend);
      const Tensor sum = device.inout(before, image), gradient = device.output(image);
      const Tensor stored_dy = device.input(dy, output), stored_w = device.input(w, weights);
      const size_t memory = cuda_sim::settings().memory;
      // Enough for a workspace, but not for another gradient: then there is no search.
      if (!has_memory) cuda_sim::settings().memory = cuda_sim::statistics().live_bytes + image.count() * 2;
      const Status added = backend->conv2d_backward(sum, {}, {}, stored_dy, {}, stored_w, {1, 1, 1}, 1);
      cuda_sim::settings().memory = memory;
      device.call(added);
      device.call(backend->conv2d_backward(gradient, {}, {}, stored_dy, {}, stored_w, {1, 1, 1}, 0));
      Doubles expected = to_doubles(before);
      const Floats alone = device.read(gradient);
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += alone[i];
      expect_close(Op::Conv2dAddedGradient, device.read(sum), expected);
    }
  }
}

TEST_CASE("everything is released") {
  for (const bool streamed : {false, true}) {
    for (const bool deterministic : {false, true}) {
      cuda_sim::reset_statistics();
      const Statistics before = cuda_sim::statistics();
      {
        const Opened backend = open_cuda(deterministic);
        TrainingRun run(*backend, streamed, seed_cnn(32), kBatch);
        run.steps(3);
        CHECK(cuda_sim::statistics().live_bytes > before.live_bytes);
      }
      const Statistics after = cuda_sim::statistics();
      CHECK(after.live_bytes == before.live_bytes);
      CHECK(after.live_objects == before.live_objects);
      CHECK(after.allocations == after.frees);
      CHECK(after.host_allocations == after.host_frees);
    }
  }
}

namespace {

/// What a step costs, and the most that it may.
struct StepBudget {
  const char* name;
  NetworkSpec network;
  int64_t batch;
  int64_t convolutions, matmuls, kernels;
  double bytes;  // of our own operations, times the least; some of it is in a cache
};

NetworkSpec in_bf16(NetworkSpec network) {
  network.activations = DType::BF16;
  return network;
}

const StepBudget kBudgets[] = {
    // Convolutions: two forward, two filters, one data, as the images need no gradient. Matmuls: the embedding's three
    // and the head's three.
    {"the seed CNN (embedding 32)", seed_cnn(32), 8, 5, 6, 17, 1.25},
    // 20 forward, 20 filters, 19 data; the head's three matmuls.
    {"ResNet-18 on 16×16", resnet18({16, 16, 1}), 2, 59, 3, 92, 1.05},
    // The embedding and its gradient are converted, and nothing else is.
    {"ResNet-18 on 16×16, bf16", in_bf16(resnet18({16, 16, 1})), 2, 59, 3, 94, 1.05},
};

}  // namespace

TEST_CASE("launches, library calls and bytes of a step, beside the least that its operations need") {
  for (const StepBudget& budget : kBudgets) {
    CAPTURE(budget.name);
    const Opened backend = open_cuda(true);
    CountingBackend counting(*backend);
    TrainingRun run(counting, false, budget.network, budget.batch);
    run.steps(1);  // eager: operation by operation
    const std::vector<OperationBytes> operations = counting.end();
    cuda_sim::reset_statistics();
    run.steps(1);  // records, and replays once: calls are counted while it is recorded
    const Statistics found = cuda_sim::statistics();

    const int64_t convolutions = calls(found, "cudnnBackendExecute"), matmuls = calls(found, "cublasGemm");
    const int64_t kernels = total(found.launches);
    struct Row {
      int times = 0;
      int64_t least = 0, by_kernels = 0;

      void add(const OperationBytes& one) {
        ++times;
        least += one.least;
        by_kernels += one.by_kernels;
      }
      void print(const std::string& name) const {
        std::printf("  %-28s %5d %12lld %24lld\n", name.c_str(), times, static_cast<long long>(least),
                    static_cast<long long>(by_kernels));
      }
    };
    std::map<std::string, Row> table;
    Row own;  // operations that no library has a part in
    for (const OperationBytes& one : operations) {
      table[one.operation].add(one);
      if (one.operation.rfind("conv2d", 0) != 0 && one.operation.rfind("linear", 0) != 0) own.add(one);
    }
    std::printf("A training step of %s with ArcFace and Adam, batch %d:\n", budget.name,
                static_cast<int>(budget.batch));
    std::printf("  %-28s %5s %12s %24s\n", "operation", "times", "least bytes", "accessed by our kernels");
    for (const auto& [name, row] : table) row.print(name);
    own.print("without a library's part");
    std::printf("  launches: %lld convolutions, %lld matmuls, %lld kernels; one per operation would be %zu\n",
                static_cast<long long>(convolutions), static_cast<long long>(matmuls), static_cast<long long>(kernels),
                operations.size());
    for (const auto& [name, count] : found.launches)
      std::printf("    %-40s %lld\n", name.c_str(), static_cast<long long>(count));

    CHECK(convolutions == budget.convolutions);
    CHECK(matmuls == budget.matmuls);
    CHECK(kernels <= budget.kernels);
    CHECK(own.by_kernels <= budget.bytes * static_cast<double>(own.least));
    CHECK(own.by_kernels >= 0.9 * static_cast<double>(own.least));  // the count sees every access
  }
}

namespace {

/// Operations of a ResNet-18's step, by name.
std::map<std::string, int> operations_with(const Floats& rates) {
  const Opened backend = open_cuda(true);
  CountingBackend counting(*backend);
  TrainingRun run(counting, false, resnet18({16, 16, 1}), 2, rates);
  run.steps(1);
  std::map<std::string, int> times;
  for (const OperationBytes& one : counting.end()) ++times[one.operation];
  return times;
}

/// 1, but for the layers from convolution number `first` to before number `end`, counted from 0.
Floats frozen_convolutions(int first, int end) {
  Floats rates;
  int convolutions = -1;
  for (const LayerSpec& layer : resnet18({16, 16, 1}).layers) {
    convolutions += std::holds_alternative<Conv2dSpec>(layer.of);
    rates.push_back(convolutions >= first && convolutions < end ? 0 : 1);
  }
  return rates;
}

}  // namespace

TEST_CASE("for frozen layers nothing is done but what the gradients of others need") {
  struct Case {
    const char* name;
    Floats rates;
    int filters, data, norm_statistics, norm_backward, relu_backward, norm_apply;
  };
  const Case cases[] = {
      {"nothing", {}, 20, 19, 20, 20, 0, 20},
      // The stem, four convolutions, and five; behind them two convolutions read what is frozen.
      {"the stem and two stages", frozen_convolutions(0, 10), 10, 8, 10, 10, 0, 20},
      // Its five batch norms give dx, four of them behind a ReLU.
      {"the third stage", frozen_convolutions(10, 15), 15, 19, 15, 15, 4, 25},
      {"all", frozen_convolutions(0, 20), 0, 0, 0, 0, 0, 20},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    std::map<std::string, int> times = operations_with(c.rates);
    CHECK(times["conv2d_forward"] == 20);
    CHECK(times["conv2d_backward"] + times["conv2d_backward, filter"] == c.filters);
    CHECK(times["conv2d_backward"] + times["conv2d_backward, data"] == c.data);
    CHECK(times["batch_norm_stats"] == c.norm_statistics);
    CHECK(times["batch_norm_backward"] == c.norm_backward);
    CHECK(times["relu_backward"] == c.relu_backward);
    CHECK(times["batch_norm_apply"] == c.norm_apply);
    CHECK(times["running_average"] == (c.norm_statistics > 0 ? 1 : 0));
    CHECK(times["adam"] == 1);
    // The head's own: with nothing trained before it, the embedding needs no gradient.
    CHECK(times["linear_backward_weight"] == 1);
    CHECK(times["linear_backward_data"] == (c.filters > 0 ? 1 : 0));
    CHECK(times["l2_scale_backward"] == (c.filters > 0 ? 1 : 0));
    CHECK(times["global_average_pool_backward"] == (c.filters > 0 ? 1 : 0));
  }
}

TEST_CASE("clipping costs no launch, no call and no waiting") {
  const auto step_with = [](double clip_gradients) {
    OptimizerSpec optimizer;
    optimizer.clip_gradients = clip_gradients;
    const Opened backend = open_cuda(true);
    TrainingRun run(*backend, false, seed_cnn(32), kBatch, {}, optimizer);
    run.steps(1);
    cuda_sim::reset_statistics();
    run.steps(3);  // records and replays
    return cuda_sim::statistics();
  };
  const Statistics with = step_with(1e-3), without = step_with(0);
  CHECK(with.launches == without.launches);
  CHECK(with.calls == without.calls);
  CHECK(with.downloads == without.downloads);
  CHECK(with.synchronizations == without.synchronizations);
}

TEST_CASE("what a construction that fails has made is released") {
  const Statistics before = cuda_sim::statistics();
  const size_t memory = cuda_sim::settings().memory;
  for (const size_t bytes : {size_t{0}, size_t{1} << 20, size_t{31} << 20}) {
    cuda_sim::settings().memory = bytes;  // not enough for the matmuls' workspace
    BackendOptions options{};
    Backend* backend = nullptr;
    CHECK(margincore_plugin()->create(&backend, &options).code == ErrorCode::OutOfMemory);
  }
  cuda_sim::settings().memory = memory;
  const Statistics after = cuda_sim::statistics();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.live_objects == before.live_objects);
}

TEST_CASE("scores and cosines to class weights are one matmul, cosines to other centres another") {
  HeadSpec by_distance = softmax(10);
  by_distance.center_weight = 0.1f;
  for (const auto& [spec, matmuls] : {std::pair{arcface(10, 16, 0.5f), 1}, std::pair{by_distance, 2}}) {
    const Opened backend = open_cuda(true);
    ParameterTable table;
    const Head head(spec, 16, table);
    table.arrange();
    const Parameters parameters(*backend, table, 1);
    ActivationPlan plan;
    HeadPass pass(head, kBatch, false, plan, 0, 0);
    plan.arrange();
    const Buffer arena(*backend, plan.bytes()), x(*backend, kBatch * 16 * sizeof(float));
    const Buffer cosines(*backend, kBatch * 10 * sizeof(float));
    pass.bind(*backend, plan, arena.data());
    check(backend->zero(x.data(), x.bytes()));
    cuda_sim::reset_statistics();
    pass.score(*backend, parameters, {x.f32(), {kBatch, 16}}, {cosines.f32(), {kBatch, 10}});
    CHECK(calls(cuda_sim::statistics(), "cublasGemm") == matmuls);
  }
}

}  // namespace margincore::test
