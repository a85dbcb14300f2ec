#include "train/data_parallel.h"

#include <algorithm>

namespace margincore {

namespace {

bool is_shared_by_classes(ParameterGroup group) { return group == ParameterGroup::HeadShared; }

template <class Chosen>
int64_t trained_floats(const ParameterTable& table, const Chosen& is_chosen) {
  int64_t count = 0;
  for (const ParameterTable::Update& update : table.updates())
    if (is_chosen(update.group)) count += update.range.count;
  return count;
}

}  // namespace

DataParallel::DataParallel(Communicator& communicator, Backend& backend, const ParameterTable& table, const Head& head,
                           int64_t max_batch, int64_t channels)
    : communicator_(communicator),
      backend_(backend),
      head_(head),
      embedding_size_(head.embedding_size()),
      backbone_(trained_floats(table, is_backbone)),
      summed_(backbone_ + (head.is_sharded() ? trained_floats(table, is_shared_by_classes) : 0)) {
  if (backend.info().host_memory == 0)
    throw Error(ErrorCode::Unsupported,
                std::string("ranks train on the CPU alone, by now, and not on ") + backend.info().device);
  const size_t bytes = max_batch * embedding_size_ * sizeof(float);
  embeddings_ = Buffer(backend, bytes);
  gradients_ = Buffer(backend, bytes);
  if (channels > 0) moments_ = Buffer(backend, info().size * 2 * channels * sizeof(float));
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

void DataParallel::gather(Tensor labels) const {
  const int64_t batch = labels.count();
  const auto row_bytes = static_cast<int64_t>(embedding_size_ * sizeof(float));
  check(communicator_.all_gather(embeddings_.data(), sizes(batch, row_bytes).data()));
  check(communicator_.all_gather(labels.data, sizes(batch, sizeof(int32_t)).data()));
}

Tensor DataParallel::head_labels(Tensor labels) const {
  if (!head_.is_sharded()) return labels;
  const auto first = static_cast<int32_t>(head_.own_classes().first);
  auto* own = static_cast<int32_t*>(head_labels_.data());
  std::transform(labels.i32(), labels.i32() + labels.count(), own, [first](int32_t label) { return label - first; });
  return {own, DType::I32, labels.shape};
}

void DataParallel::give_gradient(Tensor own, int64_t batch) const {
  if (head_.is_sharded())
    return check(communicator_.reduce_scatter(own.f32(), gradients_.f32(), sizes(batch, embedding_size_).data()));
  check(backend_.copy(own.data, gradients_.f32() + rows(batch).first * embedding_size_, own.bytes()));
}

void DataParallel::add_gradients(const Parameters& parameters) const {
  if (summed_ > 0) add_up({parameters.gradients().f32.f32(), {summed_}});
}

void DataParallel::finish_head(const Parameters& parameters, StepReport* reports, int32_t* halted,
                               const StepBlock* step) const {
  if (!head_.is_sharded()) return;
  check(backend_.gradient_squares(totals(), parameters.sharded_gradients()));
  constexpr int64_t kTotals = sizeof(StepTotals) / sizeof(float);
  add_up({reinterpret_cast<float*>(totals()), {kTotals}});
  check(backend_.finish_report(reports, halted, totals(), step));
}

void DataParallel::take_largest(Tensor x) const { check(communicator_.all_reduce(x, Reduction::Largest)); }
void DataParallel::add_up(Tensor x) const { check(communicator_.all_reduce(x, Reduction::Sum)); }

void DataParallel::gather_parts(Tensor whole) const {
  const auto ranks = static_cast<size_t>(info().size);
  const std::vector<int64_t> bytes(ranks, static_cast<int64_t>(whole.bytes() / ranks));
  check(communicator_.all_gather(whole.data, bytes.data()));
}

void DataParallel::average(Tensor x, int64_t batch) const {
  add_up(x);
  const float share = 1 / static_cast<float>(std::min<int64_t>(batch, info().size));
  std::for_each_n(x.f32(), x.count(), [share](float& value) { value *= share; });
}

}  // namespace margincore
