#include "specs.h"

#include <memory>

#include "network_file.h"

namespace margincore::jobs {

namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::InvalidOption, message); }

float to_float(const Job& job, const std::string& key, double fallback) {
  return static_cast<float>(job.number(key, fallback));
}

bool flag(const Job& job, const std::string& key, bool fallback = false) { return job.integer(key, fallback) != 0; }

Wrap wrap_of(const std::string& name) {
  if (name == "continue") return Wrap::Continue;
  if (name == "linear") return Wrap::Linear;
  if (name == "none") return Wrap::None;
  refuse("job: wrap '" + name + "' is unknown");
}

}  // namespace

Precision precision_of(const std::string& name) {
  if (name == "fp32") return Precision::Fp32;
  if (name == "tf32") return Precision::Tf32;
  if (name == "bf16") return Precision::Bf16;
  refuse("job: precision '" + name + "' is unknown");
}

std::string backend_of(const Job& job) { return job.text("backend", "cuda"); }

BackendOptions options_of(const Job& job) {
  BackendOptions options{};
  options.device_index = static_cast<int32_t>(job.integer("device", 0));
  options.deterministic = flag(job, "deterministic");
  options.precision = precision_of(job.text("precision", "fp32"));
  return options;
}

HeadSpec head_of(const Job& job) {
  HeadSpec spec;
  spec.num_classes = job.integer("numClasses");
  spec.normalize_features = flag(job, "normalizeFeatures");
  spec.scale = to_float(job, "scale", 1);
  spec.learn_scale = flag(job, "learnScale");
  spec.batch_norm_scope = job.text("l2Scope", "sample") == "batch";
  spec.normalize_weights = flag(job, "normalizeWeights");
  spec.fixed_weights = flag(job, "fixedWeights");
  spec.bias = flag(job, "bias");
  if (job.has("scaledBnScale"))
    spec.scaled_bn = ScaledBn{to_float(job, "scaledBnScale", 1), to_float(job, "scaledBnEpsilon", 1e-5)};
  spec.center_weight = to_float(job, "centerWeight", 0);
  spec.center_rate = to_float(job, "centerRate", 0);
  spec.margin.m1 = to_float(job, "m1", 1);
  spec.margin.m2 = to_float(job, "m2", 0);
  spec.margin.m3 = to_float(job, "m3", 0);
  spec.margin.wrap = wrap_of(job.text("wrap", "continue"));
  spec.margin.easy = flag(job, "easyMargin");
  spec.margin.exact = flag(job, "exactGradient", true);
  spec.label_smoothing = to_float(job, "labelSmoothing", 0);
  spec.class_weights = job.numbers("classWeights");
  return spec;
}

OptimizerSpec optimizer_of(const Job& job) {
  OptimizerSpec spec;
  const std::string type = job.text("optimizer");
  if (type != "sgd" && type != "adam") refuse("job: optimizer '" + type + "' is unknown");
  spec.type = type == "sgd" ? OptimizerSpec::Type::Sgd : OptimizerSpec::Type::Adam;
  spec.momentum = to_float(job, "momentum", 0.9);
  spec.weight_decay = to_float(job, "weightDecay", 0);
  spec.beta1 = to_float(job, "beta1", 0.9);
  spec.beta2 = to_float(job, "beta2", 0.999);
  spec.epsilon = to_float(job, "epsilon", 1e-8);
  return spec;
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
