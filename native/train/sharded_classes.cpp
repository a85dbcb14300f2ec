#include "train/sharded_classes.h"

#include <algorithm>

#include "train/data_parallel.h"

namespace margincore {

RowRange ShardedClasses::own_of(int64_t rows) const {
  return rows_of_rank(rows, ranks_.info().rank, ranks_.info().size);
}

RowRange ShardedClasses::classes_of(int32_t rank) const {
  const RowRange blocks = rows_of_rank((classes_ + block_ - 1) / block_, rank, ranks_.info().size);
  const int64_t first = blocks.first * block_;
  return {first, std::min(blocks.count * block_, classes_ - first)};
}

/// The own rows are in their place.
template <class RowsOf>
void ShardedClasses::gather(float* whole, int64_t row_size, const RowsOf& rows_of) const {
  std::vector<int64_t> bytes(ranks_.info().size);
  for (int32_t rank = 0; rank < ranks_.info().size; ++rank)
    bytes[rank] = rows_of(rank).count * row_size * static_cast<int64_t>(sizeof(float));
  check(ranks_.all_gather(whole, bytes.data()));
}

void ShardedClasses::join_rows(float* whole, const float* own_rows, int64_t row_size) const {
  std::copy_n(own_rows, own().count * row_size, whole + own().first * row_size);
  gather(whole, row_size, [this](int32_t rank) { return classes_of(rank); });
}

std::vector<float> ShardedClasses::whole_rows(const std::vector<float>& own_rows, int64_t row_size) const {
  std::vector<float> whole(classes_ * row_size);
  join_rows(whole.data(), own_rows.data(), row_size);
  return whole;
}

void ShardedClasses::join_columns(float* whole, const float* own_columns, int64_t rows) const {
  std::vector<float> blocks(classes_ * rows);  // a rank's columns after another's
  join_rows(blocks.data(), own_columns, rows);
  for (int32_t rank = 0; rank < ranks_.info().size; ++rank) {
    const RowRange columns = classes_of(rank);
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(blocks.begin() + columns.first * rows + i * columns.count, columns.count,
                  whole + i * classes_ + columns.first);
  }
}

void ShardedClasses::take_largest(std::vector<float>& values) const {
  check(ranks_.all_reduce({values.data(), {static_cast<int64_t>(values.size())}}, Reduction::Largest));
}

void ShardedClasses::join_batch(float* whole, int64_t rows, int64_t row_size) const {
  gather(whole, row_size, [&](int32_t rank) { return rows_of_rank(rows, rank, ranks_.info().size); });
}

const float* ShardedClasses::own_rows(const std::string& name, const float* whole, int64_t count,
                                      int64_t row_size) const {
  expect_count(name, static_cast<size_t>(count), classes_ * row_size);
  return whole + own().first * row_size;
}

}  // namespace margincore
