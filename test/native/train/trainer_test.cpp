#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"
#include "train/session.h"

namespace margincore::test {

namespace {

constexpr int64_t kSamples = 20, kBatch = 8;

/// A small session on random images of four classes, with dropout: the step's number matters.
class Run {
 public:
  explicit Run(const std::string& backend, OptimizerSpec::Type optimizer = OptimizerSpec::Type::Adam)
      : session_(spec(backend, optimizer)) {
    session_.open();
    Random random(1);
    const Ints pixels = random.integers(kSamples * 6 * 6, 0, 255);
    images_.assign(pixels.begin(), pixels.end());
    labels_ = random.integers(kSamples, 0, 3);
    session_.set_training_data({images_.data(), labels_.data(), kSamples});
  }

  /// Steps of `batch` over `order`, all with one learning rate.
  StepsResult steps(const Ints& order, int64_t batch, float learning_rate = 0.01f) {
    StepsRequest request;
    request.order = order;
    request.batch_size = batch;
    request.values.assign((order.size() + batch - 1) / batch, {learning_rate, 0, 1});
    return session_.run_steps(request, cancelled);
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
  static SessionSpec spec(const std::string& backend, OptimizerSpec::Type optimizer) {
    SessionSpec spec{};
    spec.backend = backend;
    spec.options.deterministic = 1;
    spec.seed = 3;
    spec.network = {{6, 6, 1},
                    {{"conv", Conv2dSpec{4, 3, 3}},
                     {"", ReluSpec{}},
                     {"", MaxPool2dSpec{2, 2}},
                     {"fc", LinearSpec{8}},
                     {"", DropoutSpec{0.25f}}}};
    spec.head = arcface(4, 8, 0.3f);
    spec.normalization = {{0.5f}, {0.25f}};
    spec.batch_size = kBatch;
    spec.optimizer.type = optimizer;
    return spec;
  }

  Session session_;
  Bytes images_;
  Ints labels_;
};

Ints first(int64_t count) {
  Ints order;
  for (int64_t i = 0; i < count; ++i) order.push_back(static_cast<int32_t>(i % kSamples));
  return order;
}

Floats losses(const StepsResult& result) {
  Floats values;
  for (const StepReport& report : result.reports) values.push_back(report.loss);
  return values;
}

}  // namespace

TEST_CASE("training lowers the loss, and the same run gives the same bits") {
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::Adam, OptimizerSpec::Type::AdamW}) {
      Run one(backend, optimizer), two(backend, optimizer);
      const StepsResult result = one.steps(first(50 * kBatch), kBatch);
      REQUIRE(result.reports.size() == 50);
      CHECK(result.non_finite == "");
      CHECK(result.reports.back().loss < 0.7f * result.reports.front().loss);
      for (const StepReport& report : result.reports) {
        CHECK((report.correct >= 0 && report.correct <= kBatch));
        CHECK(report.gradient_norm > 0);
      }
      expect_same(losses(two.steps(first(50 * kBatch), kBatch)), losses(result));
      CHECK(two.values() == one.values());
    }
  }
}

TEST_CASE("a run in parts is the run in one piece") {
  for (const std::string& backend : backend_names()) {
    Run whole(backend), parts(backend);
    const Ints order = first(6 * kBatch);
    const Floats expected = losses(whole.steps(order, kBatch));
    Floats found = losses(parts.steps(Ints(order.begin(), order.begin() + 2 * kBatch), kBatch));
    const Floats rest = losses(parts.steps(Ints(order.begin() + 2 * kBatch, order.end()), kBatch));
    found.insert(found.end(), rest.begin(), rest.end());
    expect_same(found, expected);
    CHECK(parts.values() == whole.values());
  }
}

TEST_CASE("the tail of an epoch is a smaller step over the samples that are left") {
  for (const std::string& backend : backend_names()) {
    const Ints order = {4, 19, 2, 7, 11, 0, 3, 5, 13, 13, 6};  // 8 and 3
    Run run(backend);
    const StepsResult result = run.steps(order, kBatch, 0.01f);
    REQUIRE(result.reports.size() == 2);
    CHECK(result.reports[1].correct <= 3);

    Run apart(backend);
    apart.steps(Ints(order.begin(), order.begin() + 8), kBatch, 0.01f);
    const StepsResult tail = apart.steps({13, 13, 6}, 3, 0.01f);
    REQUIRE(tail.reports.size() == 1);
    expect_same(losses(tail), {result.reports[1].loss});
    CHECK(apart.values() == run.values());

    // The next epoch, in full batches again.
    CHECK(run.steps(first(2 * kBatch), kBatch).reports.size() == 2);
    // Every batch size down to one sample.
    for (int64_t batch = 1; batch <= kBatch; ++batch)
      CHECK(run.steps(first(kSamples), batch).reports.size() == static_cast<size_t>((kSamples + batch - 1) / batch));
  }
}

TEST_CASE("a parameter that is not finite stops at the step that meets it, and no parameter changes") {
  for (const std::string& backend : backend_names()) {
    Run names(backend);
    for (const auto& entry : names.session().table().entries()) {
      const std::string& name = entry.spec.name;
      CAPTURE(name);
      Run run(backend), untouched(backend);
      run.steps(first(2 * kBatch), kBatch);
      untouched.steps(first(2 * kBatch), kBatch);
      const Floats good = run.session().parameters().read_value(name);
      Floats bad = good;
      bad[bad.size() / 2] = std::numeric_limits<float>::quiet_NaN();
      run.session().parameters().write_value(name, bad.data(), static_cast<int64_t>(bad.size()));
      const auto before = run.values();

      const StepsResult result = run.steps(first(3 * kBatch), kBatch);
      CHECK(result.reports.size() == 1);
      CHECK(result.non_finite == "parameter " + name);
      const auto after = run.values();
      for (size_t i = 0; i < before.size(); ++i) expect_same(after[i], before[i]);

      // Repaired, it goes on as if nothing had happened: neither the counter of steps nor the optimizer moved.
      run.session().parameters().write_value(name, good.data(), static_cast<int64_t>(good.size()));
      expect_same(losses(run.steps(first(3 * kBatch), kBatch)), losses(untouched.steps(first(3 * kBatch), kBatch)));
      CHECK(run.values() == untouched.values());
    }
  }
}

TEST_CASE("training that diverges stops with the last finite parameters and names what is not finite") {
  for (const std::string& backend : backend_names()) {
    Run run(backend, OptimizerSpec::Type::Sgd), same(backend, OptimizerSpec::Type::Sgd);
    const StepsResult result = run.steps(first(40 * kBatch), kBatch, 1e30f);
    REQUIRE(result.non_finite != "");
    REQUIRE(result.reports.size() < 40);
    REQUIRE(result.reports.size() > 1);
    CAPTURE(result.non_finite);
    const size_t good = result.reports.size() - 1;
    for (size_t i = 0; i < good; ++i) CHECK(std::isfinite(result.reports[i].loss));
    const StepReport& last = result.reports.back();
    CHECK_FALSE((std::isfinite(last.loss) && std::isfinite(last.gradient_norm)));

    same.steps(first(static_cast<int64_t>(good) * kBatch), kBatch, 1e30f);
    const auto found = run.values(), expected = same.values();
    for (size_t i = 0; i < found.size(); ++i) {
      expect_same(found[i], expected[i]);
      expect_finite(found[i]);
    }
  }
}

TEST_CASE("a cancelled run stops before its next step") {
  for (const std::string& backend : backend_names()) {
    Run run(backend);
    const auto before = run.values();
    run.cancelled = true;
    CHECK(run.steps(first(3 * kBatch), kBatch).reports.size() == 0);
    CHECK(run.values() == before);

    run.cancelled = false;
    std::thread user([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      run.cancelled = true;
    });
    const StepsResult result = run.steps(first(500'000), 1, 1e-6f);  // would take many seconds
    user.join();
    CHECK(result.reports.size() < 500'000);
    CHECK(result.non_finite == "");

    run.cancelled = false;
    CHECK(run.steps(first(kBatch), kBatch).reports.size() == 1);
  }
}

TEST_CASE("a run of no steps is a run of no steps") {
  for (const std::string& backend : backend_names()) {
    Run run(backend);
    CHECK(run.steps({}, kBatch).reports.size() == 0);
  }
}

TEST_CASE("requests that do not fit are refused before anything runs") {
  for (const std::string& backend : backend_names()) {
    Run run(backend);
    const auto before = run.values();
    CHECK_THROWS_WITH_AS(run.steps({0, 20}, 2), "the order names sample 20 of 20", Error);
    CHECK_THROWS_WITH_AS(run.steps({0, -1}, 2), "the order names sample -1 of 20", Error);
    CHECK_THROWS_WITH_AS(run.steps(first(9), 9), "expected a batch of 1…8 samples but received 9", Error);
    StepsRequest request;
    request.order = first(9);
    request.batch_size = 8;
    request.values.resize(1);
    CHECK_THROWS_WITH_AS(run.session().run_steps(request, run.cancelled),
                         "9 samples in batches of 8 are 2 steps, but values for 1 were given", Error);
    CHECK(run.values() == before);
    run.session().end_training();
    CHECK_THROWS_WITH_AS(run.steps(first(8), 8), "this session does not train", Error);
  }
}

}  // namespace margincore::test
