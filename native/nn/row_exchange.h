// Ranks that share a batch put together what each knows of it. All call the same, in the same order.
#pragma once

#include "base/row_range.h"
#include "base/tensor.h"

namespace margincore {

class RowExchange {
 public:
  virtual int32_t rank() const = 0;
  virtual void take_largest(Tensor x) const = 0;  // of all ranks', by element
  virtual void add_up(Tensor x) const = 0;
  /// whole (ranks, …): on entry the own part is in its place.
  virtual void gather_parts(Tensor whole) const = 0;
  /// Memory (ranks, 2, channels) for the statistics of a layer, until the next one asks for it.
  virtual Tensor moments(int64_t channels) const = 0;

 protected:
  ~RowExchange() = default;
};

/// A batch of so many rows, of which this rank has a part.
struct SharedBatch {
  const RowExchange& ranks;
  int64_t rows;
};

}  // namespace margincore
