#include "addon/convert.h"

#include <cmath>
#include <cstring>
#include <memory>

namespace margincore {

namespace {

[[noreturn]] void refuse(const std::string& what, const char* expected) {
  throw Error(ErrorCode::InvalidOption, "native: expected " + std::string(expected) + " for " + what);
}

double to_number(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsNumber()) refuse(key, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

float to_float(const Napi::Object& object, const char* key) { return static_cast<float>(to_number(object, key)); }

Napi::Object to_object(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsObject()) refuse(key, "an object");
  return value.As<Napi::Object>();
}

bool has(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return !value.IsUndefined() && !value.IsNull();
}

int64_t integer_or(const Napi::Object& object, const char* key, int64_t otherwise) {
  return has(object, key) ? to_integer(object, key) : otherwise;
}

float float_or(const Napi::Object& object, const char* key, float otherwise) {
  return has(object, key) ? to_float(object, key) : otherwise;
}

bool boolean_or(const Napi::Object& object, const char* key, bool otherwise) {
  return has(object, key) ? to_boolean(object, key) : otherwise;
}

template <class T>
std::vector<T> to_values(const Napi::Value& value, const char* what, napi_typedarray_type type, const char* expected) {
  if (!value.IsTypedArray()) refuse(what, expected);
  const Napi::TypedArray array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != type) refuse(what, expected);
  // Read through the typed array itself: it may be a part of a larger buffer, or one of another realm.
  const T* data = array.As<Napi::TypedArrayOf<T>>().Data();
  const size_t count = array.ElementLength();
  return count == 0 ? std::vector<T>() : std::vector<T>(data, data + count);
}

Conv2dSpec to_conv2d(const Napi::Object& layer) {
  Conv2dSpec spec{};
  spec.out_channels = to_integer(layer, "outChannels");
  const Napi::Value kernel = layer.Get("kernelSize");
  if (kernel.IsArray()) {
    const Napi::Array sizes = kernel.As<Napi::Array>();
    spec.kernel_height = sizes.Get(0u).ToNumber().Int64Value();
    spec.kernel_width = sizes.Get(1u).ToNumber().Int64Value();
  } else {
    spec.kernel_height = spec.kernel_width = to_integer(layer, "kernelSize");
  }
  spec.stride = integer_or(layer, "stride", 1);
  const Napi::Value padding = layer.Get("padding");
  if (padding.IsString()) {
    if (padding.ToString().Utf8Value() != "same") refuse("padding", "a number or 'same'");
    spec.padding = std::nullopt;
  } else {
    spec.padding = integer_or(layer, "padding", 0);
  }
  spec.bias = boolean_or(layer, "bias", true);
  spec.groups = integer_or(layer, "groups", 1);
  return spec;
}

/// A layer of one input; its place among others is added by NetworkReader.
LayerSpec to_layer(const Napi::Object& layer, const std::string& type) {
  LayerSpec spec;
  if (type == "conv2d") {
    spec.of = to_conv2d(layer);
  } else if (type == "relu") {
    spec.of = ReluSpec{};
  } else if (type == "prelu") {
    spec.of = PReluSpec{boolean_or(layer, "shared", false), float_or(layer, "init", 0.25f)};
  } else if (type == "batchNorm") {
    spec.of = BatchNormSpec{float_or(layer, "epsilon", 1e-5f), float_or(layer, "momentum", 0.1f)};
  } else if (type == "maxPool2d") {
    const int64_t kernel = to_integer(layer, "kernelSize");
    spec.of = MaxPool2dSpec{kernel, integer_or(layer, "stride", kernel), integer_or(layer, "padding", 0)};
  } else if (type == "averagePool2d") {
    const int64_t kernel = to_integer(layer, "kernelSize");
    spec.of = AveragePool2dSpec{kernel, integer_or(layer, "stride", kernel), integer_or(layer, "padding", 0)};
  } else if (type == "globalAveragePool") {
    spec.of = GlobalAveragePoolSpec{};
  } else if (type == "linear") {
    spec.of = LinearSpec{to_integer(layer, "outFeatures"), boolean_or(layer, "bias", true)};
  } else if (type == "dropout") {
    spec.of = DropoutSpec{to_float(layer, "rate")};
  } else {
    throw Error(ErrorCode::InvalidOption,
                "layer type '" + type +
                    "' is unknown; there are conv2d, relu, prelu, batchNorm, maxPool2d, averagePool2d, "
                    "globalAveragePool, linear, dropout, residual, concat");
  }
  return spec;
}

/// Makes one list of nested layers, in which each names those that it reads.
class NetworkReader {
 public:
  /// Appends layers that follow `input`; returns where their output is, `input` where there are none.
  int append(const Napi::Value& value, const char* what, int input) {
    if (!value.IsArray()) refuse(what, "an array of layers");
    if (++depth_ > kMaxDepth) refuse(what, "layers nested at most 64 deep");
    const Napi::Array list = value.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Value layer = list.Get(i);
      if (!layer.IsObject()) refuse(what, "an array of layers");
      input = append(layer.As<Napi::Object>(), input);
    }
    --depth_;
    return input;
  }

  std::vector<LayerSpec> take() { return std::move(layers_); }

 private:
  int append(const Napi::Object& layer, int input) {
    const std::string type = to_text(layer, "type");
    LayerSpec spec;
    if (type == "residual") {
      const int body = append(layer.Get("body"), "residual.body", input);
      const int shortcut = has(layer, "shortcut") ? append(layer.Get("shortcut"), "residual.shortcut", input) : input;
      spec.of = AddSpec{};
      spec.inputs = {body, shortcut};
    } else if (type == "concat") {
      const Napi::Value branches = layer.Get("branches");
      if (!branches.IsArray()) refuse("concat.branches", "an array of arrays of layers");
      const Napi::Array list = branches.As<Napi::Array>();
      spec.of = ConcatSpec{};
      for (uint32_t i = 0; i < list.Length(); ++i) spec.inputs.push_back(append(list.Get(i), "concat.branches", input));
    } else {
      spec = to_layer(layer, type);
      spec.inputs = {input};
    }
    if (has(layer, "name")) spec.name = to_text(layer, "name");
    layers_.push_back(std::move(spec));
    return static_cast<int>(layers_.size()) - 1;
  }

  static constexpr int kMaxDepth = 64;

  std::vector<LayerSpec> layers_;
  int depth_ = 0;
};

Wrap to_wrap(const std::string& name) {
  if (name == "continue") return Wrap::Continue;
  if (name == "linear") return Wrap::Linear;
  if (name == "none") return Wrap::None;
  refuse("wrap", "'continue', 'linear' or 'none'");
}

HeadSpec to_head(const Napi::Object& head) {
  HeadSpec spec;
  spec.num_classes = to_integer(head, "numClasses");
  spec.normalize_features = to_boolean(head, "normalizeFeatures");
  spec.scale = to_float(head, "scale");
  spec.learn_scale = to_boolean(head, "learnScale");
  spec.batch_norm_scope = to_text(head, "l2Scope") == "batch";
  spec.normalize_weights = to_boolean(head, "normalizeWeights");
  spec.fixed_weights = to_boolean(head, "fixedWeights");
  spec.bias = to_boolean(head, "bias");
  if (has(head, "scaledBn")) {
    const Napi::Object norm = to_object(head, "scaledBn");
    spec.scaled_bn = ScaledBn{to_float(norm, "scale"), to_float(norm, "epsilon")};
  }
  spec.center_weight = to_float(head, "centerWeight");
  spec.center_rate = to_float(head, "centerRate");
  spec.margin.m1 = to_float(head, "m1");
  spec.margin.m2 = to_float(head, "m2");
  spec.margin.m3 = to_float(head, "m3");
  spec.margin.wrap = to_wrap(to_text(head, "wrap"));
  spec.margin.easy = to_boolean(head, "easyMargin");
  spec.margin.exact = to_boolean(head, "exactGradient");
  spec.feature_dropout = to_float(head, "featureDropout");
  spec.label_smoothing = to_float(head, "labelSmoothing");
  if (has(head, "classWeights")) spec.class_weights = to_floats(head.Get("classWeights"), "classWeights");
  return spec;
}

OptimizerSpec to_optimizer(const Napi::Object& optimizer) {
  OptimizerSpec spec;
  const std::string type = to_text(optimizer, "type");
  if (type == "sgd") spec.type = OptimizerSpec::Type::Sgd;
  else if (type == "adam") spec.type = OptimizerSpec::Type::Adam;
  else if (type == "adamw") spec.type = OptimizerSpec::Type::AdamW;
  else refuse("optimizer.type", "'sgd', 'adam' or 'adamw'");
  spec.momentum = to_float(optimizer, "momentum");
  spec.nesterov = to_boolean(optimizer, "nesterov");
  spec.beta1 = to_float(optimizer, "beta1");
  spec.beta2 = to_float(optimizer, "beta2");
  spec.epsilon = to_float(optimizer, "epsilon");
  spec.weight_decay = to_float(optimizer, "weightDecay");
  spec.head_rate = to_float(optimizer, "headLr");
  return spec;
}

Precision to_precision(const std::string& name) {
  if (name == "fp32") return Precision::Fp32;
  if (name == "tf32") return Precision::Tf32;
  if (name == "bf16") return Precision::Bf16;
  refuse("precision", "'fp32', 'tf32' or 'bf16'");
}

BackendOptions to_backend_options(const Napi::Object& config) {
  return {static_cast<int32_t>(to_integer(config, "deviceIndex")), static_cast<int32_t>(to_integer(config, "threads")),
          has(config, "deterministic") && to_boolean(config, "deterministic"),
          has(config, "precision") ? to_precision(to_text(config, "precision")) : Precision::Fp32};
}

void check_count(const char* what, size_t received, int64_t expected) {
  if (static_cast<int64_t>(received) != expected)
    throw Error(ErrorCode::InvalidData, format("native: expected %lld values for %s but received %zu",
                                               static_cast<long long>(expected), what, received));
}

}  // namespace

int64_t to_integer(const Napi::Object& object, const char* key) {
  const double value = to_number(object, key);
  if (value != std::floor(value) || std::fabs(value) > 9007199254740991.0) refuse(key, "an integer");
  return static_cast<int64_t>(value);
}

uint64_t to_seed(const Napi::Value& value) {
  const double seed = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(seed >= 0 && seed <= 9007199254740991.0 && seed == std::floor(seed))) refuse("seed", "an integer from 0");
  return static_cast<uint64_t>(seed);
}

bool to_boolean(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsBoolean()) refuse(key, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string to_text(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsString()) refuse(key, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<float> to_floats(const Napi::Value& value, const char* what) {
  return to_values<float>(value, what, napi_float32_array, "a Float32Array");
}

std::vector<int32_t> to_ints(const Napi::Value& value, const char* what) {
  return to_values<int32_t>(value, what, napi_int32_array, "an Int32Array");
}

std::vector<uint8_t> to_bytes(const Napi::Value& value, const char* what) {
  return to_values<uint8_t>(value, what, napi_uint8_array, "a Uint8Array");
}

NetworkSpec to_network_spec(const Napi::Object& network) {
  NetworkSpec spec;
  const Napi::Value input = network.Get("input");
  if (!input.IsArray() || input.As<Napi::Array>().Length() != 3) refuse("network.input", "[H, W, C]");
  const Napi::Array sizes = input.As<Napi::Array>();
  spec.input = {sizes.Get(0u).ToNumber().Int64Value(), sizes.Get(1u).ToNumber().Int64Value(),
                sizes.Get(2u).ToNumber().Int64Value()};
  if (spec.input[0] < 1 || spec.input[1] < 1 || spec.input[2] < 1) refuse("network.input", "sizes of at least 1");
  NetworkReader reader;
  reader.append(network.Get("layers"), "network.layers", kImage);
  spec.layers = reader.take();
  return spec;
}

SessionSpec to_session_spec(const Napi::Object& config) {
  SessionSpec spec;
  spec.backend = to_text(config, "backend");
  spec.options = to_backend_options(config);
  spec.seed = to_seed(config.Get("seed"));
  spec.network = to_network_spec(to_object(config, "network"));
  spec.head = to_head(to_object(config, "head"));
  spec.normalization.mean = to_floats(config.Get("mean"), "mean");
  spec.normalization.std = to_floats(config.Get("std"), "std");
  check_count("mean", spec.normalization.mean.size(), spec.network.input[2]);
  check_count("std", spec.normalization.std.size(), spec.network.input[2]);
  spec.batch_size = to_integer(config, "batchSize");
  if (spec.batch_size < 0) refuse("batchSize", "an integer from 0");
  spec.optimizer = to_optimizer(to_object(config, "optimizer"));
  return spec;
}

StepsRequest to_steps_request(const Napi::Object& request) {
  StepsRequest result;
  result.epoch = static_cast<uint32_t>(to_integer(request, "epoch"));
  result.order = to_ints(request.Get("order"), "order");
  result.batch_size = to_integer(request, "batchSize");
  const std::vector<float> values = to_floats(request.Get("values"), "values");
  if (values.size() % 3 != 0) refuse("values", "three values per step");
  for (size_t i = 0; i < values.size(); i += 3) result.values.push_back({values[i], values[i + 1], values[i + 2]});
  return result;
}

HeadLossRequest to_head_loss_request(const Napi::Object& request) {
  HeadLossRequest result;
  result.backend = to_text(request, "backend");
  result.options = to_backend_options(request);
  result.head = to_head(to_object(request, "head"));
  result.embedding_size = to_integer(request, "embeddingSize");
  result.lambda = to_float(request, "lambda");
  result.features = to_floats(request.Get("features"), "features");
  result.weights = to_floats(request.Get("weights"), "weights");
  if (has(request, "bias")) result.bias = to_floats(request.Get("bias"), "bias");
  if (has(request, "centers")) result.centers = to_floats(request.Get("centers"), "centers");
  result.labels = to_ints(request.Get("labels"), "labels");
  result.repetitions = static_cast<int>(integer_or(request, "repetitions", 1));
  validate(result.head);
  if (result.embedding_size < 1) refuse("embeddingSize", "an integer from 1");
  const int64_t classes = result.head.num_classes, batch = static_cast<int64_t>(result.labels.size());
  if (batch < 1) refuse("labels", "at least one label");
  check_count("features", result.features.size(), batch * result.embedding_size);
  check_count("weights", result.weights.size(), classes * result.embedding_size);
  if (!result.bias.empty()) check_count("bias", result.bias.size(), result.head.bias ? classes : 0);
  const bool has_centers = result.head.center_weight > 0 && !result.head.fixed_weights;
  if (!result.centers.empty())
    check_count("centers", result.centers.size(), has_centers ? classes * result.embedding_size : 0);
  for (int32_t label : result.labels)
    if (label < 0 || label >= classes) refuse("labels", "integers below numClasses");
  return result;
}

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

Napi::Object from_summary(Napi::Env env, const Network& network, const ParameterTable& table) {
  Napi::Object summary = Napi::Object::New(env);
  Napi::Array layers = Napi::Array::New(env);
  uint32_t index = 0;
  for (const LayerSummary& layer : network.summary()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", layer.name);
    entry.Set("type", layer.type);
    entry.Set("output", from_shape(env, layer.output));
    entry.Set("parameters", static_cast<double>(layer.parameters));
    entry.Set("flops", static_cast<double>(layer.flops));
    layers.Set(index++, entry);
  }
  summary.Set("layers", layers);
  summary.Set("embeddingSize", static_cast<double>(network.embedding_size()));
  summary.Set("parameters", static_cast<double>(table.parameter_count()));
  return summary;
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

}  // namespace margincore
