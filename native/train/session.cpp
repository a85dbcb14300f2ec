#include "train/session.h"

namespace margincore {

namespace {

NetworkSpec network_in(const SessionSpec& spec) {
  NetworkSpec network = spec.network;
  if (spec.options.precision == Precision::Bf16) network.activations = DType::BF16;
  return network;
}

}  // namespace

Session::Session(const SessionSpec& spec)
    : spec_(spec), network_(network_in(spec), table_), head_(spec.head, network_.embedding_size(), table_) {
  table_.arrange();
}

void Session::open() {
  backend_ = open_backend(spec_.backend, spec_.options);
  if (spec_.batch_size > 0) expect_memory_for_training(*backend_, plan(), spec_.batch_size);
  parameters_ = std::make_unique<Parameters>(*backend_, table_, spec_.seed);
  predictor_ = std::make_unique<Predictor>(*backend_, network_, head_, *parameters_, spec_.normalization);
  if (spec_.batch_size > 0) {
    trainer_ = std::make_unique<Trainer>(*backend_, network_, head_, *parameters_, spec_.optimizer,
                                         spec_.normalization, spec_.batch_size, spec_.seed);
  }
}

TrainingPlan Session::plan() const {
  return [this](int64_t batch) {
    MemoryUse use = plan_training(network_, head_, table_, spec_.optimizer, batch);
    use.dataset = 2 * batch * network_.input().count();  // at least two batches on their way
    return use;
  };
}

Trainer& Session::trainer() {
  if (!trainer_) throw Error(ErrorCode::InvalidOption, "this session does not train");
  return *trainer_;
}

StepsResult Session::run_steps(const StepsRequest& request, const std::atomic<bool>& cancelled) {
  try {
    return trainer().run(request, cancelled);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::OutOfMemory) throw;
    throw out_of_memory_in_training(*backend_, plan(), spec_.batch_size, memory(), error.what());
  }
}

PredictResult Session::predict(const PredictRequest& request, const std::atomic<bool>& cancelled) {
  return predictor_->run(request, cancelled);
}

void Session::end_training() {
  trainer_.reset();
  parameters_->release_gradients();
}

MemoryUse Session::memory() const {
  MemoryUse use;
  use.workspace = backend_->info().workspace;
  use.parameters = parameters_->value_bytes();
  use.gradients = parameters_->gradient_bytes();
  use.activations = predictor_->activation_bytes();
  if (trainer_) {
    use.optimizer = trainer_->optimizer_bytes();
    use.activations += trainer_->activation_bytes();
    use.dataset = trainer_->dataset_bytes();
    use.streamed = trainer_->streams_data();
  }
  return use;
}

}  // namespace margincore
