#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "support/backends.h"
#include "support/compare.h"
#include "support/session_run.h"

namespace margincore::test {

TEST_CASE("training lowers the loss, and the same run gives the same bits") {
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::Adam, OptimizerSpec::Type::AdamW}) {
      SessionRun one(backend, optimizer), two(backend, optimizer);
      const StepsResult result = one.steps(first(50 * kRunBatch), kRunBatch);
      REQUIRE(result.reports.size() == 50);
      CHECK(result.non_finite == "");
      CHECK(result.reports.back().loss < 0.7f * result.reports.front().loss);
      for (const StepReport& report : result.reports) {
        CHECK((report.correct >= 0 && report.correct <= kRunBatch));
        CHECK((report.past_pi >= 0 && report.past_pi <= kRunBatch));
        CHECK(report.gradient_norm > 0);
        CHECK(report.logit_gradient_norm > 0);
      }
      expect_same(losses(two.steps(first(50 * kRunBatch), kRunBatch)), losses(result));
      CHECK(two.values() == one.values());
    }
  }
}

TEST_CASE("a run in parts is the run in one piece") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kRunHeads) {
      SessionRun whole(backend, OptimizerSpec::Type::Adam, head), parts(backend, OptimizerSpec::Type::Adam, head);
      const Ints order = first(6 * kRunBatch);
      const Floats expected = losses(whole.steps(order, kRunBatch));
      Floats found = losses(parts.steps(Ints(order.begin(), order.begin() + 2 * kRunBatch), kRunBatch));
      const Floats rest = losses(parts.steps(Ints(order.begin() + 2 * kRunBatch, order.end()), kRunBatch));
      found.insert(found.end(), rest.begin(), rest.end());
      expect_same(found, expected);
      CHECK(parts.values() == whole.values());
    }
  }
}

TEST_CASE("each step of a call has its own learning rate, lambda, share of the margin and momentum") {
  const std::vector<StepValues> values = {{0.01f, 8, 0.25f, 0.6f}, {0.02f, 2, 0.5f, 0.95f}, {0.005f, 0, 1}};
  for (const std::string& backend : backend_names()) {
    SessionRun whole(backend), apart(backend);
    const StepsResult together = whole.steps(first(3 * kRunBatch), kRunBatch, values);
    Floats one_by_one;
    for (size_t i = 0; i < values.size(); ++i) {
      const Ints order = first(3 * kRunBatch), own(order.begin() + i * kRunBatch, order.begin() + (i + 1) * kRunBatch);
      one_by_one.push_back(losses(apart.steps(own, kRunBatch, {values[i]})).at(0));
    }
    expect_same(one_by_one, losses(together));
    CHECK(apart.values() == whole.values());
  }
}

TEST_CASE("momentum is the optimizer's where a step has none of its own") {
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::Adam, OptimizerSpec::Type::AdamW}) {
      const auto trained_with = [&](std::optional<float> momentum) {
        SessionRun run(backend, optimizer);
        run.steps(first(4 * kRunBatch), kRunBatch, std::vector<StepValues>(4, {0.01f, 0, 1, momentum}));
        return run.values();
      };
      const OptimizerSpec spec;
      const auto own = trained_with(std::nullopt);
      CHECK(trained_with(optimizer == OptimizerSpec::Type::Sgd ? spec.momentum : spec.beta1) == own);
      CHECK(trained_with(0.8f) != own);
    }
  }
}

TEST_CASE("the tail of an epoch is a smaller step over the samples that are left") {
  for (const std::string& backend : backend_names()) {
    const Ints order = {4, 19, 2, 7, 11, 0, 3, 5, 13, 13, 6};  // 8 and 3
    SessionRun run(backend);
    const StepsResult result = run.steps(order, kRunBatch, 0.01f);
    REQUIRE(result.reports.size() == 2);
    CHECK(result.reports[1].correct <= 3);

    SessionRun separate(backend);
    separate.steps(Ints(order.begin(), order.begin() + 8), kRunBatch, 0.01f);
    const StepsResult tail = separate.steps({13, 13, 6}, 3, 0.01f);
    REQUIRE(tail.reports.size() == 1);
    expect_same(losses(tail), {result.reports[1].loss});
    CHECK(separate.values() == run.values());

    // The next epoch, in full batches again.
    CHECK(run.steps(first(2 * kRunBatch), kRunBatch).reports.size() == 2);
    // Every batch size down to one sample.
    for (int64_t batch = 1; batch <= kRunBatch; ++batch)
      CHECK(run.steps(first(kRunSamples), batch).reports.size() ==
            static_cast<size_t>((kRunSamples + batch - 1) / batch));
  }
}

TEST_CASE("the last step may have more samples than the others: a tail of one joins them") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kRunHeads) {
      SessionRun joined(backend, OptimizerSpec::Type::Adam, head, kRunBatch + 1);
      SessionRun separate(backend, OptimizerSpec::Type::Adam, head, kRunBatch + 1);
      const Ints order = first(2 * kRunBatch + 1);
      for (int epoch = 0; epoch < 3; ++epoch) {  // the steps of each size: run, recorded, replayed
        const StepsResult result = joined.steps(order, kRunBatch, 2, 0.01f);
        REQUIRE(result.reports.size() == 2);
        const StepsResult before = separate.steps(Ints(order.begin(), order.begin() + kRunBatch), kRunBatch);
        const StepsResult last = separate.steps(Ints(order.begin() + kRunBatch, order.end()), kRunBatch + 1);
        expect_same(losses(result), {before.reports[0].loss, last.reports[0].loss});
        CHECK(joined.values() == separate.values());
      }
      CHECK(joined.steps(first(kRunBatch + 1), kRunBatch, 1, 0.01f).reports.size() ==
            1);  // the only step is the last one
    }
  }
}

TEST_CASE("a cancelled run stops before its next step") {
  for (const std::string& backend : backend_names()) {
    SessionRun run(backend);
    const auto before = run.values();
    run.cancelled = true;
    CHECK(run.steps(first(3 * kRunBatch), kRunBatch).reports.size() == 0);
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
    CHECK(run.steps(first(kRunBatch), kRunBatch).reports.size() == 1);
  }
}

TEST_CASE("a run of no steps is a run of no steps") {
  for (const std::string& backend : backend_names()) {
    SessionRun run(backend);
    CHECK(run.steps({}, kRunBatch).reports.size() == 0);
  }
}

TEST_CASE("requests that do not fit are refused before anything runs") {
  for (const std::string& backend : backend_names()) {
    SessionRun run(backend);
    const auto before = run.values();
    CHECK_THROWS_WITH_AS(run.steps({0, 20}, 2), "the order names sample 20 of 20", Error);
    CHECK_THROWS_WITH_AS(run.steps({0, -1}, 2), "the order names sample -1 of 20", Error);
    CHECK_THROWS_WITH_AS(run.steps(first(9), 9), "expected a batch of 1…8 samples but received 9", Error);
    const auto refused = [&](SessionRun& by, size_t steps, int64_t samples, const char* message) {
      CHECK_THROWS_WITH_AS(by.steps(first(samples), kRunBatch, steps, 0.01f), message, Error);
    };
    refused(run, 1, 9, "1 steps of 8 samples, the last of 1…8, cannot have 9 samples");
    refused(run, 3, 9, "3 steps of 8 samples, the last of 1…8, cannot have 9 samples");
    refused(run, 3, 16, "3 steps of 8 samples, the last of 1…8, cannot have 16 samples");
    refused(run, 0, 9, "0 steps of 8 samples, the last of 1…8, cannot have 9 samples");
    refused(run, 1, 0, "1 steps of 8 samples, the last of 1…8, cannot have 0 samples");
    SessionRun roomy(backend, OptimizerSpec::Type::Adam, plain_arcface(), kRunBatch + 1);
    refused(roomy, 2, 18, "2 steps of 8 samples, the last of 1…9, cannot have 18 samples");
    CHECK(run.values() == before);
    run.session().end_training();
    CHECK_THROWS_WITH_AS(run.steps(first(8), 8), "this session does not train", Error);
  }
}

TEST_CASE("images that stay in host memory are streamed: the same losses, bit for bit") {
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    SessionRun held(backend), streamed(backend);
    streamed.set_data(true);
    CHECK(streamed.session().memory().dataset < 2 * kRunBatch * (36 + 12) + 1);  // with label, place and number
    const Ints order = Random(9).integers(61, 0, kRunSamples - 1);
    for (const int64_t batch : {kRunBatch, int64_t{5}, kRunBatch})  // the last step of each is shorter
      expect_same(losses(streamed.steps(order, batch)), losses(held.steps(order, batch)));
    for (size_t i = 0; i < held.values().size(); ++i) expect_same(streamed.values()[i], held.values()[i]);
    streamed.set_data(false);  // and back
    expect_same(losses(streamed.steps(order, kRunBatch)), losses(held.steps(order, kRunBatch)));
  }
}

}  // namespace margincore::test
