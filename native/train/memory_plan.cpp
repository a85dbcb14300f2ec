#include "train/memory_plan.h"

#include <algorithm>

#include "nn/network_pass.h"
#include "train/data_parallel.h"

namespace margincore {

namespace {

/// Largest batch below `batch` whose plan is within so many bytes, or 0.
int64_t largest_within(const TrainingPlan& plan, int64_t batch, size_t bytes) {
  int64_t fits = 0, too_large = batch;
  while (too_large - fits > 1) {
    const int64_t middle = fits + (too_large - fits) / 2;
    (plan(middle).total() <= bytes ? fits : too_large) = middle;
  }
  return fits;
}

std::string advice(int64_t fits) {
  return fits > 0 ? ". A batch of " + std::to_string(fits) + " would fit"
                  : ". Not even a batch of one would fit: make the network or the head smaller";
}

}  // namespace

size_t parameter_bytes(const ParameterTable& table) {
  return table.size() * sizeof(float) + table.bf16_range().count * size_of(DType::BF16);
}

size_t gradient_bytes(const ParameterTable& table, const BackendInfo& backend) {
  const int64_t bf16 = table.bf16_gradients(backend);
  return (table.trained().count - bf16) * sizeof(float) + bf16 * size_of(DType::BF16);
}

MemoryUse plan_training(const Network& network, const Head& head, const ParameterTable& table,
                        const OptimizerSpec& optimizer, const BackendInfo& backend, RecomputePolicy policy,
                        int64_t batch, int32_t ranks) {
  ActivationPlan plan;
  const NetworkPass network_pass(network, most_rows_of_rank(batch, ranks), policy, backend, plan);
  const HeadPass head_pass(head, batch, true, plan, network_pass.head_moment(), network_pass.last_moment());
  plan.arrange();
  MemoryUse use;
  use.parameters = parameter_bytes(table) * (optimizer.average_decay > 0 ? 2 : 1);
  use.gradients = gradient_bytes(table, backend);
  const int64_t trained = table.trained().count + table.trained_by_rows().count;
  use.optimizer = trained * sizeof(float) * (optimizer.type == OptimizerSpec::Type::Sgd ? 1 : 2);
  use.activations = plan.bytes();
  if (ranks > 1) use.activations += 2 * batch * network.embedding_size() * sizeof(float);  // gathered, and gradients
  return use;
}

RecomputePolicy choose_recompute_policy(Backend& backend, const std::function<MemoryUse(RecomputePolicy)>& plan) {
  const bool keeps_all = backend.info().recomputes == 0 && plan(RecomputePolicy::Never).total() <= free_memory(backend);
  return keeps_all ? RecomputePolicy::Never : RecomputePolicy::CheapLayers;
}

void expect_memory_for_training(Backend& backend, const TrainingPlan& plan, int64_t batch) {
  const MemoryUse use = plan(batch);
  const size_t free = free_memory(backend);
  if (use.total() <= free) return;
  const int64_t fits = largest_within(plan, batch, free - free / 8);  // workspace and prediction need some, too
  const std::string estimate = "parameters " + readable(use.parameters) + ", gradients " + readable(use.gradients) +
                               ", optimizer " + readable(use.optimizer) + ", activations " + readable(use.activations) +
                               (use.dataset > 0 ? ", images " + readable(use.dataset) : "");
  throw OutOfMemoryError(shortage(backend, use.total(), free, estimate) + advice(fits), use.total(), free, fits);
}

OutOfMemoryError out_of_memory_in_training(Backend& backend, const TrainingPlan& plan, int64_t batch,
                                           const MemoryUse& taken, const std::string& message) {
  const size_t free = free_memory(backend), workspace = backend.info().workspace;
  const size_t room = taken.total() - taken.dataset + free;
  const size_t left = room - std::min(room / 4, workspace);
  if (plan(batch).total() <= left) {
    // What failed is in no plan: how much smaller a batch has to be is not known.
    const char* const smaller = ". By the plan there is room for this batch: a smaller one leaves more for the rest";
    return {message + smaller, taken.total() + workspace, free, 0};
  }
  const int64_t fits = largest_within(plan, batch, left);
  return {message + advice(fits), taken.total() + workspace, free, fits};
}

}  // namespace margincore
