#include "specs.h"

#include <memory>

#include "job_value.h"
#include "network_file.h"
#include "spec/reader.h"

namespace margincore::jobs {

Precision precision_of(const std::string& name) {
  const std::optional<Precision> precision = find_word<Precision>(name);
  if (!precision) throw Error(ErrorCode::InvalidOption, "job: precision '" + name + "' is unknown");
  return *precision;
}

std::string backend_of(const Job& job) { return job.text("backend", "cuda"); }

BackendOptions options_of(const Job& job) {
  BackendOptions options{};
  options.device_index = static_cast<int32_t>(job.integer("device", 0));
  options.deterministic = job.integer("deterministic", 0) != 0;
  options.precision = precision_of(job.text("precision", "fp32"));
  return options;
}

HeadSpec head_of(const Job& job) { return read_spec<HeadSpec>(JobObject(job), "head"); }

OptimizerSpec optimizer_of(const Job& job) {
  return read_spec<OptimizerSpec>(JobObject(job, {{"type", "optimizer"}}), "optimizer");
}

NetworkSpec network_of(const Job& job) {
  if (job.has("network")) return read_network(job.text("network"));
  return {{28, 28, 1},
          {{"", Conv2dSpec{32, 5, 5}},
           {"", ReluSpec{}},
           {"", MaxPool2dSpec{2, 2}},
           {"", Conv2dSpec{64, 3, 3}},
           {"", ReluSpec{}},
           {"", MaxPool2dSpec{2, 2}},
           {"", LinearSpec{job.integer("embedding")}}}};
}

SessionSpec session_of(const Job& job) {
  SessionSpec spec;
  spec.backend = backend_of(job);
  spec.options = options_of(job);
  spec.seed = static_cast<uint64_t>(job.integer("seed"));
  spec.network = network_of(job);
  spec.head = head_of(job);
  spec.normalization = {job.numbers("mean"), job.numbers("std")};
  spec.batch_size = job.integer("batch");
  spec.optimizer = optimizer_of(job);
  return spec;
}

const Samples& samples(const std::string& images, const std::string& labels) {
  static std::map<std::string, std::unique_ptr<Samples>> read;
  std::unique_ptr<Samples>& entry = read[images + "\t" + labels];
  if (!entry) entry.reset(new Samples{read_values<uint8_t>(images), read_values<int32_t>(labels)});
  if (entry->labels.empty() || entry->images.size() % entry->labels.size() != 0)
    throw Error(ErrorCode::InvalidData, images + " and " + labels + " do not belong together");
  return *entry;
}

void describe(const BackendInfo& info, Answer& answer) {
  answer.add("device", info.device).add("version", info.version).add("description", info.description);
  answer.add("simulated", info.simulated);
}

void expect_finite(const StepsResult& result) {
  if (!result.non_finite.empty()) throw Error(ErrorCode::InvalidData, "not finite: " + result.non_finite);
}

}  // namespace margincore::jobs
