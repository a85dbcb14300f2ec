#include "addon/requests.h"

#include "addon/convert.h"
#include "addon/js_value.h"
#include "comm/join.h"
#include "spec/augmentation.h"
#include "spec/network_reader.h"
#include "spec/reader.h"

namespace margincore {

namespace {

Precision to_precision(const std::string& name) {
  const std::optional<Precision> precision = find_word<Precision>(name);
  if (!precision) refuse("precision", list_words<Precision>());
  return *precision;
}

void check_count(const char* what, size_t received, int64_t expected) {
  if (static_cast<int64_t>(received) != expected)
    throw Error(ErrorCode::InvalidData, format("native: expected %lld values for %s but received %zu",
                                               static_cast<long long>(expected), what, received));
}

Normalization to_normalization(const Napi::Object& config, int64_t channels) {
  Normalization result = {to_floats(config.Get("mean"), "mean"), to_floats(config.Get("std"), "std")};
  check_count("mean", result.mean.size(), channels);
  check_count("std", result.std.size(), channels);
  return result;
}

Augmentation to_augmentation(const Napi::Object& config) {
  return read_spec<Augmentation>(JsValue(config.Get("augmentation")), "augmentation");
}

}  // namespace

BackendOptions to_backend_options(const Napi::Object& config) {
  BackendOptions options{};
  options.device_index = static_cast<int32_t>(to_integer(config, "deviceIndex"));
  options.threads = static_cast<int32_t>(to_integer(config, "threads"));
  options.deterministic = has(config, "deterministic") && to_boolean(config, "deterministic");
  if (has(config, "precision")) options.precision = to_precision(to_text(config, "precision"));
  return options;
}

NetworkSpec to_network_spec(const Napi::Object& network) { return read_network(JsValue(network)); }

SessionSpec to_session_spec(const Napi::Object& config) {
  SessionSpec spec;
  spec.backend = to_text(config, "backend");
  spec.options = to_backend_options(config);
  spec.seed = to_seed(config.Get("seed"));
  spec.draws_weights = !has(config, "drawWeights") || to_boolean(config, "drawWeights");
  spec.network = to_network_spec(to_object(config, "network"));
  if (has(config, "layerRates")) spec.layer_rates = to_floats(config.Get("layerRates"), "layerRates");
  spec.head = read_spec<HeadSpec>(JsValue(config.Get("head")), "head");
  spec.normalization = to_normalization(config, spec.network.input[2]);
  if (has(config, "augmentation")) spec.augmentation = to_augmentation(config);
  spec.batch_size = to_integer(config, "batchSize");
  if (spec.batch_size < 0) refuse("batchSize", "an integer from 0");
  spec.optimizer = read_spec<OptimizerSpec>(JsValue(config.Get("optimizer")), "optimizer");
  if (has(config, "classShare")) spec.class_share = to_number(config, "classShare");
  if (has(config, "distributed") && to_boolean(config, "distributed")) {
    spec.ranks = joined_ranks();
    if (spec.ranks == nullptr) throw Error(ErrorCode::Internal, "native: no other processes were joined");
    spec.shard_classes = has(config, "shardClasses") && to_boolean(config, "shardClasses");
    spec.sync_batch_norm = has(config, "syncBatchNorm") && to_boolean(config, "syncBatchNorm");
  }
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
  if (!has(request, "momentum")) return result;
  const std::vector<float> momentum = to_floats(request.Get("momentum"), "momentum");
  check_count("momentum", momentum.size(), static_cast<int64_t>(result.values.size()));
  for (size_t i = 0; i < momentum.size(); ++i) result.values[i].momentum = momentum[i];
  return result;
}

HeadLossRequest to_head_loss_request(const Napi::Object& request) {
  HeadLossRequest result;
  result.backend = to_text(request, "backend");
  result.options = to_backend_options(request);
  result.head = read_spec<HeadSpec>(JsValue(request.Get("head")), "head");
  result.embedding_size = to_integer(request, "embeddingSize");
  result.lambda = to_float(request, "lambda");
  result.features = to_floats(request.Get("features"), "features");
  result.weights = to_floats(request.Get("weights"), "weights");
  if (has(request, "bias")) result.bias = to_floats(request.Get("bias"), "bias");
  if (has(request, "centers")) result.centers = to_floats(request.Get("centers"), "centers");
  result.labels = to_ints(request.Get("labels"), "labels");
  result.repetitions = has(request, "repetitions") ? static_cast<int>(to_integer(request, "repetitions")) : 1;
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

ChangedImagesRequest to_changed_images_request(const Napi::Object& request) {
  ChangedImagesRequest result;
  result.backend = to_text(request, "backend");
  result.options = to_backend_options(request);
  result.seed = to_seed(request.Get("seed"));
  result.epoch = static_cast<uint32_t>(to_integer(request, "epoch"));
  const std::vector<int32_t> size = to_ints(request.Get("size"), "size");
  if (size.size() != 3 || size[0] < 1 || size[1] < 1 || size[2] < 1) refuse("size", "[height, width, channels]");
  result.image = {size[0], size[1], size[2]};
  result.images = to_bytes(request.Get("images"), "images");
  if (result.images.empty() || static_cast<int64_t>(result.images.size()) % result.image.count() != 0)
    refuse("images", "whole images");
  result.samples = to_ints(request.Get("samples"), "samples");
  result.numbers = to_ints(request.Get("numbers"), "numbers");
  if (result.samples.empty()) refuse("samples", "at least one sample");
  check_count("numbers", result.numbers.size(), static_cast<int64_t>(result.samples.size()));
  result.augmentation = to_augmentation(request);
  validate(result.augmentation);
  result.normalization = to_normalization(request, result.image[2]);
  return result;
}

void check_labels(const std::vector<int32_t>& labels, int64_t classes) {
  for (int32_t label : labels)
    if (label < 0 || label >= classes)
      throw Error(ErrorCode::InvalidData, format("native: label %d is out of range", label));
}

InferRequest to_infer_request(const Napi::Object& request, const Session& session) {
  InferRequest result;
  result.images = to_bytes(request.Get("images"), "images");
  result.count = to_integer(request, "count");
  if (result.count < 1 || static_cast<int64_t>(result.images.size()) != result.count * session.input().count())
    throw Error(ErrorCode::InvalidData,
                format("native: %zu bytes of images do not hold %lld images of %s", result.images.size(),
                       static_cast<long long>(result.count), to_string(session.input()).c_str()));
  result.probabilities = to_boolean(request, "probabilities");
  result.scores = to_boolean(request, "scores");
  result.cosines = to_boolean(request, "cosines");
  if (result.cosines && !session.head().has_centres())
    throw Error(ErrorCode::Internal, "native: the head has no class centres");
  result.embeddings = to_boolean(request, "embeddings");
  result.normalize_embeddings = to_boolean(request, "normalizeEmbeddings");
  if (!has(request, "labels")) return result;
  result.labels = to_ints(request.Get("labels"), "labels");
  if (static_cast<int64_t>(result.labels->size()) != result.count)
    throw Error(ErrorCode::InvalidData, "native: expected a label per image");
  check_labels(*result.labels, session.head().num_classes());
  return result;
}

}  // namespace margincore
