#include "train/data_parallel.h"

#include <algorithm>

namespace margincore {

RowRange rows_of_rank(int64_t batch, int32_t rank, int32_t ranks) {
  const int64_t first = batch * rank / ranks;
  return {first, batch * (rank + 1) / ranks - first};
}

namespace {

bool is_backbone(ParameterGroup group) {
  return group == ParameterGroup::BackboneDecay || group == ParameterGroup::BackboneNoDecay;
}

/// What is trained before the head lies before what is trained of the head.
int64_t backbone_of(const ParameterTable& table) {
  int64_t count = 0;
  for (const ParameterTable::Update& update : table.updates())
    if (is_backbone(update.group)) count += update.range.count;
  return count;
}

}  // namespace

DataParallel::DataParallel(Communicator& communicator, Backend& backend, const ParameterTable& table, int64_t max_batch,
                           int64_t embedding_size)
    : communicator_(communicator), embedding_size_(embedding_size), backbone_(backbone_of(table)) {
  if (backend.info().host_memory == 0)
    throw Error(ErrorCode::Unsupported,
                std::string("ranks train on the CPU alone, by now, and not on ") + backend.info().device);
  const size_t bytes = max_batch * embedding_size * sizeof(float);
  embeddings_ = Buffer(backend, bytes);
  gradients_ = Buffer(backend, bytes);
}

void DataParallel::gather(Tensor labels) const {
  const int64_t batch = labels.count();
  std::vector<int64_t> bytes(info().size);
  const auto gather_rows = [&](void* whole, int64_t row_bytes) {
    for (int32_t rank = 0; rank < info().size; ++rank)
      bytes[rank] = rows_of_rank(batch, rank, info().size).count * row_bytes;
    check(communicator_.all_gather(whole, bytes.data()));
  };
  gather_rows(embeddings_.data(), embedding_size_ * static_cast<int64_t>(sizeof(float)));
  gather_rows(labels.data, sizeof(int32_t));
}

void DataParallel::add_gradients(const Parameters& parameters) const {
  if (backbone_ > 0) check(communicator_.all_reduce({parameters.gradients().f32.f32(), {backbone_}}));
}

void DataParallel::average(Tensor x, int64_t batch) const {
  check(communicator_.all_reduce(x));
  const float share = 1 / static_cast<float>(std::min<int64_t>(batch, info().size));
  std::for_each_n(x.f32(), x.count(), [share](float& value) { value *= share; });
}

}  // namespace margincore
