#include "spec/network_reader.h"

#include "spec/layer_kinds.h"
#include "spec/layer_names.h"
#include "spec/nearest_word.h"
#include "spec/reader.h"

namespace margincore {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::InvalidOption, what); }

LayerSpec::Of layer_of_type(const Value& layer) {
  const std::unique_ptr<Value> type = layer.at("type");
  const std::optional<std::string> text = type ? type->text() : std::nullopt;
  const std::string name = text.value_or("");
  if (std::optional<LayerSpec::Of> found = find_kind(name, &LayerKind::nested_type)) return *found;
  std::vector<std::string> types;
  each_kind([&](const auto& spec) { types.push_back(kind_of(spec).nested_type); });
  std::string hint = did_you_mean(name, types);
  if (hint.empty())
    for (const std::string& each : types) hint += (hint.empty() ? "There are " : ", ") + each;
  refuse((text   ? "layer type '" + name + "' is unknown. "
          : type ? "expected the type of a layer, a word, but received " + type->shown() + ". "
                 : "a layer has no type. ") +
         hint);
}

class NetworkReader {
 public:
  /// Appends layers that follow `input`; returns where their output is, `input` where there are none.
  int append(const Values& layers, int input) {
    if (++depth_ > kMaxDepth) refuse(format("expected layers in layers at most %d deep", kMaxDepth));
    for (const std::unique_ptr<Value>& layer : layers) input = append(*layer, input);
    --depth_;
    return input;
  }

  std::vector<LayerSpec> take() { return std::move(layers_); }

 private:
  int append(const Value& layer, int input) {
    if (!layer.is_object()) refuse("expected a layer, such as relu(), but received " + layer.shown());
    if (layers_.size() >= kMaxLayers) refuse(format("expected a network of at most %zu layers", kMaxLayers));
    LayerSpec spec;
    spec.of = layer_of_type(layer);
    Reader reader(layer);
    std::visit([&](auto& of) { read(reader, of, spec.inputs, input); }, spec.of);
    reader.optional("name", spec.name);
    reader.find("type");
    const std::string name = names_.next(spec);
    reader.finish("layer " + name + " (" + kind_of(spec).nested_type + ")");
    layers_.push_back(std::move(spec));
    return static_cast<int>(layers_.size()) - 1;
  }

  template <class Spec>
  void read(Reader& reader, Spec& spec, std::vector<int>& inputs, int input) {
    fields(reader, spec);
    inputs = {input};
  }

  void read(Reader& reader, AddSpec&, std::vector<int>& inputs, int input) {
    const std::unique_ptr<Value> body = reader.find("body"), shortcut = reader.find("shortcut");
    if (!body) return reader.fail("body is missing");
    inputs = {append(reader, "body", *body, input), shortcut ? append(reader, "shortcut", *shortcut, input) : input};
  }

  void read(Reader& reader, ConcatSpec&, std::vector<int>& inputs, int input) {
    const std::unique_ptr<Value> branches = reader.find("branches");
    if (!branches) return reader.fail("branches is missing");
    const std::optional<Values> lists = branches->list();
    if (!lists) return reader.fail_kind("branches", "an array of arrays of layers", *branches);
    for (const std::unique_ptr<Value>& list : *lists) inputs.push_back(append(reader, "branches", *list, input));
  }

  int append(Reader& reader, const char* name, const Value& layers, int input) {
    const std::optional<Values> list = layers.list();
    if (list) return append(*list, input);
    reader.fail_kind(name, "an array of layers", layers);
    return input;
  }

  static constexpr int kMaxDepth = 64;
  static constexpr size_t kMaxLayers = 1 << 16;

  std::vector<LayerSpec> layers_;
  LayerNames names_;
  int depth_ = 0;
};

}  // namespace

NetworkSpec read_network(const Value& network) {
  if (!network.is_object()) refuse("network: expected an object but received " + network.shown());
  NetworkSpec spec;
  Reader reader(network);
  fields(reader, spec);
  const std::unique_ptr<Value> layers = reader.find("layers");
  const std::optional<Values> list = layers ? layers->list() : std::nullopt;
  if (!layers) reader.fail("layers is missing");
  else if (!list) reader.fail_kind("layers", "an array of layers", *layers);
  reader.finish("network");
  NetworkReader nested;
  nested.append(*list, kImage);
  spec.layers = nested.take();
  return spec;
}

}  // namespace margincore
