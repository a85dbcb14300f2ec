#include "train/memory_plan.h"

namespace margincore {

namespace {

size_t available(Backend& backend) {
  size_t bytes = 0;
  check(backend.available_memory(&bytes));
  return bytes;
}

}  // namespace

MemoryUse plan_training(const Network& network, const Head& head, const ParameterTable& table,
                        const OptimizerSpec& optimizer, int64_t batch) {
  ActivationPlan plan;
  const NetworkPass network_pass(network, batch, true, plan);
  const HeadPass head_pass(head, batch, true, plan, network_pass.head_moment(), network_pass.last_moment());
  plan.arrange();
  MemoryUse use;
  use.parameters = table.size() * sizeof(float) + table.copied().count * size_of(DType::BF16);
  use.gradients = table.trained_size() * sizeof(float);
  use.optimizer = use.gradients * (optimizer.type == OptimizerSpec::Type::Sgd ? 1 : 2);
  use.activations = plan.bytes();
  return use;
}

void expect_memory(Backend& backend, size_t needed, const std::string& estimate, const std::string& advice) {
  const size_t free = available(backend);
  if (needed <= free) return;
  throw Error(ErrorCode::OutOfMemory, in_gib(needed) + " of memory are needed (" + estimate + "), and " + in_gib(free) +
                                          " are free on " + backend.info().device + advice);
}

void expect_memory_for_training(Backend& backend, const Network& network, const Head& head,
                                const ParameterTable& table, const OptimizerSpec& optimizer, int64_t batch) {
  const auto plan = [&](int64_t size) { return plan_training(network, head, table, optimizer, size); };
  const MemoryUse use = plan(batch);
  const size_t free = available(backend);
  if (use.total() <= free) return;
  int64_t fits = 0, too_large = batch;
  while (too_large - fits > 1) {
    const int64_t middle = fits + (too_large - fits) / 2;
    (plan(middle).total() <= free ? fits : too_large) = middle;
  }
  const std::string advice = fits > 0 ? ". A batch of " + std::to_string(fits) + " would fit"
                                      : ". Not even a batch of one would fit: make the network or the head smaller";
  expect_memory(backend, use.total(),
                "parameters " + in_gib(use.parameters) + ", gradients " + in_gib(use.gradients) + ", optimizer " +
                    in_gib(use.optimizer) + ", activations " + in_gib(use.activations),
                advice);
}

std::string in_gib(size_t bytes) { return format("%.2f GiB", static_cast<double>(bytes) / (1 << 30)); }

}  // namespace margincore
