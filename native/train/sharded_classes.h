// What ranks have of classes that are sharded among them, put together.
#pragma once

#include <vector>

#include "comm/communicator.h"
#include "nn/parameters.h"

namespace margincore {

class ShardedClasses {
 public:
  /// Cut between blocks of so many.
  ShardedClasses(Communicator& ranks, int64_t classes, int64_t block = 1)
      : ranks_(ranks), classes_(classes), block_(block) {}

  RowRange own() const { return classes_of(ranks_.info().rank); }
  /// Of the rows of a batch.
  RowRange own_of(int64_t rows) const;
  // Called by all ranks, in the same order.

  /// whole (classes, row_size) := of which each rank has its own rows.
  void join_rows(float* whole, const float* own, int64_t row_size) const;
  std::vector<float> whole_rows(const std::vector<float>& own, int64_t row_size) const;
  /// whole (rows, classes) := what ranks have of its columns; own (rows, own classes).
  void join_columns(float* whole, const float* own, int64_t rows) const;
  /// Element by element, of all ranks.
  void take_largest(std::vector<float>& values) const;
  /// whole (rows, row_size): of which each rank has its part of the rows, as rows_of_rank says, in place.
  void join_batch(float* whole, int64_t rows, int64_t row_size) const;

  /// The own part of (classes, row_size), of so many values altogether. Throws ShapeMismatch where they are others.
  const float* own_rows(const std::string& name, const float* whole, int64_t count, int64_t row_size) const;

 private:
  RowRange classes_of(int32_t rank) const;
  template <class RowsOf>
  void gather(float* whole, int64_t row_size, const RowsOf& rows_of) const;

  Communicator& ranks_;
  int64_t classes_, block_;
};

}  // namespace margincore
