#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>

#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"
#include "train/session.h"

namespace margincore::test {

namespace {

constexpr int64_t kSide = 8, kSamples = 12, kBatch = 4, kClasses = 3;
constexpr float kDecay = 0.75f;

/// A session that trains, with batch norm and a head whose batch norm has running statistics, too.
class AveragingRun {
 public:
  AveragingRun(const std::string& backend, float decay, Precision precision)
      : session_(spec(backend, decay, precision)) {
    session_.open();
    Random random(1);
    const Ints pixels = random.integers(kSamples * kSide * kSide, 0, 255);
    images_.assign(pixels.begin(), pixels.end());
    labels_ = random.integers(kSamples, 0, kClasses - 1);
    session_.set_training_data({images_.data(), labels_.data(), kSamples, nullptr, false});
  }

  StepsResult step(int64_t steps = 1, float rate = 0.1f) {
    StepsRequest request;
    request.batch_size = kBatch;
    for (int64_t i = 0; i < steps * kBatch; ++i) request.order.push_back(static_cast<int32_t>((i * 5) % kSamples));
    request.values.assign(steps, {rate, 0, 1});
    return session_.run_steps(request, std::atomic<bool>{false});
  }

  Floats scores() {
    Floats scores(kSamples * kClasses);
    PredictRequest request;
    request.images = images_.data();
    request.count = kSamples;
    request.scores = scores.data();
    session_.predict(request, std::atomic<bool>{false});
    return scores;
  }

  std::map<std::string, Floats> trained() { return read(session_.trained_parameters()); }
  std::map<std::string, Floats> predicting() { return read(session_.parameters()); }
  Session& session() { return session_; }

 private:
  static SessionSpec spec(const std::string& backend, float decay, Precision precision) {
    SessionSpec spec;
    spec.backend = backend;
    spec.options.precision = precision;
    spec.options.deterministic = 1;
    spec.seed = 3;
    spec.network = {{kSide, kSide, 1},
                    {{"conv", Conv2dSpec{4, 3, 3}}, {"bn", BatchNormSpec{}}, {"", ReluSpec{}}, {"fc", LinearSpec{6}}}};
    spec.head = arcface(kClasses, 8, 0.3f);
    spec.head.scaled_bn = ScaledBn{};
    spec.normalization = {{0.5f}, {0.25f}};
    spec.optimizer.type = OptimizerSpec::Type::Sgd;
    spec.optimizer.average_decay = decay;
    spec.batch_size = kBatch;
    return spec;
  }

  std::map<std::string, Floats> read(const Parameters& parameters) {
    std::map<std::string, Floats> values;
    for (const auto& entry : session_.table().entries())
      values[entry.spec.name] = parameters.read_value(entry.spec.name);
    return values;
  }

  Session session_;
  Bytes images_;
  Ints labels_;
};

}  // namespace

TEST_CASE("predictions are made with the mean of what steps left, a step weighing less the older it is") {
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    AveragingRun run(backend, kDecay, Precision::Fp32), plain(backend, 0, Precision::Fp32);
    CHECK(run.predicting() == plain.trained());
    std::map<std::string, Doubles> sums;
    double weights = 0;
    for (int step = 1; step <= 6; ++step) {
      CHECK(run.step().reports[0].loss == plain.step().reports[0].loss);
      weights = kDecay * weights + 1;
      CHECK(run.trained() == plain.trained());  // bit for bit
      for (const auto& [name, values] : plain.trained()) {
        Doubles& sum = sums[name];
        sum.resize(values.size());
        for (size_t i = 0; i < values.size(); ++i) sum[i] = kDecay * sum[i] + values[i];
      }
      for (const auto& [name, values] : run.predicting()) {
        CAPTURE(name);
        CAPTURE(step);
        Doubles expected = sums[name];
        for (double& value : expected) value /= weights;
        expect_close(Op::RunningAverage, values, expected);
      }
    }
    CHECK(run.predicting() != run.trained());

    // A session that has those parameters predicts the same, and so does this one once training has ended.
    AveragingRun other(backend, 0, Precision::Fp32);
    for (const auto& [name, values] : run.predicting())
      other.session().write_parameter(name, values.data(), static_cast<int64_t>(values.size()));
    const Floats scores = run.scores();
    CHECK(scores == other.scores());
    const auto before = run.predicting();
    run.session().end_training();
    CHECK(run.predicting() == before);
    CHECK(run.scores() == scores);
    CHECK_THROWS_WITH_AS(run.trained(), doctest::Contains("released when training ended"), Error);
  }
}

TEST_CASE("steps that are run together average as steps that are run one by one") {
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    AveragingRun together(backend, kDecay, Precision::Fp32), single(backend, kDecay, Precision::Fp32);
    together.step(3);
    StepsRequest request;
    request.batch_size = kBatch;
    request.values.assign(1, {0.1f, 0, 1});
    for (int64_t step = 0; step < 3; ++step) {
      request.order.clear();
      for (int64_t i = step * kBatch; i < (step + 1) * kBatch; ++i)
        request.order.push_back(static_cast<int32_t>((i * 5) % kSamples));
      single.session().run_steps(request, std::atomic<bool>{false});
    }
    CHECK(together.predicting() == single.predicting());
  }
}

TEST_CASE("a step that is not finite leaves the average as it was") {
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    AveragingRun run(backend, kDecay, Precision::Fp32);
    run.step(2);
    const auto before = run.predicting();
    Floats weight = run.trained()["conv.weight"];
    weight[0] = INFINITY;
    run.session().trained_parameters().write_value("conv.weight", weight.data(), static_cast<int64_t>(weight.size()));
    CHECK(!run.step(2).non_finite.empty());
    CHECK(run.predicting() == before);
  }
}

TEST_CASE("what is written to a session is written to both") {
  for (const std::string& backend : backend_names()) {
    AveragingRun run(backend, kDecay, Precision::Fp32);
    run.step(2);
    const Floats values(run.trained()["fc.bias"].size(), 0.5f);
    run.session().write_parameter("fc.bias", values.data(), static_cast<int64_t>(values.size()));
    CHECK(run.trained()["fc.bias"] == values);
    CHECK(run.predicting()["fc.bias"] == values);
  }
}

TEST_CASE("in bf16 predictions read twins of the average") {
  for (const std::string& backend : backend_names()) {
    if (availability(backend).info.bf16 == 0) continue;
    CAPTURE(backend);
    AveragingRun run(backend, kDecay, Precision::Bf16), other(backend, 0, Precision::Bf16);
    run.step(4);
    for (const auto& [name, values] : run.predicting())
      other.session().write_parameter(name, values.data(), static_cast<int64_t>(values.size()));
    CHECK(run.scores() == other.scores());
  }
}

}  // namespace margincore::test
