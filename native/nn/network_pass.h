// The values of a network for batches up to a given size: forward and, for training, backward.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "nn/activation_plan.h"
#include "nn/liveness.h"

namespace margincore {

class NetworkPass {
 public:
  /// Enters its buffers into `plan`; the head's work falls on moment `head_moment()`.
  NetworkPass(const Network& network, int64_t max_batch, RecomputePolicy policy, const BackendInfo& backend,
              ActivationPlan& plan);

  int head_moment() const { return moments_.head(); }
  int last_moment() const { return training_ ? moments_.last() : moments_.head(); }
  /// Says where the planned buffers are; called once, after the arena was allocated. The arena was zeroed.
  void bind(const ActivationPlan& plan, void* arena);

  Tensor input(int64_t batch) const { return value(batch, 0); }
  Tensor embedding(int64_t batch) const;
  Tensor embedding_gradient(int64_t batch) const;
  /// Otherwise nobody reads it: all layers are frozen.
  bool needs_embedding_gradient() const { return network_.needs_gradient(last_value()); }

  /// The first row counts for dropout, which draws for each row of the batch.
  /// shared, or none: batch norm's statistics are those of the whole batch; ranks then call these even without rows.
  /// done(node): once the gradients of its parameters are queued; nodes come last to first.
  void forward(Backend& backend, const Parameters& parameters, RowRange rows, const StepBlock* step,
               const SharedBatch* shared = nullptr) const;
  void backward(Backend& backend, const Parameters& parameters, RowRange rows, const StepBlock* step,
                const SharedBatch* shared = nullptr, const std::function<void(int)>& done = {}) const;
  /// Of all layers that have running ones, as the forward pass left them; or none.
  Tensor batch_statistics() const;
  /// Running statistics follow those of the batch; nothing once *halted is not 0.
  void update_state(Backend& backend, const Parameters& parameters, const int32_t* halted) const;

 private:
  using Id = ActivationPlan::Id;
  using Operands = std::array<Tensor, kMaxInputs>;

  int count() const { return moments_.nodes; }
  int last_value() const { return count(); }

  bool takes_part(int node, RowRange rows) const;
  void plan_values(int64_t max_batch, const BackendInfo& backend, ActivationPlan& plan);
  void plan_again(int64_t max_batch, ActivationPlan& plan);
  void plan_gradients(int64_t max_batch, ActivationPlan& plan);
  void plan_statistics(ActivationPlan& plan);
  int64_t value_bytes(int64_t batch, int value) const;
  /// Whether node i is the last to read value v forward, hence the first to give it a gradient.
  bool gives_first_gradient(int node, size_t operand) const;

  Tensor value(int64_t batch, int index) const { return at(values_[index], batch, index); }
  Tensor gradient(int64_t batch, int index) const;
  Tensor at(Id id, int64_t batch, int index) const;
  LayerCall call(Backend& backend, const Parameters& parameters, RowRange rows, const StepBlock* step, int node,
                 const std::vector<Id>& values, Operands& inputs) const;
  Tensor batch_statistics(const Parameters& parameters, ParameterTable::Key running) const;

  const Network& network_;
  Moments moments_;
  bool training_;
  char* arena_ = nullptr;
  const ActivationPlan* plan_ = nullptr;
  std::vector<Liveness> liveness_;                 // by value
  std::vector<Id> values_, again_;                 // by value: as forward, and as backward finds it
  std::vector<std::vector<int>> recomputed_;       // by node: values made again for its backward pass
  std::vector<Id> gradients_, states_;             // by value, node
  std::vector<bool> adds_;                         // by node: its backward pass adds to the first input's gradient
  std::vector<std::array<Id, kMaxInputs>> parts_;  // by node: else a gradient that is added to one that is there
  Id embedding_, embedding_gradient_;              // in fp32, where activations are bf16
  int64_t statistics_count_ = 0;                   // floats
  Id statistics_;                                  // of the batch, laid out as the running ones are
};

}  // namespace margincore
