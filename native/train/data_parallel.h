// Training by several processes, its ranks: each has the rows of a part of every batch. The head is computed on the gathered
// embeddings: all of it by each of them, or, where classes are sharded, of each the own ones' part. What they add up is the
// gradient of the batch, so that it is one process's step.
#pragma once

#include <functional>
#include <vector>

#include "backend/buffer.h"
#include "comm/device_exchange.h"
#include "nn/head.h"
#include "nn/network.h"
#include "train/gradient_buckets.h"

namespace margincore {

inline int64_t most_rows_of_rank(int64_t batch, int32_t ranks) { return rows_of_rank(batch, ranks - 1, ranks).count; }

/// With whom batches are shared, if with anyone, and how.
struct RankExchanges {
  Exchange* all = nullptr;           // of the memory that is computed in
  DeviceExchange* device = nullptr;  // the same, where that is a device's
  bool sync_batch_norm = false;      // its statistics are those of all ranks' rows
};

class DataParallel final : public RowExchange {
 public:
  DataParallel(const RankExchanges& ranks, Backend& backend, const Network& network, const Parameters& parameters,
               const Head& head, int64_t max_batch);

  RowRange rows(int64_t batch) const { return rows_of_rank(batch, info().rank, info().size); }
  /// Of any rank.
  int64_t most_rows(int64_t batch) const { return most_rows_of_rank(batch, info().size); }

  /// (batch, D): what the head reads, and what it gives.
  Tensor embeddings(int64_t batch) const { return {embeddings_.f32(), {batch, embedding_size_}}; }
  Tensor gradients(int64_t batch) const { return {gradients_.f32(), {batch, embedding_size_}}; }
  /// (batch) int32: as the head counts them.
  Tensor head_labels(Tensor labels) const;
  /// Where what sharded classes leave is added up, or none.
  StepTotals* totals() const { return static_cast<StepTotals*>(totals_.data()); }

  /// Of steps that are not recorded: each exchange is waited for, with a deadline, so that no wait of the backend's own, which
  /// makes plans then, finds another rank's death behind it. Nothing is exchanged beside the backward pass then.
  void settle_each(bool settles) { settles_ = settles; }

  /// Completes the embeddings and the labels, of which the own rows' are in their place.
  void gather(Tensor labels) const;
  /// The same of another number of each row, 4 bytes.
  void gather_numbers(Tensor numbers) const;
  /// own := the gradient of the own rows' embeddings.
  void give_gradient(Tensor own, int64_t batch) const;
  /// Of a device: what the backward pass has to be told, so that gradients are added up beside it as they come.
  std::function<void(int)> adding_as_they_come() const;
  /// Of a rank without rows: zeros in their place.
  void add_nothing() const;
  /// Of all parameters that are not a class's: those that are not yet, and then all are.
  void add_gradients() const;
  /// What sharded classes have left: the report is whole then, and `totals` are those of all ranks.
  void finish_head(const Parameters& parameters, StepReport* reports, int32_t* halted, const StepBlock* step) const;
  /// x := the mean over the ranks that had rows of the batch. The others' values are 0.
  void average(Tensor x, int64_t batch) const;

  bool syncs_batch_norm() const { return moments_.data() != nullptr; }

  int32_t rank() const override { return info().rank; }
  void take_largest(Tensor x) const override;
  void add_up(Tensor x) const override;
  void gather_parts(Tensor whole) const override;
  Tensor moments(int64_t channels) const override { return {moments_.f32(), {info().size, 2, channels}}; }

 private:
  const CommunicatorInfo& info() const { return exchange_.info(); }
  std::vector<int64_t> sizes(int64_t batch, int64_t row_size) const;  // by rank
  void settle(const Status& status) const;
  void begin_until(int node) const;

  Exchange& exchange_;
  DeviceExchange* device_;
  Backend& backend_;
  const Parameters& parameters_;
  const Head& head_;
  int64_t embedding_size_;
  int64_t backbone_;  // elements of the gradients
  int64_t summed_;    // and of those that are added up: with sharded classes also what these share
  std::vector<GradientBucket> buckets_;
  mutable size_t begun_ = 0;  // of them, in this step
  bool settles_ = false;
  Buffer embeddings_, gradients_;
  Buffer head_labels_, totals_;  // where classes are sharded
  Buffer moments_;               // where statistics are those of all rows
};

}  // namespace margincore
