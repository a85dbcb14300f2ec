#include "spec/fields.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "spec/layer_kinds.h"
#include "spec/nearest_word.h"
#include "spec/reader.h"
#include "support/described.h"

namespace margincore::test {

namespace {

using Object = Described::Object;

template <class Spec>
std::string refusal(const Object& object) {
  try {
    read_spec<Spec>(Described(object), "it");
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + ": " + error.what();
  }
  return "";
}

template <class Spec>
std::string out_of_range(const Spec& spec) {
  try {
    check_ranges("it", spec);
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + ": " + error.what();
  }
  return "";
}

/// Every name that `fields` visits.
struct Names {
  template <class... Rest>
  void required(const char* name, const Rest&...) {
    CHECK(all.insert(name).second);
  }
  template <class... Rest>
  void optional(const char* name, const Rest&...) {
    CHECK(all.insert(name).second);
  }
  void height_and_width(const char* name, int64_t, int64_t, Range) { CHECK(all.insert(name).second); }
  void flag(const char* name, int32_t) { CHECK(all.insert(name).second); }
  template <class T>
  void object(const char* name, std::optional<T>&) {
    CHECK(all.insert(name).second);
  }
  template <class T>
  void word_or_object(const char* name, std::optional<T>&) {
    CHECK(all.insert(name).second);
  }
  std::set<std::string> all;
};

}  // namespace

TEST_CASE("a description's fields are read into its struct") {
  const auto conv = read_spec<Conv2dSpec>(Described(Object{{"outChannels", 8},
                                                           {"kernelSize", Described::List{3, 5}},
                                                           {"stride", 2},
                                                           {"padding", 1},
                                                           {"bias", false},
                                                           {"groups", 4}}),
                                          "it");
  CHECK(conv.out_channels == 8);
  CHECK(conv.kernel_height == 3);
  CHECK(conv.kernel_width == 5);
  CHECK(conv.stride == 2);
  CHECK(conv.padding == 1);
  CHECK(!conv.bias);
  CHECK(conv.groups == 4);
  const auto head = read_spec<HeadSpec>(Described(Object{{"numClasses", 3},
                                                         {"l2Scope", "batch"},
                                                         {"wrap", "linear"},
                                                         {"easyMargin", true},
                                                         {"exactGradient", false},
                                                         {"scaledBn", Object{{"scale", 2}}},
                                                         {"classWeights", std::vector<float>{1, 2, 3}}}),
                                        "it");
  CHECK(head.num_classes == 3);
  CHECK(head.l2_scope == L2Scope::Batch);
  CHECK(head.margin.wrap == Wrap::Linear);
  CHECK(head.margin.easy == 1);
  CHECK(head.margin.exact == 0);
  REQUIRE(head.scaled_bn);
  CHECK(head.scaled_bn->scale == 2);
  CHECK(head.scaled_bn->epsilon == ScaledBn{}.epsilon);
  CHECK(head.class_weights == std::vector<float>{1, 2, 3});
  CHECK(read_spec<OptimizerSpec>(Described(Object{{"type", "adamw"}}), "it").type == OptimizerSpec::Type::AdamW);
}

TEST_CASE("what is absent is as the struct begins") {
  const auto conv = read_spec<Conv2dSpec>(Described(Object{{"outChannels", 8}, {"kernelSize", 3}}), "it");
  CHECK(conv.kernel_height == 3);
  CHECK(conv.kernel_width == 3);
  CHECK(conv.stride == 1);
  CHECK(conv.padding == 0);
  CHECK(conv.bias);
  CHECK(read_spec<BatchNormSpec>(Described(Object{}), "it").epsilon == BatchNormSpec{}.epsilon);
  const auto head = read_spec<HeadSpec>(Described(Object{{"numClasses", 3}}), "it");
  CHECK(!head.scaled_bn);
  CHECK(head.margin.exact == 1);
}

TEST_CASE("a word or an object: how weights start") {
  const auto init_of = [](const Described& init) {
    return *read_spec<LinearSpec>(Described(Object{{"outFeatures", 8}, {"init", init}}), "it").init;
  };
  CHECK(std::get<InitRule>(init_of("heNormalFanOut")) == InitRule::HeNormalFanOut);
  CHECK(std::get<NormalInit>(init_of(Object{{"std", 0.01}})).std == 0.01);
  CHECK(!read_spec<LinearSpec>(Described(Object{{"outFeatures", 8}}), "it").init);
  const auto refused = [](const Described& init) { return refusal<LinearSpec>({{"outFeatures", 8}, {"init", init}}); };
  const std::string expected = "INVALID_OPTION: it: expected " + list_words<InitRule>() + ", or an object,";
  CHECK(refused("orthogonal") == expected + " for init but received orthogonal");
  CHECK(refused("heNormel") == expected + " for init but received heNormel. Did you mean 'heNormal'?");
  CHECK(refused(2) == expected + " for init but received 2");
  CHECK(refused(Object{}) == "INVALID_OPTION: it: init.std is missing");
  CHECK(refused(Object{{"sdt", 1}}) == "INVALID_OPTION: it: there is no option 'init.sdt'. Did you mean 'std'?");
  for (const double usable : {1e-12, 1.0, 1e4}) CHECK(out_of_range(LinearSpec{1, true, NormalInit{usable}}) == "");
  for (const double extreme : {0.0, -1.0, 1e-50, 1e-13, 1e5, 1e39, 1e300})
    CHECK(out_of_range(LinearSpec{1, true, NormalInit{extreme}}) ==
          format("INVALID_OPTION: it: expected init.std in [1e-12, 10000] but received %.10g", extreme));
  CHECK(out_of_range(NetworkSpec{{1, 1, 1}, {}, DType::F32, NormalInit{NAN}}) ==
        "INVALID_OPTION: it: expected a finite init.std in [1e-12, 10000] but received nan");
}

TEST_CASE("'same' padding, and pools that move by their own size") {
  const Object conv{{"outChannels", 8}, {"kernelSize", 3}, {"padding", "same"}};
  CHECK(!read_spec<Conv2dSpec>(Described(conv), "it").padding);
  CHECK(read_spec<MaxPool2dSpec>(Described(Object{{"kernelSize", 3}}), "it").stride == 3);
  CHECK(read_spec<AveragePool2dSpec>(Described(Object{{"kernelSize", 3}, {"stride", 2}}), "it").stride == 2);
}

TEST_CASE("a name that no field has is refused, with the one that was probably meant") {
  CHECK(refusal<BatchNormSpec>({{"eps", 5}}) ==
        "INVALID_OPTION: it: there is no option 'eps'. Did you mean 'epsilon'?");
  CHECK(refusal<BatchNormSpec>({{"epsilom", 5}}) ==
        "INVALID_OPTION: it: there is no option 'epsilom'. Did you mean 'epsilon'?");
  CHECK(refusal<ReluSpec>({{"slope", 1}}) == "INVALID_OPTION: it: there is no option 'slope'. There are none");
  // It explains why another is missing.
  CHECK(refusal<LinearSpec>({{"outFeature", 5}}) ==
        "INVALID_OPTION: it: there is no option 'outFeature'. Did you mean 'outFeatures'?");
  CHECK(refusal<HeadSpec>({{"numClasses", 2}, {"scaledBn", Object{{"scal", 2}}}}) ==
        "INVALID_OPTION: it: there is no option 'scaledBn.scal'. Did you mean 'scale'?");
}

TEST_CASE("what is missing or of another kind is refused with what was expected") {
  CHECK(refusal<LinearSpec>({}) == "INVALID_OPTION: it: outFeatures is missing");
  CHECK(refusal<Conv2dSpec>({{"outChannels", 2}}) == "INVALID_OPTION: it: kernelSize is missing");
  CHECK(refusal<LinearSpec>({{"outFeatures", "ten"}}) ==
        "INVALID_OPTION: it: expected a whole number for outFeatures but received ten");
  CHECK(refusal<LinearSpec>({{"outFeatures", 2.5}}) ==
        "INVALID_OPTION: it: expected a whole number for outFeatures but received 2.5");
  for (const double huge : {1e300, std::nan(""), static_cast<double>(INFINITY)})
    CHECK(refusal<LinearSpec>({{"outFeatures", huge}}) != "");
  CHECK(refusal<LinearSpec>({{"outFeatures", 2}, {"bias", 1}}) ==
        "INVALID_OPTION: it: expected true or false for bias but received 1");
  CHECK(refusal<Conv2dSpec>({{"outChannels", 2}, {"kernelSize", Described::List{3}}}) ==
        "INVALID_OPTION: it: expected a whole number or [height, width] for kernelSize but received something");
  CHECK(
      refusal<Conv2dSpec>({{"outChannels", 2}, {"kernelSize", 3}, {"padding", "valid"}}) ==
      "INVALID_OPTION: it: expected a whole number or 'same' for padding but received valid. Without padding it is 0.");
  CHECK(refusal<HeadSpec>({{"numClasses", 2}, {"wrap", "on"}}) ==
        "INVALID_OPTION: it: expected 'continue', 'linear' or 'none' for wrap but received on");
  CHECK(refusal<HeadSpec>({{"numClasses", 2}, {"scaledBn", 1}}) ==
        "INVALID_OPTION: it: expected an object for scaledBn but received 1");
  CHECK(refusal<HeadSpec>({{"numClasses", 2}, {"scaledBn", Object{{"scale", "a"}}}}) ==
        "INVALID_OPTION: it: expected a number for scaledBn.scale but received a");
  CHECK(refusal<HeadSpec>({{"numClasses", 2}, {"classWeights", Described::List{1, 2}}}) ==
        "INVALID_OPTION: it: expected fp32 numbers for classWeights but received something");
  CHECK_THROWS_WITH_AS(read_spec<ReluSpec>(Described(3), "it"), "it: expected an object but received 3", Error);
}

TEST_CASE("numbers lie in their ranges") {
  CHECK(out_of_range(LinearSpec{1}) == "");
  CHECK(out_of_range(LinearSpec{0}) == "INVALID_OPTION: it: expected outFeatures of at least 1 but received 0");
  CHECK(out_of_range(LinearSpec{int64_t{1} << 32}) ==
        "INVALID_OPTION: it: expected outFeatures of at most 2147483647 but received 4294967296");
  CHECK(out_of_range(BatchNormSpec{0}) == "INVALID_OPTION: it: expected epsilon above 0 but received 0");
  CHECK(out_of_range(BatchNormSpec{1e-5f, 1}) == "");
  for (const float momentum : {0.0f, 1.5f})
    CHECK(out_of_range(BatchNormSpec{1e-5f, momentum}) ==
          format("INVALID_OPTION: it: expected momentum in (0, 1] but received %g", momentum));
  CHECK(out_of_range(DropoutSpec{NAN}) == "INVALID_OPTION: it: expected a finite rate in [0, 1) but received nan");
  CHECK(out_of_range(PReluSpec{false, INFINITY}) == "INVALID_OPTION: it: expected a finite init but received inf");
  CHECK(out_of_range(Conv2dSpec{1, 1, 1, 1, std::nullopt}) == "");
  CHECK(out_of_range(AveragePool2dSpec{2, 2, -1}) ==
        "INVALID_OPTION: it: expected padding of at least 0 but received -1");
  CHECK(out_of_range(NetworkSpec{{28, 0, 1}, {}}) == "INVALID_OPTION: it: expected input of at least 1 but received 0");
  OptimizerSpec optimizer;
  CHECK(out_of_range(optimizer) == "");
  optimizer.beta1 = optimizer.beta2 = optimizer.epsilon = 0;  // of SGD
  CHECK(out_of_range(optimizer) == "");
  optimizer.average_decay = 1;
  CHECK(out_of_range(optimizer) == "INVALID_OPTION: it: expected averageDecay in [0, 1) but received 1");
  optimizer.average_decay = 0;
  optimizer.beta2 = 1;
  CHECK(out_of_range(optimizer) == "INVALID_OPTION: it: expected beta2 in [0, 1) but received 1");
}

TEST_CASE("no two fields and no two kinds of layers have one name") {
  std::set<std::string> types, prefixes;
  each_kind([&](auto spec) {
    Names names;
    fields(names, spec);
    CHECK(names.all.count("name") + names.all.count("type") + names.all.count("inputs") == 0);
    CHECK(types.insert(kind_of(spec).type).second);
    CHECK(prefixes.insert(kind_of(spec).name_prefix).second);
  });
  CHECK(types.size() == std::variant_size_v<LayerSpec::Of>);
  HeadSpec head;
  Names of_head;
  fields(of_head, head);
  CHECK(of_head.all.size() == 20);
  OptimizerSpec optimizer;
  Names of_optimizer;
  fields(of_optimizer, optimizer);
  CHECK(of_optimizer.all.size() == 10);
}

TEST_CASE("the nearest word") {
  const std::vector<std::string> words{"kernelSize", "stride", "bias"};
  CHECK(did_you_mean("strides", words) == "Did you mean 'stride'?");
  CHECK(did_you_mean("KERNELSIZE", words) == "Did you mean 'kernelSize'?");
  CHECK(did_you_mean("momentum", words) == "");
  CHECK(did_you_mean("Pool_Size", words) == "Did you mean 'kernelSize'?");
  CHECK(did_you_mean("filters", words) == "");
  CHECK(did_you_mean("in_channels", words) == "What goes in is known from the layer before.");
  CHECK(did_you_mean(std::string(100'000, 'x'), words) == "");
  CHECK(did_you_mean("stride", {}) == "");
}

TEST_CASE("rules for weights by what other libraries call them") {
  const std::vector<std::string> rules = words<InitRule>();
  for (const char* he :
       {"heNormel", "he", "HeNormal", "he_normal", "kaiming", "kaiming_normal_", "kaimingNormal", "msra"})
    CHECK(did_you_mean(he, rules) == "Did you mean 'heNormal'?");
  CHECK(did_you_mean("kaiming_uniform_", rules) == "Did you mean 'heUniform'?");
  CHECK(did_you_mean("glorotUniform", rules) == "Did you mean 'xavierUniform'?");
  CHECK(did_you_mean("glorot_normal", rules) == "Did you mean 'xavierNormal'?");
  CHECK(did_you_mean("lecun", rules) == "Did you mean 'lecunUniform'?");
  CHECK(did_you_mean("xavier", rules) == "It is 'xavierUniform', or 'lecunUniform' where Caffe's is meant.");
  CHECK(did_you_mean("gaussian", rules) == "Normally distributed weights are { std: 0.01 }, say.");
  CHECK(did_you_mean("orthogonal", rules) == "");
  CHECK(did_you_mean("kernel_initializer", {"bias", "init"}) == "Did you mean 'init'?");
}

}  // namespace margincore::test
