// Training by several processes, its ranks: each has the rows of a part of every batch, and all have the whole head, on
// the gathered embeddings. What they add up is the gradient of the batch, so that it is one process's step.
#pragma once

#include <vector>

#include "backend/buffer.h"
#include "comm/communicator.h"
#include "nn/network_pass.h"

namespace margincore {

/// The rows of a batch that one rank of so many has; none where there are fewer rows than ranks. Neighbours' sizes differ by at most 1.
RowRange rows_of_rank(int64_t batch, int32_t rank, int32_t ranks);
inline int64_t most_rows_of_rank(int64_t batch, int32_t ranks) { return rows_of_rank(batch, ranks - 1, ranks).count; }

class DataParallel {
 public:
  /// Throws Unsupported where the backend's memory is not the host's.
  DataParallel(Communicator& communicator, Backend& backend, const ParameterTable& table, int64_t max_batch,
               int64_t embedding_size);

  RowRange rows(int64_t batch) const { return rows_of_rank(batch, info().rank, info().size); }
  /// Of any rank.
  int64_t most_rows(int64_t batch) const { return most_rows_of_rank(batch, info().size); }

  /// Floats of the gradients before the head's.
  int64_t backbone() const { return backbone_; }
  /// (batch, D): what the head reads, and what it gives.
  Tensor embeddings(int64_t batch) const { return {embeddings_.f32(), {batch, embedding_size_}}; }
  Tensor gradients(int64_t batch) const { return {gradients_.f32(), {batch, embedding_size_}}; }
  /// Completes the embeddings and the labels, of which the own rows' are in their place.
  void gather(Tensor labels) const;
  /// Of all parameters before the head.
  void add_gradients(const Parameters& parameters) const;
  /// x := the mean over the ranks that had rows of the batch. The others' values are 0.
  void average(Tensor x, int64_t batch) const;

 private:
  const CommunicatorInfo& info() const { return communicator_.info(); }

  Communicator& communicator_;
  int64_t embedding_size_;
  int64_t backbone_;  // floats of the gradients
  Buffer embeddings_, gradients_;
};

}  // namespace margincore
