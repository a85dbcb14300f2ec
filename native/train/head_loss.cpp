#include "train/head_loss.h"

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
      : pass(head, batch, training, plan, 0) {
    plan.arrange();
    arena = Buffer(backend, plan.bytes());
    pass.bind(backend, plan, arena.data());
  }
};

}  // namespace

HeadLossResult head_loss(const HeadLossRequest& request) {
  const BackendPtr owner = open_backend(request.backend, request.options);
  Backend& backend = *owner;
  ParameterTable table;
  const Head head(request.head, request.embedding_size, table);
  table.arrange();
  Parameters parameters(backend, table, 0);
  parameters.allocate_gradients();
  parameters.write_value("head.weight", request.weights.data(), static_cast<int64_t>(request.weights.size()));
  if (!request.bias.empty())
    parameters.write_value("head.bias", request.bias.data(), static_cast<int64_t>(request.bias.size()));

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
  training.pass.train(backend, parameters, dfeatures, features,
                      {{labels.data(), DType::I32, {batch}}, static_cast<const StepBlock*>(step.data()),
                       static_cast<StepReport*>(report.data()), static_cast<int32_t*>(halted.data()), margin_logits});

  HeadLossResult result;
  StepReport measured;
  check(backend.download(&measured, report.data(), sizeof measured));
  result.loss = measured.loss;
  result.logits = downloaded(backend, margin_logits);
  result.scores = downloaded(backend, inference.pass.score(backend, parameters, features));
  result.cosines = downloaded(backend, inference.pass.cosines(backend, parameters, features));
  result.dfeatures = downloaded(backend, dfeatures);
  result.dweights = parameters.read_gradient("head.weight");
  if (request.head.bias) result.dbias = parameters.read_gradient("head.bias");
  if (request.head.learn_scale) result.dscale = parameters.read_gradient("head.scale");
  return result;
}

}  // namespace margincore
