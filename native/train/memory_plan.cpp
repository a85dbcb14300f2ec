#include "train/memory_plan.h"

#include <algorithm>

#include "nn/network_pass.h"

namespace margincore {

namespace {

size_t available(Backend& backend) {
  size_t bytes = 0;
  check(backend.available_memory(&bytes));
  return bytes;
}

std::string shortage(Backend& backend, size_t needed, size_t free, const std::string& estimate) {
  return readable(needed) + " of memory are needed (" + estimate + "), and " + readable(free) + " are free on " +
         backend.info().device;
}

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

MemoryUse plan_training(const Network& network, const Head& head, const ParameterTable& table,
                        const OptimizerSpec& optimizer, RecomputePolicy policy, int64_t batch) {
  ActivationPlan plan;
  const NetworkPass network_pass(network, batch, policy, plan);
  const HeadPass head_pass(head, batch, true, plan, network_pass.head_moment(), network_pass.last_moment());
  plan.arrange();
  MemoryUse use;
  use.parameters = table.size() * sizeof(float) + table.bf16_range().count * size_of(DType::BF16);
  use.gradients = table.trained_size() * sizeof(float);
  use.optimizer = use.gradients * (optimizer.type == OptimizerSpec::Type::Sgd ? 1 : 2);
  use.activations = plan.bytes();
  return use;
}

RecomputePolicy choose_recompute_policy(Backend& backend, const std::function<MemoryUse(RecomputePolicy)>& plan) {
  const bool keeps_all = backend.info().recomputes == 0 && plan(RecomputePolicy::Never).total() <= available(backend);
  return keeps_all ? RecomputePolicy::Never : RecomputePolicy::CheapLayers;
}

void expect_memory(Backend& backend, size_t needed, const std::string& estimate) {
  const size_t free = available(backend);
  if (needed > free) throw OutOfMemoryError(shortage(backend, needed, free, estimate), needed, free, 0);
}

void expect_memory_for_training(Backend& backend, const TrainingPlan& plan, int64_t batch) {
  const MemoryUse use = plan(batch);
  const size_t free = available(backend);
  if (use.total() <= free) return;
  const int64_t fits = largest_within(plan, batch, free - free / 8);  // workspace and prediction need some, too
  const std::string estimate = "parameters " + readable(use.parameters) + ", gradients " + readable(use.gradients) +
                               ", optimizer " + readable(use.optimizer) + ", activations " + readable(use.activations) +
                               (use.dataset > 0 ? ", images " + readable(use.dataset) : "");
  throw OutOfMemoryError(shortage(backend, use.total(), free, estimate) + advice(fits), use.total(), free, fits);
}

OutOfMemoryError out_of_memory_in_training(Backend& backend, const TrainingPlan& plan, int64_t batch,
                                           const MemoryUse& taken, const std::string& message) {
  const size_t free = available(backend), workspace = backend.info().workspace;
  const size_t room = taken.total() - taken.dataset + free;
  const int64_t fits = largest_within(plan, batch, room - std::min(room / 4, workspace));
  return {message + advice(fits), taken.total() + workspace, free, fits};
}

std::string readable(size_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? format("%.1f MiB", mebibytes) : format("%.2f GiB", mebibytes / 1024);
}

}  // namespace margincore
