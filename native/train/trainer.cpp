#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "train/memory_plan.h"

namespace margincore {

namespace {

using LongLong = long long;

/// Grows a buffer of the device; its contents are not kept.
void reserve(Backend& backend, Buffer& buffer, size_t bytes) {
  if (buffer.bytes() < bytes) buffer = Buffer(backend, bytes);
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

Trainer::Trainer(Backend& backend, const Network& network, const Head& head, Parameters& parameters,
                 const OptimizerSpec& optimizer, const Normalization& normalization, int64_t max_batch, uint64_t seed)
    : backend_(backend),
      network_(network),
      head_(head),
      parameters_(parameters),
      max_batch_(max_batch),
      seed_(seed),
      network_pass_(network, max_batch, true, plan_),
      head_pass_(head, max_batch, true, plan_, network_pass_.head_moment(), network_pass_.last_moment()),
      optimizer_(backend, optimizer, parameters),
      normalization_(backend, normalization),
      batch_labels_(backend, max_batch * sizeof(int32_t)),
      step_block_(backend, sizeof(StepBlock)),
      halted_(backend, sizeof(int32_t)) {
  parameters.allocate_gradients();
  plan_.arrange();
  arena_ = Buffer(backend, plan_.bytes());
  network_pass_.bind(plan_, arena_.data());
  head_pass_.bind(backend, plan_, arena_.data());
  check(backend.zero(halted_.data(), halted_.bytes()));
}

void Trainer::DiscardProgram::operator()(Step* step) const {
  if (step->program != nullptr) step->trainer->backend_.discard(step->program);
  delete step;
}

void Trainer::set_data(const TrainingData& data) {
  const size_t image_bytes = static_cast<size_t>(data.count * network_.input().count());
  expect_memory(backend_, image_bytes, format("%lld training images", static_cast<LongLong>(data.count)));
  steps_.clear();  // recorded steps hold the old addresses
  images_ = Buffer(backend_, image_bytes);
  labels_ = Buffer(backend_, data.count * sizeof(int32_t));
  check(backend_.upload(images_.data(), data.images, image_bytes));
  check(backend_.upload(labels_.data(), data.labels, labels_.bytes()));
  reserve(backend_, order_, data.count * sizeof(int32_t));  // an epoch at most, in steps of one sample at least
  reserve(backend_, reports_, data.count * sizeof(StepReport));
  sample_count_ = data.count;
}

void Trainer::check_request(const StepsRequest& request) const {
  if (sample_count_ == 0) throw Error(ErrorCode::InvalidData, "no training data was set");
  if (request.batch_size < 1 || request.batch_size > max_batch_)
    throw Error(ErrorCode::InvalidOption,
                format("expected a batch of 1…%lld samples but received %lld", static_cast<LongLong>(max_batch_),
                       static_cast<LongLong>(request.batch_size)));
  const int64_t samples = static_cast<int64_t>(request.order.size());
  if (request.order.empty() && request.values.empty()) return;
  const int64_t before_last = (static_cast<int64_t>(request.values.size()) - 1) * request.batch_size;
  if (request.values.empty() || samples <= before_last || samples - before_last > max_batch_)
    throw Error(ErrorCode::InvalidOption,
                format("%zu steps of %lld samples, the last of 1…%lld, cannot have %lld samples", request.values.size(),
                       static_cast<LongLong>(request.batch_size), static_cast<LongLong>(max_batch_),
                       static_cast<LongLong>(samples)));
  for (int32_t sample : request.order)
    if (sample < 0 || sample >= sample_count_)
      throw Error(ErrorCode::InvalidData, format("the order names sample %d of %lld", sample,
                                                 static_cast<LongLong>(sample_count_)));
}

StepsResult Trainer::run(const StepsRequest& request, const std::atomic<bool>& cancelled) {
  check_request(request);
  const size_t order_bytes = request.order.size() * sizeof(int32_t);
  const size_t report_bytes = request.values.size() * sizeof(StepReport);
  if (order_.bytes() < order_bytes || reports_.bytes() < report_bytes) steps_.clear();
  reserve(backend_, order_, order_bytes);
  reserve(backend_, reports_, report_bytes);
  check(backend_.upload(order_.data(), request.order.data(), order_bytes));

  StepBlock block{};
  block.seed = seed_;
  block.epoch = request.epoch;
  const int64_t samples = static_cast<int64_t>(request.order.size());
  size_t done = 0;
  for (; done < request.values.size() && !cancelled.load(std::memory_order_relaxed); ++done) {
    block.step = step_++;
    block.report_index = static_cast<int32_t>(done);
    block.learning_rate = request.values[done].learning_rate;
    block.lambda = request.values[done].lambda;
    block.margin_ramp = request.values[done].margin_ramp;
    check(backend_.upload(step_block_.data(), &block, sizeof block));
    const bool is_last = done + 1 == request.values.size();
    run_step(is_last ? samples - block.order_position : request.batch_size);
    block.order_position += request.batch_size;
  }

  StepsResult result;
  result.reports.resize(done);
  check(backend_.download(result.reports.data(), reports_.data(), done * sizeof(StepReport)));
  for (size_t i = 0; i < done; ++i) {
    const StepReport& report = result.reports[i];
    if (std::isfinite(report.loss) && std::isfinite(report.gradient_norm)) continue;
    result.non_finite = find_non_finite(report);
    result.reports.resize(i + 1);  // later steps changed nothing
    step_ -= done - i;
    check(backend_.zero(halted_.data(), halted_.bytes()));
    break;
  }
  return result;
}

/// The first step of a batch size runs eagerly, which makes the plans; the next records, all others replay.
void Trainer::run_step(int64_t batch) {
  auto& step = steps_[batch];
  if (!step) {
    step.reset(new Step{this, batch});
    check(execute(batch));
    return;
  }
  if (step->program == nullptr) {
    const auto body = [](void* context) {
      const Step& recorded = *static_cast<Step*>(context);
      return recorded.trainer->execute(recorded.batch);
    };
    check(backend_.record(&step->program, body, step.get()));
  }
  check(backend_.replay(step->program));
}

Status Trainer::execute(int64_t batch) const try {
  const auto* step = static_cast<const StepBlock*>(step_block_.data());
  auto* reports = static_cast<StepReport*>(reports_.data());
  auto* halted = static_cast<int32_t*>(halted_.data());
  const Shape& image = network_.input();
  const Tensor labels(batch_labels_.data(), DType::I32, {batch});

  GatherImages gather;
  gather.images = {images_.data(), DType::U8, {sample_count_, image[0], image[1], image[2]}};
  gather.labels = {labels_.data(), DType::I32, {sample_count_}};
  gather.order = {order_.data(), DType::I32, {static_cast<int64_t>(order_.bytes() / sizeof(int32_t))}};
  gather.scale = normalization_.scale();
  gather.shift = normalization_.shift();
  check(backend_.gather_images(network_pass_.input(batch), labels, gather, step));

  network_pass_.forward(backend_, parameters_, batch, step);
  head_pass_.train(backend_, parameters_, network_pass_.embedding_gradient(batch), network_pass_.embedding(batch),
                   {labels, step, reports, halted, {}});
  network_pass_.backward(backend_, parameters_, batch, step);
  const Tensor gradients = parameters_.gradients_of({0, parameters_.table().trained_size()});
  check(backend_.gradient_norm(reports, halted, gradients, step));
  head_pass_.update_state(backend_, parameters_, labels, halted, head_pass_.state_rates());
  optimizer_.update(backend_, parameters_, step, halted);
  return Status::success();
} catch (const Error& error) {
  // A recorded body is called back through the plugin, which no exception may cross.
  return Status::failure(error.code(), "%s", error.what());
}

/// The gradients are still those of a step with the parameters that gave the non-finite value.
std::string Trainer::find_non_finite(const StepReport& report) const {
  for (const ParameterTable::Entry& entry : parameters_.table().entries())
    if (!all_finite(parameters_.read_value(entry.spec.name))) return "parameter " + entry.spec.name;
  if (!std::isfinite(report.loss)) return "loss";
  for (const ParameterTable::Entry& entry : parameters_.table().entries())
    if (entry.spec.group != ParameterGroup::State && !all_finite(parameters_.read_gradient(entry.spec.name))) return "gradient of " + entry.spec.name;
  return "norm of the gradient";
}

}  // namespace margincore
