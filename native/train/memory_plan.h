// How much memory a problem needs, known before anything is allocated.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "backend/memory.h"
#include "nn/head.h"
#include "nn/liveness.h"
#include "nn/optimizer.h"

namespace margincore {

/// Bytes of device memory by purpose.
struct MemoryUse {
  size_t parameters = 0, gradients = 0, optimizer = 0, activations = 0, dataset = 0;
  size_t workspace = 0;   // that library calls may need beside these; not in the total
  bool streamed = false;  // of the dataset only the batches on their way are there

  size_t total() const { return parameters + gradients + optimizer + activations + dataset; }
};

/// Of the parameters, with their bf16 twins; of one set of them.
size_t parameter_bytes(const ParameterTable& table);

size_t gradient_bytes(const ParameterTable& table, const BackendInfo& backend);

/// Of training in batches of `batch`, which so many processes share; without the dataset.
MemoryUse plan_training(const Network& network, const Head& head, const ParameterTable& table,
                        const OptimizerSpec& optimizer, const BackendInfo& backend, RecomputePolicy policy,
                        int64_t batch, int32_t ranks = 1);

/// For training that takes `plan` of it: nothing is computed twice where that is slower and all fits.
RecomputePolicy choose_recompute_policy(Backend& backend, const std::function<MemoryUse(RecomputePolicy)>& plan);

/// What training takes, by batch.
using TrainingPlan = std::function<MemoryUse(int64_t batch)>;

/// The same for training, with the batch that would fit.
void expect_memory_for_training(Backend& backend, const TrainingPlan& plan, int64_t batch);

/// Once an allocation failed that no plan foresees (a library's workspace, another program's): the error to throw, with
/// a smaller batch. `taken`: what the session holds.
OutOfMemoryError out_of_memory_in_training(Backend& backend, const TrainingPlan& plan, int64_t batch,
                                           const MemoryUse& taken, const std::string& message);

}  // namespace margincore
