#include "train/head_loss.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "backend/memory.h"

namespace margincore {

namespace {

template <class T>
Buffer uploaded(Backend& backend, const std::vector<T>& values) {
  Buffer buffer(backend, values.size() * sizeof(T));
  check(backend.upload(buffer.data(), values.data(), buffer.bytes()));
  return buffer;
}

std::vector<float> downloaded(Backend& backend, const Tensor& tensor) {
  std::vector<float> values(tensor.count());
  check(backend.download(values.data(), tensor.data, tensor.bytes()));
  return values;
}

/// A head's buffers in an arena of their own.
struct StandaloneHead {
  ActivationPlan plan;
  HeadPass pass;
  Buffer arena;

  StandaloneHead(Backend& backend, const Head& head, int64_t batch, bool training)
      : pass(head, batch, training, plan, 0, 0) {
    plan.arrange();
    arena = Buffer(backend, plan.bytes());
    pass.bind(backend, plan, arena.data());
  }
};

/// Of the device and, for the results, of the host.
size_t memory_of(const HeadLossRequest& request, const Head& head, const ParameterTable& table) {
  const int64_t batch = static_cast<int64_t>(request.labels.size());
  int64_t floats = table.size() + table.trained().count;  // parameters and gradients
  floats += 3 * batch * head.embedding_size();            // features, their gradients, and these as a result
  floats += 4 * batch * head.num_classes();               // logits shown, and three results
  floats += head.num_classes() * head.embedding_size();   // gradients of the class weights as a result
  size_t bytes = floats * sizeof(float);
  for (const bool training : {true, false}) {
    ActivationPlan plan;
    const HeadPass pass(head, batch, training, plan, 0, 0);
    plan.arrange();
    bytes += plan.bytes();
  }
  return bytes;
}

/// The rows by direction; a row of zeros stays one.
std::vector<float> unit_rows(std::vector<float> rows, int64_t size) {
  for (auto row = rows.begin(); row != rows.end(); row += size) {
    double squares = 0;
    std::for_each(row, row + size, [&](float value) { squares += double{value} * value; });
    const double factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
    std::for_each(row, row + size, [&](float& value) { value = static_cast<float>(value * factor); });
  }
  return rows;
}

}  // namespace

HeadLossResult head_loss(const HeadLossRequest& request) {
  const BackendPtr owner = open_backend(request.backend, request.options);
  Backend& backend = *owner;
  ParameterTable table;
  const Head head(request.head, request.embedding_size, table);
  table.arrange();
  expect_memory(backend, memory_of(request, head, table),
                format("%zu samples, %lld classes, embedding %lld", request.labels.size(),
                       static_cast<long long>(head.num_classes()), static_cast<long long>(head.embedding_size())));
  Parameters parameters(backend, table, std::nullopt);
  parameters.allocate_gradients();
  const auto write = [&](const char* name, const std::vector<float>& values) {
    parameters.write_value(name, values.data(), static_cast<int64_t>(values.size()));
  };
  const bool fixed = request.head.fixed_weights;
  write("head.weight", fixed ? unit_rows(request.weights, request.embedding_size) : request.weights);
  if (!request.bias.empty()) write("head.bias", request.bias);
  if (request.head.learn_scale) write("head.scale", {request.head.scale});
  if (!request.centers.empty()) write("head.centers", request.centers);

  const int64_t batch = static_cast<int64_t>(request.labels.size());
  const Buffer x = uploaded(backend, request.features), labels = uploaded(backend, request.labels);
  const Buffer dx(backend, x.bytes()), shown(backend, batch * head.num_classes() * sizeof(float));
  StepBlock block{};
  block.lambda = request.lambda;
  block.margin_ramp = 1;
  const Buffer step = uploaded(backend, std::vector<StepBlock>{block});
  const Buffer report(backend, sizeof(StepReport)), halted(backend, sizeof(int32_t));
  check(backend.zero(halted.data(), halted.bytes()));
  const Tensor features(x.f32(), {batch, request.embedding_size});
  const Tensor dfeatures(dx.f32(), features.shape);
  const Tensor margin_logits(shown.f32(), {batch, head.num_classes()});

  const StandaloneHead training(backend, head, batch, true), inference(backend, head, batch, false);
  const HeadStep operands{{labels.data(), DType::I32, {batch}},
                          static_cast<const StepBlock*>(step.data()),
                          static_cast<StepReport*>(report.data()),
                          static_cast<int32_t*>(halted.data()),
                          margin_logits};
  HeadLossResult result;
  for (int repetition = 0; repetition < request.repetitions; ++repetition) {
    const auto started = std::chrono::steady_clock::now();
    training.pass.train(backend, parameters, dfeatures, features, operands);
    check(backend.synchronize());
    result.seconds.push_back(std::chrono::duration<float>(std::chrono::steady_clock::now() - started).count());
  }
  training.pass.update_state(backend, parameters, operands.labels, operands.halted, {1, false, 1});

  StepReport measured;
  check(backend.download(&measured, report.data(), sizeof measured));
  result.loss = measured.loss;
  result.logits = downloaded(backend, margin_logits);
  result.scores = downloaded(backend, inference.pass.score(backend, parameters, features));
  result.cosines = downloaded(backend, inference.pass.cosines(backend, parameters, features));
  result.dfeatures = downloaded(backend, dfeatures);
  result.dweights = fixed ? std::vector<float>(request.weights.size()) : parameters.read_gradient("head.weight");
  if (request.head.bias) result.dbias = parameters.read_gradient("head.bias");
  if (request.head.learn_scale) result.dscale = parameters.read_gradient("head.scale");
  if (request.head.center_weight > 0 && !fixed) {
    result.dcenters = parameters.read_value("head.centers");
    for (size_t i = 0; i < result.dcenters.size(); ++i)
      result.dcenters[i] = (request.centers.empty() ? 0 : request.centers[i]) - result.dcenters[i];
  }
  return result;
}

}  // namespace margincore
