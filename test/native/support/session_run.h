// Small sessions that train on random images of four classes: with every kind of head, optimizer and precision.
#pragma once

#include <atomic>
#include <string>

#include "support/model.h"
#include "support/random.h"
#include "train/session.h"

namespace margincore::test {

inline constexpr int64_t kRunSamples = 20, kRunBatch = 8;

inline HeadSpec plain_arcface() { return arcface(4, 8, 0.3f); }

/// With running statistics and centres, which follow each step.
inline HeadSpec arcface_with_state() {
  HeadSpec head = plain_arcface();
  head.scaled_bn = ScaledBn{4, 1e-5f};
  head.center_weight = 0.5f;
  head.center_rate = 0.25f;
  return head;
}

inline const HeadSpec kRunHeads[] = {plain_arcface(), arcface_with_state(), pedcc(4)};

inline constexpr uint64_t kRunSeed = 3;

inline const NetworkSpec kRunNetwork = {{6, 6, 1},
                                        {{"conv", Conv2dSpec{4, 3, 3}},
                                         {"bn", BatchNormSpec{}},
                                         {"", ReluSpec{}},
                                         {"", MaxPool2dSpec{2, 2}},
                                         {"fc", LinearSpec{8}},
                                         {"", DropoutSpec{0.25f}}}};

/// A small session on random images of four classes, with dropout: the step's number matters.
class SessionRun {
 public:
  explicit SessionRun(const std::string& backend, OptimizerSpec::Type optimizer = OptimizerSpec::Type::Adam,
                      const HeadSpec& head = plain_arcface(), int64_t max_batch = kRunBatch,
                      Precision precision = Precision::Fp32, const Floats& rates = {})
      : session_(spec(backend, optimizer, head, max_batch, precision, rates)) {
    session_.open();
    Random random(1);
    const Ints pixels = random.integers(kRunSamples * 6 * 6, 0, 255);
    images_.assign(pixels.begin(), pixels.end());
    labels_ = random.integers(kRunSamples, 0, 3);
    set_data(false);
  }

  void set_data(bool streamed) {
    session_.set_training_data({images_.data(), labels_.data(), kRunSamples, nullptr, streamed});
  }

  /// Steps of `batch` over `order`, all with one learning rate.
  StepsResult steps(const Ints& order, int64_t batch, float learning_rate = 0.01f) {
    return steps(order, batch, (order.size() + batch - 1) / batch, learning_rate);
  }

  /// So many steps, the last with what remains.
  StepsResult steps(const Ints& order, int64_t batch, size_t count, float learning_rate) {
    return steps(order, batch, std::vector<StepValues>(count, {learning_rate, 0, 1}));
  }

  /// A step for each of the values.
  StepsResult steps(const Ints& order, int64_t batch, const std::vector<StepValues>& values) {
    StepsRequest request;
    request.order = order;
    request.batch_size = batch;
    request.values = values;
    return session_.run_steps(request, cancelled);
  }

  /// Pixels as the network sees them.
  Floats images(const Ints& order) const {
    Floats batch;
    for (int32_t sample : order)
      for (int64_t i = 0; i < 36; ++i) batch.push_back((images_[sample * 36 + i] / 255.0f - 0.5f) / 0.25f);
    return batch;
  }

  Ints labels(const Ints& order) const {
    Ints batch;
    for (int32_t sample : order) batch.push_back(labels_[sample]);
    return batch;
  }

  std::vector<Floats> values() {
    std::vector<Floats> all;
    for (const auto& entry : session_.table().entries())
      all.push_back(session_.parameters().read_value(entry.spec.name));
    return all;
  }

  Session& session() { return session_; }

  std::atomic<bool> cancelled{false};

 private:
  static SessionSpec spec(const std::string& backend, OptimizerSpec::Type optimizer, const HeadSpec& head,
                          int64_t max_batch, Precision precision, const Floats& rates) {
    SessionSpec spec{};
    spec.backend = backend;
    spec.options.deterministic = 1;
    spec.options.precision = precision;
    spec.seed = kRunSeed;
    spec.network = kRunNetwork;
    spec.layer_rates = rates;
    spec.head = head;
    spec.normalization = {{0.5f}, {0.25f}};
    spec.batch_size = max_batch;
    spec.optimizer.type = optimizer;
    return spec;
  }

  Session session_;
  Bytes images_;
  Ints labels_;
};

inline Ints first(int64_t count) {
  Ints order;
  for (int64_t i = 0; i < count; ++i) order.push_back(static_cast<int32_t>(i % kRunSamples));
  return order;
}

inline Floats losses(const StepsResult& result) {
  Floats values;
  for (const StepReport& report : result.reports) values.push_back(report.loss);
  return values;
}

}  // namespace margincore::test
