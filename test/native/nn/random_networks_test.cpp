// Random networks of which random layers are frozen, in training: each step's loss and gradients are those in fp64, and
// change what is trained, each layer by its own rate, and nothing else. Values and gradients share memory in other ways in each.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <map>
#include <set>

#include "reference/model.h"
#include "reference/update.h"
#include "spec/layer_kinds.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"
#include "train/session.h"

namespace margincore::test {

namespace {

using reference::kImages;
using reference::NamedDoubles;

constexpr int64_t kBatch = 6, kSamples = 17, kClasses = 4, kSize = 6, kPixels = kSize * kSize * 2;
constexpr float kRate = 0.01f, kHeadRate = 2, kDecay = 0.1f;
constexpr int kTrials = 100;

/// Layers one after another, most of which read what nothing has read so far.
class RandomNetwork {
 public:
  explicit RandomNetwork(Random& random) : random_(random) {
    const auto count = static_cast<size_t>(random_.integer(3, 14));
    values_.push_back({kImage, {kSize, kSize, 2}, false, false});
    convolve(0);
    while (layers_.size() < count) grow();
    close();
  }

  NetworkSpec spec() const { return {{kSize, kSize, 2}, layers_}; }

 private:
  struct Value {
    int layer;
    Shape shape;
    bool is_read, has_zeros;  // of a ReLU or a dropout: another would be at its kink
  };

  bool happens(double share) { return random_.unit() < share; }

  int add(const LayerSpec::Of& of, const std::vector<int>& values, const Shape& shape, bool has_zeros) {
    std::vector<int> inputs;
    for (int value : values) {
      inputs.push_back(values_[value].layer);
      values_[value].is_read = true;
    }
    const int index = static_cast<int>(layers_.size());
    layers_.push_back({format("layer%d", index), of, inputs});
    values_.push_back({index, shape, false, has_zeros});
    return static_cast<int>(values_.size()) - 1;
  }

  int convolve(int from) {
    const Shape& in = values_[from].shape;
    const int64_t channels = random_.integer(1, 2) * 4;
    const bool is_grouped = in[2] % 2 == 0 && happens(0.2);
    const bool is_small = happens(0.3);
    return add(
        Conv2dSpec{channels, is_small ? 1 : 3, is_small ? 1 : 3, 1, is_small ? 0 : 1, happens(0.5), is_grouped ? 2 : 1},
        {from}, {in[0], in[1], channels}, false);
  }

  std::vector<int> unread_values() const {
    std::vector<int> unread;
    for (size_t i = 1; i < values_.size(); ++i)
      if (!values_[i].is_read) unread.push_back(static_cast<int>(i));
    return unread;
  }

  int last_value() const { return static_cast<int>(values_.size()) - 1; }

  int pick() {
    const std::vector<int> unread = unread_values();
    if (!unread.empty() && happens(0.75)) return unread[random_.integer(0, unread.size() - 1)];
    return static_cast<int>(random_.integer(1, values_.size() - 1));
  }

  void grow() {
    const int from = pick();
    const Value in = values_[from];
    switch (random_.integer(0, 9)) {
      case 0:
      case 1:
        if (in.shape.rank == 3) convolve(from);
        else multiply(from);
        break;
      case 2:
      case 3: add(BatchNormSpec{1e-2f, happens(0.5) ? 0.1f : 0.2f}, {from}, in.shape, false); break;
      case 4:
        if (!in.has_zeros) add(ReluSpec{}, {from}, in.shape, true);
        break;
      case 5:
        if (!in.has_zeros) add(PReluSpec{happens(0.3)}, {from}, in.shape, false);
        break;
      case 6: add(DropoutSpec{0.25f}, {from}, in.shape, true); break;
      case 7:
      case 8: join(from); break;
      default:
        if (in.shape.rank == 3) pool(from);
    }
  }

  int multiply(int from) {
    const int64_t features = random_.integer(4, 8);
    return add(LinearSpec{features, happens(0.5)}, {from}, {features}, false);
  }

  void join(int from) {
    const Value in = values_[from];
    std::vector<int> same;
    for (size_t i = 1; i < values_.size(); ++i)
      if (values_[i].shape == in.shape) same.push_back(static_cast<int>(i));
    const int other = same[random_.integer(0, same.size() - 1)];
    const bool zeros = in.has_zeros || values_[other].has_zeros;
    std::vector<int> inputs{from, other};
    if (happens(0.5)) std::swap(inputs[0], inputs[1]);
    if (happens(0.7)) {
      add(AddSpec{}, inputs, in.shape, zeros);
    } else if (in.shape[in.shape.rank - 1] <= 16) {
      Shape shape = in.shape;
      shape.dims[shape.rank - 1] *= 2;
      add(ConcatSpec{}, inputs, shape, zeros);
    }
  }

  void pool(int from) {
    const Value in = values_[from];
    const Shape same = in.shape;
    if (happens(0.2)) add(GlobalAveragePoolSpec{}, {from}, {same[2]}, false);
    else if (happens(0.5)) add(AveragePool2dSpec{3, 1, 1}, {from}, same, in.has_zeros);
    else if (!in.has_zeros) add(MaxPool2dSpec{3, 1, 1}, {from}, same, false);
  }

  /// Until one value is left that nothing reads: the embedding.
  void close() {
    for (std::vector<int> unread = unread_values(); unread.size() > 1; unread = unread_values()) {
      unread.resize(std::min(unread.size(), kMaxInputs));
      int64_t channels = 0;
      bool has_zeros = false;
      for (int& value : unread) {
        if (values_[value].shape.rank == 3)
          value = add(GlobalAveragePoolSpec{}, {value}, {values_[value].shape[2]}, false);
        channels += values_[value].shape[0];
        has_zeros = has_zeros || values_[value].has_zeros;
      }
      add(ConcatSpec{}, unread, {channels}, has_zeros);
    }
    if (values_.back().shape.rank == 1 && happens(0.3)) return;
    multiply(last_value());
    const Shape shape = values_.back().shape;
    if (happens(0.3)) add(BatchNormSpec{1e-2f}, {last_value()}, shape, false);
    if (happens(0.2)) add(PReluSpec{}, {last_value()}, shape, false);
    if (happens(0.2)) add(DropoutSpec{0.25f}, {last_value()}, shape, false);
  }

  Random& random_;
  std::vector<LayerSpec> layers_;
  std::vector<Value> values_;
};

/// Of each layer, 0 where it is frozen.
Floats random_rates(Random& random, size_t layers) {
  const auto kind = random.integer(0, 5);
  const auto border = static_cast<size_t>(random.integer(0, layers));
  Floats rates;
  for (size_t i = 0; i < layers; ++i) {
    const bool frozen = kind == 0 ? i < border : kind == 1 ? i >= border : kind == 2 ? true : random.unit() < 0.5;
    const float trained = kind == 5 ? 1.0f : random.unit() < 0.5 ? 1.0f : random.unit() < 0.5 ? 0.5f : 3.0f;
    rates.push_back(frozen ? 0 : trained);
  }
  return rates;
}

HeadSpec random_head(Random& random) {
  HeadSpec plain = softmax(kClasses), fixed = pedcc(kClasses),
           normalized = arcface_with_scaled_bn_and_centers(kClasses);
  plain.center_weight = 0.3f;
  plain.center_rate = normalized.center_rate = 0.5f;
  fixed.learn_scale = random.unit() < 0.5;
  const HeadSpec heads[] = {arcface(kClasses, 8, 0.3f), arcface_with_everything(kClasses), plain, fixed, normalized};
  return heads[random.integer(0, 4)];
}

using Values = std::map<std::string, Floats>;

/// A network in training, its steps one by one.
class Run {
 public:
  Run(const std::string& backend, uint64_t seed) {
    Random random(seed);
    spec_.backend = backend;
    spec_.network = RandomNetwork(random).spec();
    spec_.layer_rates = random_rates(random, spec_.network.layers.size());
    spec_.head = random_head(random);
    spec_.options.deterministic = 1;
    spec_.seed = seed;
    spec_.normalization = {{0.5f, 0.4f}, {0.25f, 0.3f}};
    spec_.batch_size = kBatch;
    spec_.optimizer.type = static_cast<OptimizerSpec::Type>(random.integer(0, 2));
    spec_.optimizer.weight_decay = kDecay;
    spec_.optimizer.head_rate = kHeadRate;
    const Ints pixels = random.integers(kSamples * kPixels, 0, 255);
    images_.assign(pixels.begin(), pixels.end());
    labels_ = random.integers(kSamples, 0, kClasses - 1);
    is_streamed_ = random.unit() < 0.5;
    // Not at all, in some steps, in all.
    spec_.optimizer.clip_gradients = std::array{0.0, 1.0, 0.01}[random.integer(0, 2)];
  }

  /// Whether anything of it is trained: else no session takes it.
  bool trains() const {
    ParameterTable table;
    const Network network(spec_.network, table, spec_.layer_rates);
    const Head head(spec_.head, network.embedding_size(), table);
    table.arrange();
    return !table.updates().empty();
  }

  std::string description() const {
    std::string text;
    for (size_t i = 0; i < spec_.layer_rates.size(); ++i) {
      const LayerSpec& layer = spec_.network.layers[i];
      text += format("%zu %s at %g of", i, kind_of(layer).type, spec_.layer_rates[i]);
      for (int input : layer.inputs) text += " " + std::to_string(input);
      text += "; ";
    }
    return text;
  }

  void open() {
    session_ = std::make_unique<Session>(spec_);
    const MemoryUse planned = session_->plan(kSamples);
    session_->open();
    session_->set_training_data({images_.data(), labels_.data(), kSamples, nullptr, is_streamed_});
    const MemoryUse taken = session_->memory();
    CHECK(planned.parameters == taken.parameters);
    CHECK(planned.gradients == taken.gradients);
    CHECK(planned.optimizer == taken.optimizer);
    CHECK(planned.activations == taken.activations);
    spread_values();
  }

  /// It overwrites the activations, on which no step may rest.
  void predict() {
    Floats scores(kSamples * kClasses);
    PredictRequest request;
    request.images = images_.data();
    request.count = kSamples;
    request.scores = scores.data();
    session_->predict(request, never_);
  }

  void step(int64_t batch) {
    before_ = values();
    moments_.clear();
    for (const auto& entry : session_->table().entries())
      for (int moment = 0; entry.spec.is_trained() && moment < moments(); ++moment)
        moments_[entry.spec.name].push_back(session_->trainer().read_moment(entry.spec.name, moment));
    StepsRequest request;
    request.batch_size = kBatch;
    for (int64_t i = 0; i < batch; ++i) request.order.push_back(static_cast<int32_t>(samples_done_++));
    // Every other step has one of its own.
    const bool is_own = steps_done_ % 2 == 1;
    const OptimizerSpec& optimizer = spec_.optimizer;
    momentum_ = is_own ? 0.8f : optimizer.type == OptimizerSpec::Type::Sgd ? optimizer.momentum : optimizer.beta1;
    request.values = {{kRate, 0, 1, is_own ? std::optional(momentum_) : std::nullopt}};
    const StepsResult result = session_->run_steps(request, never_);
    REQUIRE(result.non_finite == "");
    expect_gradients(request.order, result.reports.at(0));
    ++steps_done_;
    expect_update();
  }

 private:
  int moments() const { return spec_.optimizer.type == OptimizerSpec::Type::Sgd ? 1 : 2; }

  std::set<std::string> frozen() const {
    std::set<std::string> names;
    for (size_t i = 0; i < spec_.layer_rates.size(); ++i)
      if (spec_.layer_rates[i] == 0) names.insert(spec_.network.layers[i].name);
    return names;
  }

  /// That hide nothing: no bias of 0, no factor of 1, statistics that are those of no batch.
  void spread_values() {
    Random random(5);
    for (const auto& [spec, offset, ordinal] : session_->table().entries()) {
      if (spec.shape.rank != 1 || spec.name == "head.scale") continue;
      const int64_t count = spec.shape.count();
      const bool is_mean = spec.name.find("Mean") != std::string::npos;
      const Floats values = is_mean ? random.normals(count, 0.3) : random.uniform(count, 0.3, 0.9);
      session_->parameters().write_value(spec.name, values.data(), count);
    }
  }

  Values values() const {
    Values values;
    for (const auto& entry : session_->table().entries())
      values[entry.spec.name] = session_->parameters().read_value(entry.spec.name);
    return values;
  }

  Floats gradient(const std::string& name) const { return session_->parameters().read_gradient(name); }

  /// Before the step, with its images.
  NamedDoubles point(const Ints& order) const {
    NamedDoubles point;
    for (const auto& [name, values] : before_) point[name] = to_doubles(values);
    const Normalization& n = spec_.normalization;
    for (int32_t sample : order)
      for (int64_t i = 0; i < kPixels; ++i)
        point[kImages].push_back((images_[sample * kPixels + i] / 255.0 - n.mean[i % 2]) / n.std[i % 2]);
    return point;
  }

  void expect_gradients(const Ints& order, const StepReport& report) const {
    Ints labels;
    for (int32_t sample : order) labels.push_back(labels_[sample]);
    StepBlock block{};
    block.seed = spec_.seed;
    block.step = steps_done_;
    block.margin_ramp = 1;
    const reference::ModelProblem exact(spec_.network, spec_.head, labels, block, frozen());
    const NamedDoubles at = point(order);
    if (exact.distance_to_kink(at) < 1e-5) return;  // rounding alone could put a value on its other side
    const double loss = exact.loss(at);
    CHECK(std::abs(report.loss - loss) <= 1e-5 * loss);
    const NamedDoubles expected = exact.gradients(at);
    double squares = 0;
    for (const auto& entry : session_->table().entries())
      if (entry.spec.is_trained()) squares += dot(expected.at(entry.spec.name), expected.at(entry.spec.name));
    CHECK(std::abs(report.gradient_norm - std::sqrt(squares)) <= 1e-4 * std::sqrt(squares));
    for (const auto& entry : session_->table().entries()) {
      if (!entry.spec.is_trained()) continue;
      CAPTURE(entry.spec.name);
      Doubles error = expected.at(entry.spec.name);
      const Floats found = gradient(entry.spec.name);
      const double size = dot(error, error);
      for (size_t i = 0; i < error.size(); ++i) error[i] -= found[i];
      // Some are 0 but for rounding: a bias before a batch norm.
      CHECK(std::sqrt(dot(error, error)) <= 1e-3 * (std::sqrt(size) + 1e-2 * std::sqrt(squares)));
    }
  }

  float rate_of(const std::string& parameter) const {
    const std::string layer = parameter.substr(0, parameter.find('.'));
    for (size_t i = 0; i < spec_.layer_rates.size(); ++i)
      if (spec_.network.layers[i].name == layer) return spec_.layer_rates[i];
    return kHeadRate;
  }

  /// By the gradients that the step computed: nothing of what is frozen counts.
  double clip_factor() const {
    if (spec_.optimizer.clip_gradients == 0) return 1;
    double squares = 0;
    for (const auto& entry : session_->table().entries()) {
      if (!entry.spec.is_trained()) continue;
      const Doubles values = to_doubles(gradient(entry.spec.name));
      squares += dot(values, values);
    }
    return reference::clip_factor(std::sqrt(squares), spec_.optimizer.clip_gradients);
  }

  void expect_update() const {
    const Values after = values();
    const double clip = clip_factor();
    for (const auto& entry : session_->table().entries()) {
      const std::string& name = entry.spec.name;
      CAPTURE(name);
      if (rate_of(name) == 0 || (spec_.head.fixed_weights && name == "head.weight")) {
        CHECK(after.at(name) == before_.at(name));
      } else if (entry.spec.is_trained()) {
        expect_update(name, after.at(name), clip, entry.spec.shape.rank > 1 ? kDecay : 0);
      } else if (name != "head.centers") {
        CHECK(after.at(name) != before_.at(name));
      }
    }
  }

  void expect_update(const std::string& name, const Floats& after, double clip, float decay) const {
    const Floats before = before_.at(name);
    Doubles gradients = to_doubles(gradient(name));
    for (double& each : gradients) each *= clip;
    const std::vector<Floats>& moments = moments_.at(name);
    const OptimizerSpec& o = spec_.optimizer;
    const bool decoupled = o.type == OptimizerSpec::Type::AdamW;
    const UpdateGroup group{.end = 0, .rate_multiplier = rate_of(name), .weight_decay = decay};
    double worst = 0;
    for (size_t i = 0; i < after.size(); ++i) {
      double expected = 0;
      if (o.type == OptimizerSpec::Type::Sgd) {
        const Sgd options{o.nesterov};
        expected = reference::sgd({before[i], moments[0][i]}, gradients[i], options, group, kRate, momentum_).parameter;
      } else {
        const Adam options{o.beta2, o.epsilon, decoupled};
        const auto t = static_cast<double>(steps_done_);
        expected = reference::adam({before[i], moments[0][i], moments[1][i]}, gradients[i], options, group, kRate,
                                   momentum_, t)
                       .parameter;
      }
      worst = std::max(worst, std::abs(after[i] - expected) / (1 + std::abs(expected)));
    }
    CHECK(worst <= 1e-6);
  }

  const std::atomic<bool> never_{false};
  SessionSpec spec_{};
  Bytes images_;
  Ints labels_;
  bool is_streamed_;
  std::unique_ptr<Session> session_;
  uint64_t steps_done_ = 0;
  int64_t samples_done_ = 0;
  float momentum_ = 0;  // of the step
  Values before_;       // the step
  std::map<std::string, std::vector<Floats>> moments_;
};

}  // namespace

TEST_CASE("steps of random networks with random layers frozen are those in fp64") {
  for (const std::string& backend : backend_names()) {
    for (uint64_t seed = 1; seed <= kTrials; ++seed) {
      Run run(backend, seed);
      CAPTURE(backend);
      CAPTURE(seed);
      CAPTURE(run.description());
      if (!run.trains()) continue;
      run.open();
      run.step(kBatch);  // eagerly
      run.predict();
      run.step(kBatch);  // recorded
      run.step(kBatch - 1);
    }
  }
}

}  // namespace margincore::test
