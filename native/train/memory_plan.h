// How much memory a problem needs, known before anything is allocated.
#pragma once

#include <cstddef>
#include <string>

#include "nn/head.h"
#include "nn/network.h"
#include "nn/optimizer.h"

namespace margincore {

/// Bytes by purpose. Workspace of the libraries is not among them.
struct MemoryUse {
  size_t parameters = 0, gradients = 0, optimizer = 0, activations = 0, dataset = 0;

  size_t total() const { return parameters + gradients + optimizer + activations + dataset; }
};

/// Of training in batches of `batch`; without the dataset.
MemoryUse plan_training(const Network& network, const Head& head, const ParameterTable& table,
                        const OptimizerSpec& optimizer, int64_t batch);

/// Throws OutOfMemory, with the whole estimate and `advice`, where `needed` bytes are more than the backend has free.
void expect_memory(Backend& backend, size_t needed, const std::string& estimate, const std::string& advice = "");

/// The same for training, with the batch that would fit.
void expect_memory_for_training(Backend& backend, const Network& network, const Head& head,
                                const ParameterTable& table, const OptimizerSpec& optimizer, int64_t batch);

/// '1.5 GiB'
std::string in_gib(size_t bytes);

}  // namespace margincore
