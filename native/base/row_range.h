// How rows are divided among ranks.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace margincore {

/// Rows first … first + count of a matrix whose others another process has.
struct RowRange {
  int64_t first, count;
};

/// The rows of a batch that one rank of so many has; none where there are fewer rows than ranks. Neighbours' sizes differ by at most 1.
MARGINCORE_HOST_DEVICE RowRange rows_of_rank(int64_t batch, int32_t rank, int32_t ranks) {
  const int64_t first = batch * rank / ranks;
  return {first, batch * (rank + 1) / ranks - first};
}

}  // namespace margincore
