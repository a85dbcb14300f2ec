// What comes out of the native core, as JavaScript values with the names of lib/native/contract.ts.
#pragma once

#include <napi.h>

#include "train/head_loss.h"
#include "train/session.h"

namespace margincore {

/// A Float32Array that takes over the values without copying them.
Napi::Float32Array from_floats(Napi::Env env, std::vector<float> values);
Napi::Array from_shape(Napi::Env env, const Shape& shape);

Napi::Object from_summary(Napi::Env env, const Network& network, const ParameterTable& table);
/// Names and shapes.
Napi::Array from_parameters(Napi::Env env, const ParameterTable& table);
Napi::Object from_device(Napi::Env env, const BackendInfo& info);
Napi::Object from_memory(Napi::Env env, const MemoryUse& use);
Napi::Object from_steps(Napi::Env env, const StepsResult& result);
Napi::Object from_head_loss(Napi::Env env, HeadLossResult result, bool has_bias);

/// Outputs of prediction; absent is what nobody asked for.
struct Inference {
  std::optional<std::vector<float>> probabilities, scores, cosines, embeddings, angles, class_norms;
};
Napi::Object from_inference(Napi::Env env, Inference inference);

}  // namespace margincore
