// From a job's keys to what the native core takes.
#pragma once

#include "job.h"
#include "train/session.h"

namespace margincore::jobs {

/// backend, device, deterministic, precision.
std::string backend_of(const Job& job);
BackendOptions options_of(const Job& job);

/// "fp32", "tf32", "bf16" (spec/words.h).
Precision precision_of(const std::string& name);

/// numClasses, normalizeFeatures, … (spec/fields.h); what is missing is as in plain softmax.
HeadSpec head_of(const Job& job);

/// optimizer (sgd, adam, adamw) with momentum, weightDecay, beta1, … (spec/fields.h).
OptimizerSpec optimizer_of(const Job& job);

/// network: a file (network_file.h). Without one the seed CNN: conv 5×5×32, ReLU, max pool 2, conv 3×3×64, ReLU, max
/// pool 2, linear with `embedding` features.
NetworkSpec network_of(const Job& job);

/// A session for the job's network and head; keys of the above, and seed, batch, mean, std.
SessionSpec session_of(const Job& job);

/// Images and labels that stay in memory between jobs with the same paths.
struct Samples {
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  TrainingData data() const { return {images.data(), labels.data(), static_cast<int64_t>(labels.size())}; }
};
const Samples& samples(const std::string& images, const std::string& labels);

/// Name, version and description of what the job's backend runs on, into the answer.
void describe(const BackendInfo& info, Answer& answer);

/// Throws InvalidData with the name of the tensor where a step was not finite.
void expect_finite(const StepsResult& result);

}  // namespace margincore::jobs
