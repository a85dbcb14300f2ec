#include "train/trainer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "train/memory_plan.h"

namespace margincore {

namespace {

using LongLong = long long;

/// Steps of a device that are given to it at once where they are small: what the host does for each, an upload and a launch,
/// takes as long as some of their operations. Larger ones are given one by one, so that a run ends soon once cancelled.
constexpr int64_t kStepsAtOnce = 8;
constexpr double kSmallStep = 1e11;  // FLOPs: less than a millisecond

double flops_of_step(const Network& network, int64_t batch) {
  double forward = 0;
  for (const Network::Node& node : network.nodes()) forward += static_cast<double>(node.layer->flops());
  return 3 * forward * static_cast<double>(batch);  // backward: both operands' gradients
}

/// numbers: 4 bytes each.
Tensor part_of(const Tensor& numbers, RowRange rows) {
  return {static_cast<int32_t*>(numbers.data) + rows.first, numbers.dtype, {rows.count}};
}

/// Of images that one process has of a batch.
int64_t most_rows(const std::optional<DataParallel>& ranks, int64_t max_batch) {
  return ranks ? ranks->most_rows(max_batch) : max_batch;
}

/// Grows a buffer of the device; its contents are not kept.
void reserve(Backend& backend, Buffer& buffer, size_t bytes) {
  if (buffer.bytes() < bytes) buffer = Buffer(backend, bytes);
}

/// Work of these steps (counted from 1), whose failure says so.
template <class Body>
void naming(uint64_t first, uint64_t last, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    const std::string steps = first < last ? "steps " + std::to_string(first) + " to " + std::to_string(last)
                                           : "step " + std::to_string(last);
    throw Error(error.code(), steps + ": " + error.what());
  }
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

Trainer::Trainer(Backend& backend, const Network& network, const Head& head, Parameters& parameters,
                 const OptimizerSpec& optimizer, const Normalization& normalization, int64_t max_batch, uint64_t seed,
                 RecomputePolicy policy, const Work& work, const RankExchanges& ranks)
    : backend_(backend),
      network_(network),
      head_(head),
      parameters_(parameters),
      ranks_(ranks.all == nullptr
                 ? std::nullopt
                 : std::make_optional<DataParallel>(ranks, backend, network, parameters, head, max_batch)),
      max_batch_(max_batch),
      seed_(seed),
      network_pass_(network, most_rows(ranks_, max_batch), policy, backend.info(), plan_),
      head_pass_(head, max_batch, true, plan_, network_pass_.head_moment(), network_pass_.last_moment()),
      optimizer_(backend, optimizer, parameters, work),
      normalization_(backend, normalization),
      batch_labels_(backend, max_batch * sizeof(int32_t)),
      step_blocks_(backend, kStepsAtOnce * sizeof(StepBlock)),
      halted_(backend, sizeof(int32_t)) {
  if (head.draw()) sampling_.emplace(backend, head, max_batch);
  parameters.allocate_gradients(work);
  plan_.arrange();
  arena_ = Buffer(backend, plan_.bytes());
  clear(backend, arena_.data(), static_cast<int64_t>(arena_.bytes()), work);
  network_pass_.bind(plan_, arena_.data());
  head_pass_.bind(backend, plan_, arena_.data());
  check(backend.zero(halted_.data(), halted_.bytes()));
}

void Trainer::DiscardProgram::operator()(Steps* steps) const {
  if (steps->program != nullptr) steps->trainer->backend_.discard(steps->program);
  delete steps;
}

void Trainer::set_augmentation(const Augmentation& augmentation) {
  steps_.clear();  // recorded steps hold the old one
  augmentation_ = augmentation;
  if (!mixes_images(augmentation)) return;
  if (head_.is_sharded())
    throw Error(ErrorCode::Unsupported,
                "augmentation: mixup and cutmix need a head that each process has whole, and this one is sharded: the "
                "rows of two labels are not put together");
  if (sampling_)
    throw Error(
        ErrorCode::InvalidOption,
        "sampleClasses: expected all classes to be compared beside mixup and cutmix, whose images have two labels");
  if (!takes_two_labels(head_.spec()))
    throw Error(
        ErrorCode::InvalidOption,
        "augmentation: expected no mixup and no cutmix beside scaled batch norm of the logits, or a distance to "
        "class centres in the loss: these take one label");
  mixed_labels_ = Buffer(backend_, max_batch_ * sizeof(int32_t));
  mixed_share_ = Buffer(backend_, max_batch_ * sizeof(float));
}

void Trainer::set_data(const TrainingData& data, const Work& work) {
  steps_.clear();  // recorded steps hold the old addresses
  data_.reset();   // before the next is made: both need not fit
  if (sampling_) labels_.assign(data.labels, data.labels + data.count);
  // Of ranks one more, with which the first is mixed.
  data_ = std::make_unique<TrainingSet>(backend_, data, network_.input(),
                                        most_rows(ranks_, max_batch_) + (ranks_ ? 1 : 0), work);
  reserve(backend_, reports_, data.count * sizeof(StepReport));  // an epoch at most, in steps of one sample at least
}

std::vector<float> Trainer::read_moment(const std::string& name, int64_t moment) const {
  return optimizer_.read_moment(backend_, parameters_.table(), name, moment);
}

void Trainer::write_moment(const std::string& name, int64_t moment, const std::vector<float>& values) {
  optimizer_.write_moment(backend_, parameters_.table(), name, moment, values);
}

void Trainer::check_request(const StepsRequest& request) const {
  if (!data_) throw Error(ErrorCode::InvalidData, "no training data was set");
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
    if (sample < 0 || sample >= data_->count())
      throw Error(ErrorCode::InvalidData,
                  format("the order names sample %d of %lld", sample, static_cast<LongLong>(data_->count())));
  if (sampling_) expect_room(request);
}

/// Among the classes that a step draws, for those of its images.
void Trainer::expect_room(const StepsRequest& request) const {
  const auto steps = static_cast<int64_t>(request.values.size());
  std::vector<int32_t> labels;
  for (int64_t step = 0; step < steps; ++step) {
    const auto begin = request.order.begin() + step * request.batch_size;
    labels.clear();
    std::transform(begin, step + 1 < steps ? begin + request.batch_size : request.order.end(),
                   std::back_inserter(labels), [this](int32_t sample) { return labels_[sample]; });
    sampling_->expect_room(labels);
  }
}

StepsResult Trainer::run(const StepsRequest& request, const std::atomic<bool>& cancelled) {
  check_request(request);
  const size_t report_bytes = request.values.size() * sizeof(StepReport);
  const void *order = data_->sources().order.data, *reports = reports_.data();
  data_->begin(request.order);
  reserve(backend_, reports_, report_bytes);
  if (data_->sources().order.data != order || reports_.data() != reports) steps_.clear();

  StepBlock block{};
  block.seed = seed_;
  block.epoch = request.epoch;
  const int64_t samples = static_cast<int64_t>(request.order.size()), all = static_cast<int64_t>(request.values.size());
  const uint64_t before = step_;
  int64_t done = 0;
  while (done < all && !cancelled.load(std::memory_order_relaxed)) {
    const int64_t count = steps_at_once(request, done), first = done * request.batch_size;
    const int64_t batch = done + count == all && count == 1 ? samples - first : request.batch_size;
    std::array<StepBlock, kStepsAtOnce> blocks;
    naming(step_ + 1, step_ + count, [&] {
      for (int64_t i = 0; i < count; ++i, ++done) {
        const StepValues& values = request.values[done];
        block.step = step_++;
        block.report_index = static_cast<int32_t>(done);
        block.learning_rate = values.learning_rate;
        block.momentum = values.momentum.value_or(optimizer_.momentum());
        block.lambda = values.lambda;
        block.margin_ramp = values.margin_ramp;
        const RowRange own = own_rows(batch);
        block.order_position = own.count > 0 ? open_rows(first + i * batch, batch) : 0;
        blocks[i] = block;
      }
      check(backend_.upload(step_blocks_.data(), blocks.data(), count * sizeof(StepBlock)));
      run_steps(batch, count);
      if (average_ != nullptr)
        optimizer_.average(backend_, *average_, parameters_, step_, static_cast<const int32_t*>(halted_.data()));
      if (own_rows(batch).count > 0) data_->close();
    });
  }

  if (average_ != nullptr) average_->refresh_bf16_twins();

  StepsResult result;
  result.reports.resize(done);
  // What steps queued fails here at the latest.
  naming(before + 1, step_,
         [&] { check(backend_.download(result.reports.data(), reports_.data(), done * sizeof(StepReport))); });
  for (int64_t i = 0; i < done; ++i) {
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

/// The own rows of a step, and with them that before the first, where images are mixed. Returns their order_position.
int64_t Trainer::open_rows(int64_t first, int64_t batch) {
  const RowRange own = own_rows(batch);
  const bool has_partners = own.count == batch || !mixes_images(augmentation_);
  const int64_t begin = first + own.first;
  return data_->open(begin, own.count, has_partners ? std::nullopt : std::optional(begin + row_before(own, batch)));
}

/// Counted from the first of the rows.
int64_t Trainer::row_before(RowRange own, int64_t batch) { return own.first > 0 ? -1 : batch - 1; }

MixedRows Trainer::mixed_rows(int64_t batch) const {
  const RowRange own = own_rows(batch);
  if (own.count == batch) return all_mixed_rows(batch);
  return {batch, data_->is_streamed() ? own.count : row_before(own, batch)};
}

/// How many steps from here on are one program. What is done between two steps, for data that come from the host or for an
/// average, is no part of it.
int64_t Trainer::steps_at_once(const StepsRequest& request, int64_t done) const {
  if (backend_.info().host_memory != 0 || data_->is_streamed() || average_ != nullptr) return 1;
  const int64_t batch = request.batch_size, all = static_cast<int64_t>(request.values.size());
  const bool last_is_whole = static_cast<int64_t>(request.order.size()) == all * batch;
  const int64_t whole = all - done - (last_is_whole ? 0 : 1);
  const bool is_planned = steps_.count({batch, 1}) > 0;
  return is_planned && whole >= kStepsAtOnce && flops_of_step(network_, batch) < kSmallStep ? kStepsAtOnce : 1;
}

/// The first step of a batch size runs eagerly, which makes the plans; the next records, all others replay.
void Trainer::run_steps(int64_t batch, int64_t count) {
  auto& steps = steps_[{batch, count}];
  if (!steps) {
    steps.reset(new Steps{this, batch, count});
    if (count == 1) {
      if (ranks_) ranks_->settle_each(true);
      check(execute(*steps));
      if (ranks_) ranks_->settle_each(false);
      return;
    }
  }
  if (steps->program == nullptr) {
    const auto body = [](void* context) {
      const Steps& recorded = *static_cast<Steps*>(context);
      return recorded.trainer->execute(recorded);
    };
    check(backend_.record(&steps->program, body, steps.get()));
  }
  check(backend_.replay(steps->program));
}

Status Trainer::execute(const Steps& steps) const try {
  const auto* blocks = static_cast<const StepBlock*>(step_blocks_.data());
  for (int64_t i = 0; i < steps.count; ++i) execute_step(steps.batch, blocks + i);
  return Status::success();
} catch (const Error& error) {
  // A recorded body is called back through the plugin, which no exception may cross.
  return Status::failure(error.code(), "%s", error.what());
}

void Trainer::execute_step(int64_t batch, const StepBlock* step) const {
  auto* reports = static_cast<StepReport*>(reports_.data());
  auto* halted = static_cast<int32_t*>(halted_.data());
  const Tensor labels(batch_labels_.data(), DType::I32, {batch});
  const RowRange own = own_rows(batch);

  HeadStep head_step = {labels, step, reports, halted, {}, network_pass_.needs_embedding_gradient()};
  GatherImages gather = data_->sources();
  gather.scale = normalization_.scale();
  gather.shift = normalization_.shift();
  gather.augmentation = augmentation_;
  if (mixes_images(augmentation_)) {
    head_step.mixed_labels = Tensor(mixed_labels_.data(), DType::I32, {batch});
    head_step.mixed_share = Tensor(mixed_share_.f32(), {batch});
    gather.mixed_rows = mixed_rows(batch);
    gather.mixed_labels = part_of(head_step.mixed_labels, own);
    gather.mixed_share = part_of(head_step.mixed_share, own);
  }
  if (own.count > 0) {
    check(backend_.gather_images(network_pass_.input(own.count), part_of(labels, own), gather, step));
  }
  std::optional<SharedBatch> shared;
  if (ranks_ && ranks_->syncs_batch_norm()) shared.emplace(SharedBatch{*ranks_, batch});
  const SharedBatch* const together = shared ? &*shared : nullptr;
  const bool takes_part = own.count > 0 || shared;
  if (takes_part) network_pass_.forward(backend_, parameters_, own, step, together);
  run_head(batch, head_step);
  if (own.count == 0) ranks_->add_nothing();  // before gradients are added up, as layers are passed
  if (takes_part)
    network_pass_.backward(backend_, parameters_, own, step, together,
                           ranks_ ? ranks_->adding_as_they_come() : std::function<void(int)>());
  if (ranks_) {
    share_gradients(batch);
    ranks_->finish_head(parameters_, reports, halted, step);
  }
  optimizer_.measure(backend_, parameters_, reports, halted, ranks_ ? ranks_->totals() : nullptr, step);
  network_pass_.update_state(backend_, parameters_, halted);
  head_pass_.update_state(backend_, parameters_, head_labels(labels), halted, head_pass_.state_rates());
  optimizer_.update(backend_, parameters_, step, halted);
  if (sampling_) sampling_->end(backend_, parameters_, optimizer_);
}

/// Loss, and the gradient of the own rows' embeddings.
void Trainer::run_head(int64_t batch, HeadStep step) const {
  const RowRange own = own_rows(batch);
  const Tensor own_x = network_pass_.embedding(own.count), own_dx = network_pass_.embedding_gradient(own.count);
  if (ranks_) {
    check(backend_.copy(ranks_->embeddings(batch).f32() + own.first * network_.embedding_size(), own_x.data,
                        own_x.bytes()));
    ranks_->gather(step.labels);
    for (const Tensor& second : {step.mixed_labels, step.mixed_share})
      if (second) ranks_->gather_numbers(second);
    step.labels = ranks_->head_labels(step.labels);
  }
  if (sampling_) {
    sampling_->begin(backend_, parameters_, optimizer_, step.labels, step.step);
    step.labels = sampling_->places(batch);
    step.drawn = sampling_->drawn();
  }
  if (head_.is_sharded()) {
    step.exchange = &*ranks_;
    step.totals = ranks_->totals();
    check(backend_.zero(step.totals, sizeof *step.totals));
  }
  const Tensor x = ranks_ ? ranks_->embeddings(batch) : own_x, dx = ranks_ ? ranks_->gradients(batch) : own_dx;
  head_pass_.train(backend_, parameters_, dx, x, step);
  if (ranks_ && step.needs_dx) ranks_->give_gradient(own_dx, batch);
}

/// Of the batch, as the head has counted them.
Tensor Trainer::head_labels(Tensor labels) const {
  if (sampling_) return sampling_->places(labels.count());
  return ranks_ ? ranks_->head_labels(labels) : labels;
}

void Trainer::share_gradients(int64_t batch) const {
  ranks_->add_gradients();
  const Tensor statistics = network_pass_.batch_statistics();
  if (!statistics || ranks_->syncs_batch_norm()) return;
  if (own_rows(batch).count == 0) check(backend_.zero(statistics.data, statistics.bytes()));
  ranks_->average(statistics, batch);
}

/// The gradients are still those of a step with the parameters that gave the non-finite value.
std::string Trainer::find_non_finite(const StepReport& report) const {
  for (const ParameterTable::Entry& entry : parameters_.table().entries())
    if (!all_finite(parameters_.read_value(entry.spec.name))) return "parameter " + entry.spec.name;
  if (!std::isfinite(report.loss)) return "loss";
  for (const ParameterTable::Entry& entry : parameters_.table().entries())
    if (entry.spec.is_updated() && !all_finite(parameters_.read_gradient(entry.spec.name)))
      return "gradient of " + entry.spec.name;
  return "norm of the gradient";
}

}  // namespace margincore
