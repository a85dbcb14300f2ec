#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "nn/centroids.h"
#include "reference/centers.h"
#include "reference/scaled_bn.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"
#include "train/session.h"

namespace margincore::test {

namespace {

constexpr int64_t kSamples = 20, kBatch = 8;

HeadSpec plain_arcface() { return arcface(4, 8, 0.3f); }

/// With running statistics and centres, which follow each step.
HeadSpec arcface_with_state() {
  HeadSpec head = plain_arcface();
  head.scaled_bn = ScaledBn{4, 1e-5f};
  head.center_weight = 0.5f;
  head.center_rate = 0.25f;
  return head;
}

HeadSpec pedcc() {
  HeadSpec head = arcface(4, 7.5f, 0);
  head.margin.m3 = 0.35f;
  head.fixed_weights = true;
  head.center_weight = 2;
  return head;
}

const HeadSpec kHeads[] = {plain_arcface(), arcface_with_state(), pedcc()};

bool is_running(const std::string& name) { return name.find("running") != std::string::npos; }

constexpr uint64_t kSeed = 3;

const NetworkSpec kNetwork = {{6, 6, 1},
                              {{"conv", Conv2dSpec{4, 3, 3}},
                               {"bn", BatchNormSpec{}},
                               {"", ReluSpec{}},
                               {"", MaxPool2dSpec{2, 2}},
                               {"fc", LinearSpec{8}},
                               {"", DropoutSpec{0.25f}}}};

/// A small session on random images of four classes, with dropout: the step's number matters.
class Run {
 public:
  explicit Run(const std::string& backend, OptimizerSpec::Type optimizer = OptimizerSpec::Type::Adam,
               const HeadSpec& head = plain_arcface(), int64_t max_batch = kBatch,
               Precision precision = Precision::Fp32)
      : session_(spec(backend, optimizer, head, max_batch, precision)) {
    session_.open();
    Random random(1);
    const Ints pixels = random.integers(kSamples * 6 * 6, 0, 255);
    images_.assign(pixels.begin(), pixels.end());
    labels_ = random.integers(kSamples, 0, 3);
    set_data(false);
  }

  void set_data(bool streamed) {
    session_.set_training_data({images_.data(), labels_.data(), kSamples, nullptr, streamed});
  }

  /// Steps of `batch` over `order`, all with one learning rate.
  StepsResult steps(const Ints& order, int64_t batch, float learning_rate = 0.01f) {
    return steps(order, batch, (order.size() + batch - 1) / batch, learning_rate);
  }

  /// So many steps, the last with what remains.
  StepsResult steps(const Ints& order, int64_t batch, size_t count, float learning_rate) {
    StepsRequest request;
    request.order = order;
    request.batch_size = batch;
    request.values.assign(count, {learning_rate, 0, 1});
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
                          int64_t max_batch, Precision precision) {
    SessionSpec spec{};
    spec.backend = backend;
    spec.options.deterministic = 1;
    spec.options.precision = precision;
    spec.seed = kSeed;
    spec.network = kNetwork;
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
        CHECK((report.past_pi >= 0 && report.past_pi <= kBatch));
        CHECK(report.gradient_norm > 0);
        CHECK(report.logit_gradient_norm > 0);
      }
      expect_same(losses(two.steps(first(50 * kBatch), kBatch)), losses(result));
      CHECK(two.values() == one.values());
    }
  }
}

TEST_CASE("a run in parts is the run in one piece") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kHeads) {
      Run whole(backend, OptimizerSpec::Type::Adam, head), parts(backend, OptimizerSpec::Type::Adam, head);
      const Ints order = first(6 * kBatch);
      const Floats expected = losses(whole.steps(order, kBatch));
      Floats found = losses(parts.steps(Ints(order.begin(), order.begin() + 2 * kBatch), kBatch));
      const Floats rest = losses(parts.steps(Ints(order.begin() + 2 * kBatch, order.end()), kBatch));
      found.insert(found.end(), rest.begin(), rest.end());
      expect_same(found, expected);
      CHECK(parts.values() == whole.values());
    }
  }
}

TEST_CASE("the tail of an epoch is a smaller step over the samples that are left") {
  for (const std::string& backend : backend_names()) {
    const Ints order = {4, 19, 2, 7, 11, 0, 3, 5, 13, 13, 6};  // 8 and 3
    Run run(backend);
    const StepsResult result = run.steps(order, kBatch, 0.01f);
    REQUIRE(result.reports.size() == 2);
    CHECK(result.reports[1].correct <= 3);

    Run separate(backend);
    separate.steps(Ints(order.begin(), order.begin() + 8), kBatch, 0.01f);
    const StepsResult tail = separate.steps({13, 13, 6}, 3, 0.01f);
    REQUIRE(tail.reports.size() == 1);
    expect_same(losses(tail), {result.reports[1].loss});
    CHECK(separate.values() == run.values());

    // The next epoch, in full batches again.
    CHECK(run.steps(first(2 * kBatch), kBatch).reports.size() == 2);
    // Every batch size down to one sample.
    for (int64_t batch = 1; batch <= kBatch; ++batch)
      CHECK(run.steps(first(kSamples), batch).reports.size() == static_cast<size_t>((kSamples + batch - 1) / batch));
  }
}

TEST_CASE("the last step may have more samples than the others: a tail of one joins them") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kHeads) {
      Run joined(backend, OptimizerSpec::Type::Adam, head, kBatch + 1);
      Run separate(backend, OptimizerSpec::Type::Adam, head, kBatch + 1);
      const Ints order = first(2 * kBatch + 1);
      for (int epoch = 0; epoch < 3; ++epoch) {  // the steps of each size: run, recorded, replayed
        const StepsResult result = joined.steps(order, kBatch, 2, 0.01f);
        REQUIRE(result.reports.size() == 2);
        const StepsResult before = separate.steps(Ints(order.begin(), order.begin() + kBatch), kBatch);
        const StepsResult last = separate.steps(Ints(order.begin() + kBatch, order.end()), kBatch + 1);
        expect_same(losses(result), {before.reports[0].loss, last.reports[0].loss});
        CHECK(joined.values() == separate.values());
      }
      CHECK(joined.steps(first(kBatch + 1), kBatch, 1, 0.01f).reports.size() == 1);  // the only step is the last one
    }
  }
}

TEST_CASE("running statistics and centres follow each batch as the reference does") {
  const HeadSpec head = arcface_with_state();
  for (const std::string& name : backend_names()) {
    const BackendPtr backend = open_backend(name, {});
    Run run(name, OptimizerSpec::Type::Adam, head);
    const auto read = [&](const char* parameter) {
      return to_doubles(run.session().parameters().read_value(parameter));
    };
    CHECK(read("head.centers") == Doubles(4 * 8, 0));
    CHECK(read("head.runningMean") == Doubles(4, 0));
    CHECK(read("head.runningVariance") == Doubles(4, 1));
    // The sizes that come again are replayed; a batch of one has no variance, and nothing to correct it by.
    const Ints kOrders[] = {
        {0, 1, 2, 3, 4, 5, 6, 7},  {8, 9, 10, 11, 12, 13, 14, 15}, {3, 3, 16, 4, 19, 7, 0, 11}, {17, 18, 19}, {5},
        {1, 0, 2, 9, 9, 13, 10, 6}};
    uint64_t step = 0;
    for (const Ints& order : kOrders) {
      CAPTURE(step);
      // This step's embeddings, with its dropout, from the parameters before it.
      const auto rows = static_cast<int64_t>(order.size());
      Model model(*backend, kNetwork, head, rows, kSeed);
      for (const auto& entry : model.table().entries()) {
        const Floats values = run.session().parameters().read_value(entry.spec.name);
        model.parameters().write_value(entry.spec.name, values.data(), static_cast<int64_t>(values.size()));
      }
      StepBlock block{};
      block.seed = kSeed;
      block.step = step++;
      const Doubles x = to_doubles(model.embed(run.images(order), block));
      const Doubles unit = reference::unit_rows(x, rows, 8), weights = read("head.weight");
      const Doubles products =
          reference::linear_forward(reference::l2_scale_forward(x, head.scale, rows, 8), weights, {}, rows, 8, 4);
      const auto stats = reference::column_stats(products, reference::row_norms(weights, 4, 8), rows, 4);
      const double unbiased = rows > 1 ? static_cast<double>(rows) / static_cast<double>(rows - 1) : 1;
      const Doubles mean = reference::running_average(read("head.runningMean"), stats.mean, 0.1, 1);
      const Doubles variance = reference::running_average(read("head.runningVariance"), stats.variance, 0.1, unbiased);
      const Doubles centers = reference::center_update(read("head.centers"), unit, run.labels(order), 0.25, 8);

      REQUIRE(run.steps(order, rows).non_finite == "");
      expect_close(Op::ColumnMean, to_floats(read("head.runningMean")), mean);
      expect_close(Op::ColumnVariance, to_floats(read("head.runningVariance")), variance);
      expect_close(Op::CenterUpdate, to_floats(read("head.centers")), centers);
    }
  }
}

TEST_CASE("fixed centroids stay as they are while the network comes to them") {
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::AdamW}) {
      Run run(backend, optimizer, pedcc());
      const Floats expected = centroids(4, 8, kSeed);
      expect_same(run.session().parameters().read_value("head.weight"), expected);
      const StepsResult result = run.steps(first(50 * kBatch), kBatch);
      CHECK(result.reports.back().loss < 0.7f * result.reports.front().loss);
      expect_same(run.session().parameters().read_value("head.weight"), expected);
    }
  }
}

TEST_CASE("a parameter that is not finite stops at the step that meets it, and no parameter changes") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kHeads) {
      Run names(backend, OptimizerSpec::Type::Adam, head);
      for (const auto& entry : names.session().table().entries()) {
        const std::string& name = entry.spec.name;
        if (is_running(name)) continue;  // training does not read them
        CAPTURE(name);
        Run run(backend, OptimizerSpec::Type::Adam, head), untouched(backend, OptimizerSpec::Type::Adam, head);
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
}

TEST_CASE("a gradient that is not finite beside a loss that is: no parameter, centre or running statistic changes") {
  for (const std::string& backend : backend_names()) {
    Run run(backend, OptimizerSpec::Type::Adam, arcface_with_state());
    run.steps(first(kBatch), kBatch);
    // Large activations by tiny weights: embeddings of ordinary directions and a length of 1e-10, by which the gradient
    // of their direction is divided.
    const auto scale = [&](const char* name, float factor) {
      Floats values = run.session().parameters().read_value(name);
      for (float& value : values) value *= factor;
      run.session().parameters().write_value(name, values.data(), static_cast<int64_t>(values.size()));
    };
    scale("bn.weight", 1e12f);
    scale("bn.bias", 1e12f);
    scale("fc.weight", 1e-22f);
    scale("fc.bias", 1e-10f);
    const auto before = run.values();
    const StepsResult result = run.steps(first(2 * kBatch), kBatch);
    REQUIRE(result.reports.size() == 1);
    CHECK(std::isfinite(result.reports[0].loss));
    CHECK_FALSE(std::isfinite(result.reports[0].gradient_norm));
    const auto after = run.values();
    for (size_t i = 0; i < before.size(); ++i) expect_same(after[i], before[i]);
  }
}

TEST_CASE("training that diverges stops with the last finite parameters and names what is not finite") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kHeads) {
      Run run(backend, OptimizerSpec::Type::Sgd, head), same(backend, OptimizerSpec::Type::Sgd, head);
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
    const auto refused = [&](Run& by, size_t steps, int64_t samples, const char* message) {
      CHECK_THROWS_WITH_AS(by.steps(first(samples), kBatch, steps, 0.01f), message, Error);
    };
    refused(run, 1, 9, "1 steps of 8 samples, the last of 1…8, cannot have 9 samples");
    refused(run, 3, 9, "3 steps of 8 samples, the last of 1…8, cannot have 9 samples");
    refused(run, 3, 16, "3 steps of 8 samples, the last of 1…8, cannot have 16 samples");
    refused(run, 0, 9, "0 steps of 8 samples, the last of 1…8, cannot have 9 samples");
    refused(run, 1, 0, "1 steps of 8 samples, the last of 1…8, cannot have 0 samples");
    Run roomy(backend, OptimizerSpec::Type::Adam, plain_arcface(), kBatch + 1);
    refused(roomy, 2, 18, "2 steps of 8 samples, the last of 1…9, cannot have 18 samples");
    CHECK(run.values() == before);
    run.session().end_training();
    CHECK_THROWS_WITH_AS(run.steps(first(8), 8), "this session does not train", Error);
  }
}

TEST_CASE("images that stay in host memory are streamed: the same losses, bit for bit") {
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    Run held(backend), streamed(backend);
    streamed.set_data(true);
    CHECK(streamed.session().memory().dataset < 2 * kBatch * (36 + 8) + 1);
    const Ints order = Random(9).integers(61, 0, kSamples - 1);
    for (const int64_t batch : {kBatch, int64_t{5}, kBatch})  // the last step of each is shorter
      expect_same(losses(streamed.steps(order, batch)), losses(held.steps(order, batch)));
    for (size_t i = 0; i < held.values().size(); ++i) expect_same(streamed.values()[i], held.values()[i]);
    streamed.set_data(false);  // and back
    expect_same(losses(streamed.steps(order, kBatch)), losses(held.steps(order, kBatch)));
  }
}

/// The precisions that a backend has beside fp32.
std::vector<Precision> faster_precisions(const std::string& backend) {
  if (availability(backend).info.bf16 == 0) return {};
  return {Precision::Tf32, Precision::Bf16};
}

TEST_CASE("training in tf32 and bf16 stays near training in fp32, and is not it") {
  for (const std::string& backend : backend_names()) {
    for (const Precision precision : faster_precisions(backend)) {
      CAPTURE(static_cast<int>(precision));
      const auto adam = OptimizerSpec::Type::Adam;
      Run exact(backend), rounded(backend, adam, plain_arcface(), kBatch, precision);
      const Floats expected = losses(exact.steps(first(80), kBatch)), found = losses(rounded.steps(first(80), kBatch));
      REQUIRE(found.size() == 10);
      for (size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(found[i] - expected[i]) < (precision == Precision::Bf16 ? 0.03 : 0.004) * expected[i]);
        // A library may have no faster arithmetic for sizes as small as these.
        if (precision == Precision::Bf16 || rounded.session().backend_info().simulated != 0)
          CHECK(found[i] != expected[i]);
      }

      // Copies follow what is written.
      const Floats zero(rounded.session().table().find("fc.weight").spec.shape.count(), 0);
      rounded.session().parameters().write_value("fc.weight", zero.data(), static_cast<int64_t>(zero.size()));
      exact.session().parameters().write_value("fc.weight", zero.data(), static_cast<int64_t>(zero.size()));
      const Floats after = losses(rounded.steps(first(8), kBatch)), same = losses(exact.steps(first(8), kBatch));
      CHECK(std::abs(after[0] - same[0]) < 0.03 * same[0]);
    }
  }
}

TEST_CASE("a precision that the device does not have is refused when it is opened") {
  for (const std::string& backend : backend_names()) {
    if (!faster_precisions(backend).empty()) continue;
    BackendOptions options{};
    options.precision = Precision::Bf16;
    CHECK_THROWS_AS(open_backend(backend, options), Error);
    try {
      open_backend(backend, options);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::Unsupported);
      CHECK(std::string(error.what()).find("bf16") != std::string::npos);
    }
  }
}

}  // namespace margincore::test
