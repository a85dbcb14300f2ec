#include "addon/results.h"

#include <cstring>
#include <memory>

#include "spec/words.h"

namespace margincore {

Napi::Float32Array from_floats(Napi::Env env, std::vector<float> values) {
  const size_t count = values.size();
  if (count == 0) return Napi::Float32Array::New(env, 0);
  auto owned = std::make_unique<std::vector<float>>(std::move(values));
  napi_value buffer = nullptr;
  const auto release = [](napi_env, void*, void* vector) { delete static_cast<std::vector<float>*>(vector); };
  const napi_status status =
      napi_create_external_arraybuffer(env, owned->data(), count * sizeof(float), release, owned.get(), &buffer);
  if (status == napi_ok) {
    owned.release();
    return Napi::Float32Array::New(env, count, Napi::ArrayBuffer(env, buffer), 0);
  }
  // Some embedders of V8 allow no memory from outside.
  Napi::Float32Array copy = Napi::Float32Array::New(env, count);
  std::memcpy(copy.Data(), owned->data(), count * sizeof(float));
  return copy;
}

Napi::Array from_shape(Napi::Env env, const Shape& shape) {
  Napi::Array array = Napi::Array::New(env, shape.rank);
  for (int i = 0; i < shape.rank; ++i) array.Set(static_cast<uint32_t>(i), static_cast<double>(shape[i]));
  return array;
}

Napi::Value from_init(Napi::Env env, const InitSpec& init) {
  if (const auto* rule = std::get_if<InitRule>(&init)) return Napi::String::New(env, word_for(*rule));
  Napi::Object normal = Napi::Object::New(env);
  normal.Set("std", std::get<NormalInit>(init).std);
  return normal;
}

Napi::Object from_summary(Napi::Env env, const Network& network, const ParameterTable& table) {
  Napi::Object summary = Napi::Object::New(env);
  Napi::Array layers = Napi::Array::New(env);
  uint32_t index = 0;
  for (const LayerSummary& layer : network.summary()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", layer.name);
    entry.Set("type", layer.type);
    Napi::Array inputs = Napi::Array::New(env, layer.inputs.size());
    for (uint32_t i = 0; i < layer.inputs.size(); ++i) inputs.Set(i, layer.inputs[i]);
    entry.Set("inputs", inputs);
    entry.Set("output", from_shape(env, layer.output));
    entry.Set("parameters", static_cast<double>(layer.parameters));
    entry.Set("flops", static_cast<double>(layer.flops));
    if (layer.init) entry.Set("init", from_init(env, *layer.init));
    layers.Set(index++, entry);
  }
  summary.Set("layers", layers);
  summary.Set("embeddingSize", static_cast<double>(network.embedding_size()));
  summary.Set("parameters", static_cast<double>(table.parameter_count()));
  return summary;
}

Napi::Array from_parameters(Napi::Env env, const ParameterTable& table) {
  Napi::Array list = Napi::Array::New(env);
  uint32_t index = 0;
  for (const ParameterTable::Entry& entry : table.entries()) {
    Napi::Object parameter = Napi::Object::New(env);
    parameter.Set("name", entry.spec.name);
    parameter.Set("shape", from_shape(env, entry.spec.shape));
    parameter.Set("trained", entry.spec.is_trained());
    list.Set(index++, parameter);
  }
  return list;
}

Napi::Object from_device(Napi::Env env, const BackendInfo& info) {
  Napi::Object device = Napi::Object::New(env);
  device.Set("device", info.device);
  device.Set("version", info.version);
  device.Set("description", info.description);
  device.Set("simulated", info.simulated != 0);
  device.Set("threads", info.threads);
  return device;
}

Napi::Object from_memory(Napi::Env env, const MemoryUse& use) {
  Napi::Object memory = Napi::Object::New(env);
  memory.Set("parameters", static_cast<double>(use.parameters));
  memory.Set("gradients", static_cast<double>(use.gradients));
  memory.Set("optimizer", static_cast<double>(use.optimizer));
  memory.Set("activations", static_cast<double>(use.activations));
  memory.Set("dataset", static_cast<double>(use.dataset));
  memory.Set("streamed", use.streamed);
  memory.Set("workspace", static_cast<double>(use.workspace));
  return memory;
}

Napi::Object from_steps(Napi::Env env, const StepsResult& result) {
  const size_t steps = result.reports.size();
  std::vector<float> losses, norms, logit_norms;
  Napi::Int32Array correct = Napi::Int32Array::New(env, steps), past_pi = Napi::Int32Array::New(env, steps);
  for (size_t i = 0; i < steps; ++i) {
    const StepReport& report = result.reports[i];
    losses.push_back(report.loss);
    norms.push_back(report.gradient_norm);
    logit_norms.push_back(report.logit_gradient_norm);
    correct[i] = report.correct;
    past_pi[i] = report.past_pi;
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("steps", static_cast<double>(steps));
  object.Set("loss", from_floats(env, std::move(losses)));
  object.Set("gradientNorm", from_floats(env, std::move(norms)));
  object.Set("logitGradientNorm", from_floats(env, std::move(logit_norms)));
  object.Set("correct", correct);
  object.Set("pastPi", past_pi);
  if (!result.non_finite.empty()) object.Set("nonFinite", result.non_finite);
  return object;
}

Napi::Object from_head_loss(Napi::Env env, HeadLossResult result, bool has_bias) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("logits", from_floats(env, std::move(result.logits)));
  object.Set("scores", from_floats(env, std::move(result.scores)));
  object.Set("cosTheta", from_floats(env, std::move(result.cosines)));
  object.Set("dFeatures", from_floats(env, std::move(result.dfeatures)));
  object.Set("dWeights", from_floats(env, std::move(result.dweights)));
  if (has_bias) object.Set("dBias", from_floats(env, std::move(result.dbias)));
  if (!result.dscale.empty()) object.Set("dScale", result.dscale[0]);
  if (!result.dcenters.empty()) object.Set("dCenters", from_floats(env, std::move(result.dcenters)));
  object.Set("seconds", from_floats(env, std::move(result.seconds)));
  return object;
}

Napi::Object from_inference(Napi::Env env, Inference inference) {
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, std::optional<std::vector<float>>& values) {
    if (values) object.Set(name, from_floats(env, std::move(*values)));
  };
  set("probabilities", inference.probabilities);
  set("scores", inference.scores);
  set("cosines", inference.cosines);
  set("embeddings", inference.embeddings);
  set("angles", inference.angles);
  set("classNorms", inference.class_norms);
  return object;
}

}  // namespace margincore
