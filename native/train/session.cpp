#include "train/session.h"

#include "base/process_limits.h"
#include "nn/centroids.h"
#include "spec/augmentation.h"

namespace margincore {

namespace {

NetworkSpec network_in(const SessionSpec& spec) {
  NetworkSpec network = spec.network;
  if (spec.options.precision == Precision::Bf16) network.activations = DType::BF16;
  return network;
}

}  // namespace

Session::Layout::Layout(const SessionSpec& spec, std::optional<RowRange> own_classes, double class_share)
    : network(network_in(spec), table, spec.layer_rates),
      head(spec.head, network.embedding_size(), table, own_classes, class_share) {
  table.arrange();
}

Session::Session(const SessionSpec& spec) : spec_(spec), whole_(spec) {
  validate(spec.augmentation);
  if (spec.batch_size > 0 && table().updates().empty())
    throw Error(ErrorCode::InvalidOption,
                "there is nothing to train: no layer has parameters that are not frozen, and the head's are fixed");
  if (spec.batch_size > 0) lay_out_for_training();
}

void Session::lay_out_for_training() {
  if (!(spec_.class_share > 0 && spec_.class_share <= 1))
    throw Error(ErrorCode::InvalidOption,
                format("sampleClasses: expected a share above 0 and up to 1 but received %g", spec_.class_share));
  const bool draws = spec_.class_share < 1, shards = spec_.ranks != nullptr && spec_.shard_classes;
  if (!draws && !shards) return;
  if (!shards) {
    own_ = std::make_unique<Layout>(spec_, std::nullopt, spec_.class_share);
    return;
  }
  const int64_t classes = spec_.head.num_classes, block = draws ? class_block(classes) : 1;
  const int64_t blocks = (classes + block - 1) / block;
  if (blocks < rank_count())
    throw Error(
        ErrorCode::InvalidOption,
        draws ? format("sampleClasses: expected at most %lld processes, one for each %lld classes from which some "
                       "are drawn, but there are %d",
                       static_cast<long long>(blocks), static_cast<long long>(block), rank_count())
              : format("expected at least one class for each of %d processes to divide, but there are %lld",
                       rank_count(), static_cast<long long>(classes)));
  sharded_.emplace(*spec_.ranks, classes, block);
  own_ = std::make_unique<Layout>(spec_, sharded_->own(), spec_.class_share);
}

void Session::prepare() {
  if (prepared_) return;
  if (!backend_) backend_ = open_backend(spec_.backend, spec_.options);
  const int threads = backend_->info().threads;
  work_.use_threads(threads > 0 ? threads : usable_cores());
  if (spec_.batch_size > 0) {
    recompute_policy_ = choose_recompute_policy(
        *backend_, [&](RecomputePolicy policy) { return training_plan(policy)(spec_.batch_size); });
    expect_memory_for_training(*backend_, training_plan(recompute_policy_), spec_.batch_size);
  }
  expect_memory_for_centroids();
  if (spec_.batch_size == 0) expect_memory(*backend_, parameter_bytes(layout().table), "parameters");
  prepared_ = true;
}

/// They are sought on the host, beside the parameters where these lie there too. What training adds comes after.
void Session::expect_memory_for_centroids() {
  if (!seeks_centroids()) return;
  const HeadSpec& head = spec_.head;
  const size_t search = centroid_bytes(head.num_classes, whole_.head.embedding_size());
  const size_t beside = backend_->info().host_memory != 0 ? parameter_bytes(layout().table) : 0;
  const size_t needed = search + beside, free = memory_room().bytes;
  if (needed <= free) return;
  throw OutOfMemoryError(readable(needed) + " of host memory are needed to find the classes' centroids, and " +
                             describe_room() + ": take fewer classes or a smaller embedding",
                         needed, free, 0);
}

MemoryUse Session::plan(int64_t training_images) {
  prepare();
  MemoryUse use = planned_use();
  if (spec_.batch_size == 0) return use;
  const size_t free = free_memory(*backend_), taken = use.total() + use.workspace;
  const size_t rest = free > taken ? free - taken : 0;
  const TrainingSetUse images = plan_training_set(*backend_, training_images, input(), spec_.batch_size, rest);
  use.dataset = images.bytes;
  use.streamed = images.streamed;
  return use;
}

void Session::open(const std::atomic<bool>& cancelled) {
  prepare();
  work_.begin(static_cast<int64_t>(planned_use().total()) + centroid_operations(), cancelled);
  try {
    advising([&] { allocate(); });
  } catch (...) {
    release();
    throw;
  }
}

int64_t Session::centroid_operations() const {
  return seeks_centroids() ? centroid_work(spec_.head.num_classes, head().embedding_size()) : 0;
}

/// Without the images.
MemoryUse Session::planned_use() const {
  MemoryUse use;
  if (spec_.batch_size > 0) {
    use = plan_training(layout().network, layout().head, layout().table, spec_.optimizer, backend_->info(),
                        recompute_policy_, spec_.batch_size, rank_count());
  } else {
    use.parameters = parameter_bytes(layout().table);
  }
  use.workspace = backend_->info().workspace;
  return use;
}

void Session::allocate() {
  parameters_ = std::make_unique<Parameters>(*backend_, layout().table,
                                             spec_.draws_weights ? std::optional(spec_.seed) : std::nullopt, work_);
  if (spec_.batch_size > 0 && spec_.optimizer.average_decay > 0)
    average_ = std::make_unique<Parameters>(*parameters_, work_);
  make_predictor();
  if (spec_.batch_size > 0) {
    trainer_ = std::make_unique<Trainer>(*backend_, layout().network, layout().head, *parameters_, spec_.optimizer,
                                         spec_.normalization, spec_.batch_size, spec_.seed, recompute_policy_, work_,
                                         exchanges());
    trainer_->set_augmentation(spec_.augmentation);
    if (average_) trainer_->set_average(*average_);
    predictor_->lend(&trainer_->activations());
  }
}

/// On a device ranks exchange what lies there; all of them come together for that. On the host one alone has nothing to exchange.
RankExchanges Session::exchanges() {
  if (spec_.ranks == nullptr) return {};
  const bool on_host = backend_->info().host_memory != 0;
  if (on_host && rank_count() == 1 && !spec_.shard_classes) return {};
  if (on_host) return {spec_.ranks, nullptr, spec_.sync_batch_norm};
  void *own = nullptr, *beside = nullptr;
  check(backend_->queues(&own, &beside));
  const auto enter = [](void* backend) { return static_cast<Backend*>(backend)->enter(); };
  devices_ = join_devices(*spec_.ranks, {own, beside, enter, backend_.get()});
  const auto ask = [](void* devices, double seconds) {
    return static_cast<DeviceExchange*>(devices)->still_waiting(seconds);
  };
  backend_->watch({ask, devices_.get()});
  return {devices_.get(), devices_.get(), spec_.sync_batch_norm};
}

/// Once nothing is left that uses them.
void Session::leave_devices() {
  if (!devices_) return;
  check(backend_->synchronize());
  backend_->watch({});
  check(devices_->leave());
  devices_.reset();
}

void Session::release() {
  predictor_.reset();
  trainer_.reset();
  if (devices_) backend_->watch({});
  devices_.reset();
  average_.reset();
  parameters_.reset();
}

TrainingPlan Session::training_plan(RecomputePolicy policy) const {
  return [this, policy](int64_t batch) {
    MemoryUse use = plan_training(layout().network, layout().head, layout().table, spec_.optimizer, backend_->info(),
                                  policy, batch, rank_count());
    use.dataset = 2 * batch * input().count();  // at least two batches on their way
    return use;
  };
}

void Session::make_predictor() {
  predictor_ = std::make_unique<Predictor>(*backend_, layout().network, layout().head, parameters(),
                                           spec_.normalization, own_ && sharded_ ? &*sharded_ : nullptr);
}

void Session::take_parameters_of_first() {
  if (spec_.ranks == nullptr) return;
  for (const ParameterTable::Entry& entry : layout().table.entries()) {
    if (entry.spec.is_sharded()) continue;
    std::vector<float> values = parameters().read_value(entry.spec.name);
    check(spec_.ranks->broadcast(values.data(), static_cast<int64_t>(values.size() * sizeof(float))));
    parameters().write_value(entry.spec.name, values.data(), static_cast<int64_t>(values.size()));
  }
}

/// Of the own rows of a parameter, where it is sharded.
std::vector<float> Session::whole_of(const std::string& name, std::vector<float> values) const {
  const ParameterSpec& spec = layout().table.find(name).spec;
  return spec.is_sharded() ? sharded_->whole_rows(values, spec.shape.row_count()) : std::move(values);
}

/// The own rows of a parameter's `count` values, and then their count.
const float* Session::own_of(const std::string& name, const float* values, int64_t& count) const {
  const ParameterSpec& spec = layout().table.find(name).spec;
  if (!spec.is_sharded()) return values;
  const float* const own = sharded_->own_rows(name, values, count, spec.shape.row_count());
  count = spec.shape.count();
  return own;
}

std::vector<float> Session::read_parameter(const std::string& name) {
  return whole_of(name, parameters().read_value(name));
}

std::vector<float> Session::read_trained_parameter(const std::string& name) {
  return whole_of(name, trained_parameters().read_value(name));
}

std::vector<float> Session::read_gradient(const std::string& name) {
  return whole_of(name, trained_parameters().read_gradient(name));
}

std::vector<float> Session::read_moment(const std::string& name, int64_t moment) {
  return whole_of(name, trainer().read_moment(name, moment));
}

void Session::write_trained_parameter(const std::string& name, const float* values, int64_t count) {
  const float* const own = own_of(name, values, count);
  trained_parameters().write_value(name, own, count);
}

void Session::write_moment(const std::string& name, int64_t moment, const std::vector<float>& values) {
  auto count = static_cast<int64_t>(values.size());
  const float* const own = own_of(name, values.data(), count);
  trainer().write_moment(name, moment, {own, own + count});
}

Trainer& Session::trainer() {
  if (!trainer_) throw Error(ErrorCode::InvalidOption, "this session does not train");
  return *trainer_;
}

Parameters& Session::trained_parameters() {
  if (!parameters_) throw Error(ErrorCode::InvalidOption, "what was trained was released when training ended");
  return *parameters_;
}

void Session::write_parameter(const std::string& name, const float* values, int64_t count) {
  const float* const own = own_of(name, values, count);
  parameters().write_value(name, own, count);
  if (average_ && parameters_) parameters_->write_value(name, own, count);
}

StepsResult Session::run_steps(const StepsRequest& request, const std::atomic<bool>& cancelled) {
  StepsResult result;
  advising([&] { result = trainer().run(request, cancelled); });
  return result;
}

void Session::set_training_data(const TrainingData& data, const std::atomic<bool>& cancelled) {
  work_.begin(data.count * (input().count() + static_cast<int64_t>(sizeof(int32_t))), cancelled);
  advising([&] { trainer().set_data(data, work_); });
}

/// Where memory runs out in spite of the plan (a library's workspace, another program), the error names a smaller
/// batch.
template <class Body>
void Session::advising(const Body& body) {
  try {
    body();
  } catch (const OutOfMemoryError&) {
    throw;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::OutOfMemory || spec_.batch_size == 0) throw;
    throw out_of_memory_in_training(*backend_, training_plan(recompute_policy_), spec_.batch_size, memory(),
                                    error.what());
  }
}

PredictResult Session::predict(const PredictRequest& request, const std::atomic<bool>& cancelled) {
  return predictor_->run(request, cancelled);
}

void Session::end_training() {
  predictor_->lend(nullptr);
  trainer_.reset();
  leave_devices();
  if (average_) parameters_.reset();
  else parameters_->release_gradients();
  if (own_) take_whole_layout();
}

/// Of sharded classes: from here on each rank has all, and goes its own way.
void Session::take_whole_layout() {
  auto joined = std::make_unique<Parameters>(*backend_, whole_.table, std::nullopt);
  for (const ParameterTable::Entry& entry : whole_.table.entries()) {
    const ParameterTable::Entry& own = own_->table.find(entry.spec.name);
    const Tensor whole = joined->values_of({entry.offset, entry.spec.shape.count()});
    const Tensor values = parameters().values_of({own.offset, own.spec.shape.count()});
    const int64_t row_size = own.spec.shape.row_count();
    if (!own.spec.is_sharded()) check(backend_->copy(whole.data, values.data, values.bytes()));
    else if (backend_->info().host_memory != 0) sharded_->join_rows(whole.f32(), values.f32(), row_size);
    else
      check(backend_->upload(whole.data, whole_of(entry.spec.name, parameters().read_value(entry.spec.name)).data(),
                             whole.bytes()));
  }
  joined->refresh_bf16_twins();
  predictor_.reset();
  (average_ ? average_ : parameters_) = std::move(joined);
  own_.reset();
  make_predictor();
}

MemoryUse Session::memory() const {
  MemoryUse use;
  use.workspace = backend_->info().workspace;
  if (parameters_) use.parameters = parameters_->value_bytes();
  if (average_) use.parameters += average_->value_bytes();
  if (parameters_) use.gradients = parameters_->gradient_bytes();
  if (predictor_) use.activations = predictor_->activation_bytes();
  if (trainer_) {
    use.optimizer = trainer_->optimizer_bytes();
    use.activations += trainer_->activation_bytes();
    use.dataset = trainer_->dataset_bytes();
    use.streamed = trainer_->streams_data();
  }
  return use;
}

}  // namespace margincore
