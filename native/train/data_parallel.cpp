#include "train/data_parallel.h"

#include <algorithm>

namespace margincore {

namespace {

bool is_shared_by_classes(ParameterGroup group) { return group == ParameterGroup::HeadShared; }

template <class Chosen>
int64_t trained_elements(const ParameterTable& table, const Chosen& is_chosen) {
  int64_t count = 0;
  for (const ParameterTable::Update& update : table.updates())
    if (is_chosen(update.group)) count += update.range.count;
  return count;
}

/// Of the widest layer that measures its batches.
int64_t most_channels(const Network& network) {
  int64_t most = 0;
  for (const Network::Node& node : network.nodes())
    if (const auto running = node.layer->running_statistics()) most = std::max(most, running->channels);
  return most;
}

}  // namespace

DataParallel::DataParallel(const RankExchanges& ranks, Backend& backend, const Network& network,
                           const Parameters& parameters, const Head& head, int64_t max_batch)
    : exchange_(*ranks.all),
      device_(ranks.device),
      backend_(backend),
      parameters_(parameters),
      head_(head),
      embedding_size_(head.embedding_size()),
      backbone_(trained_elements(parameters.table(), is_backbone)),
      summed_(backbone_ + (head.is_sharded() ? trained_elements(parameters.table(), is_shared_by_classes) : 0)) {
  if (device_ != nullptr)
    buckets_ =
        gradient_buckets(network, parameters.table(), summed_, parameters.table().bf16_gradients(backend.info()));
  const size_t bytes = max_batch * embedding_size_ * sizeof(float);
  embeddings_ = Buffer(backend, bytes);
  gradients_ = Buffer(backend, bytes);
  if (ranks.sync_batch_norm && most_channels(network) > 0)
    moments_ = Buffer(backend, info().size * 2 * most_channels(network) * sizeof(float));
  if (!head.is_sharded()) return;
  head_labels_ = Buffer(backend, max_batch * sizeof(int32_t));
  totals_ = Buffer(backend, sizeof(StepTotals));
}

std::vector<int64_t> DataParallel::sizes(int64_t batch, int64_t row_size) const {
  std::vector<int64_t> sizes(info().size);
  for (int32_t rank = 0; rank < info().size; ++rank)
    sizes[rank] = rows_of_rank(batch, rank, info().size).count * row_size;
  return sizes;
}

/// After an exchange.
void DataParallel::settle(const Status& status) const {
  check(status);
  if (settles_ && device_ != nullptr) check(backend_.synchronize());
}

void DataParallel::gather(Tensor labels) const {
  const int64_t batch = labels.count();
  const auto row_bytes = static_cast<int64_t>(embedding_size_ * sizeof(float));
  settle(exchange_.all_gather(embeddings_.data(), sizes(batch, row_bytes).data()));
  gather_numbers(labels);
}

void DataParallel::gather_numbers(Tensor numbers) const {
  settle(exchange_.all_gather(numbers.data, sizes(numbers.count(), sizeof(int32_t)).data()));
}

Tensor DataParallel::head_labels(Tensor labels) const {
  if (!head_.is_sharded()) return labels;
  const Tensor own(head_labels_.data(), DType::I32, labels.shape);
  check(backend_.shift_labels(own, labels, static_cast<int32_t>(head_.own_classes().first)));
  return own;
}

void DataParallel::give_gradient(Tensor own, int64_t batch) const {
  if (head_.is_sharded())
    return settle(exchange_.reduce_scatter(own.f32(), gradients_.f32(), sizes(batch, embedding_size_).data()));
  check(backend_.copy(own.data, gradients_.f32() + rows(batch).first * embedding_size_, own.bytes()));
}

std::function<void(int)> DataParallel::adding_as_they_come() const {
  if (device_ == nullptr || settles_) return {};
  return [this](int node) { begin_until(node); };
}

/// Of the buckets, those that are complete after this node's backward pass.
void DataParallel::begin_until(int node) const {
  while (begun_ < buckets_.size() && buckets_[begun_].after >= node) {
    const GradientBucket& bucket = buckets_[begun_++];
    check(backend_.fork_queue());
    check(device_->add_up_beside(parameters_.gradients().part(bucket.first, bucket.count)));
  }
}

void DataParallel::add_nothing() const {
  const Gradients gradients = parameters_.gradients();
  const int64_t bf16 = std::min(gradients.bf16_count(), backbone_);
  if (bf16 > 0) check(backend_.zero(gradients.bf16.data, bf16 * size_of(DType::BF16)));
  check(backend_.zero(gradients.f32.data, (backbone_ - bf16) * sizeof(float)));
}

void DataParallel::add_gradients() const {
  if (device_ == nullptr) {
    if (summed_ > 0) add_up(parameters_.gradients().part(0, summed_));
    return;
  }
  begin_until(0);
  begun_ = 0;
  settle(backend_.join_queue());
}

void DataParallel::finish_head(const Parameters& parameters, StepReport* reports, int32_t* halted,
                               const StepBlock* step) const {
  if (!head_.is_sharded()) return;
  check(backend_.gradient_squares(totals(), parameters.sharded_gradients()));
  constexpr int64_t kTotals = sizeof(StepTotals) / sizeof(float);
  add_up({reinterpret_cast<float*>(totals()), {kTotals}});
  check(backend_.finish_report(reports, halted, totals(), step));
}

void DataParallel::take_largest(Tensor x) const { settle(exchange_.all_reduce(x, Reduction::Largest)); }
void DataParallel::add_up(Tensor x) const { settle(exchange_.all_reduce(x, Reduction::Sum)); }

void DataParallel::gather_parts(Tensor whole) const {
  const auto ranks = static_cast<size_t>(info().size);
  const std::vector<int64_t> bytes(ranks, static_cast<int64_t>(whole.bytes() / ranks));
  settle(exchange_.all_gather(whole.data, bytes.data()));
}

void DataParallel::average(Tensor x, int64_t batch) const {
  add_up(x);
  check(backend_.scale(x, 1 / static_cast<float>(std::min<int64_t>(batch, info().size))));
}

}  // namespace margincore
