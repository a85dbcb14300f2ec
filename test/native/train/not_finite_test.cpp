// Numbers that are not finite stop a training at the last good parameters.
#include <doctest/doctest.h>

#include <cmath>

#include "support/backends.h"
#include "support/compare.h"
#include "support/session_run.h"

namespace margincore::test {

namespace {

/// Training does not read running statistics, and not the bias that a batch norm takes away again.
bool is_read(const std::string& name) { return name.find("running") == std::string::npos && name != "conv.bias"; }

}  // namespace

TEST_CASE("a parameter that is not finite stops at the step that meets it, and no parameter changes") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kRunHeads) {
      SessionRun names(backend, OptimizerSpec::Type::Adam, head);
      for (const auto& entry : names.session().table().entries()) {
        const std::string& name = entry.spec.name;
        if (!is_read(name)) continue;
        CAPTURE(name);
        SessionRun run(backend, OptimizerSpec::Type::Adam, head), untouched(backend, OptimizerSpec::Type::Adam, head);
        run.steps(first(2 * kRunBatch), kRunBatch);
        untouched.steps(first(2 * kRunBatch), kRunBatch);
        const Floats good = run.session().parameters().read_value(name);
        Floats bad = good;
        bad[bad.size() / 2] = kNaN;
        run.session().parameters().write_value(name, bad.data(), static_cast<int64_t>(bad.size()));
        const auto before = run.values();

        const StepsResult result = run.steps(first(3 * kRunBatch), kRunBatch);
        CHECK(result.reports.size() == 1);
        CHECK(result.non_finite == "parameter " + name);
        const auto after = run.values();
        for (size_t i = 0; i < before.size(); ++i) expect_same(after[i], before[i]);

        // Repaired, it goes on as if nothing had happened: neither the counter of steps nor the optimizer moved.
        run.session().parameters().write_value(name, good.data(), static_cast<int64_t>(good.size()));
        expect_same(losses(run.steps(first(3 * kRunBatch), kRunBatch)),
                    losses(untouched.steps(first(3 * kRunBatch), kRunBatch)));
        CHECK(run.values() == untouched.values());
      }
    }
  }
}

TEST_CASE("a gradient that is not finite beside a loss that is: no parameter, centre or running statistic changes") {
  for (const std::string& backend : backend_names()) {
    SessionRun run(backend, OptimizerSpec::Type::Adam, arcface_with_state());
    run.steps(first(kRunBatch), kRunBatch);
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
    const StepsResult result = run.steps(first(2 * kRunBatch), kRunBatch);
    REQUIRE(result.reports.size() == 1);
    CHECK(std::isfinite(result.reports[0].loss));
    CHECK_FALSE(std::isfinite(result.reports[0].gradient_norm));
    const auto after = run.values();
    for (size_t i = 0; i < before.size(); ++i) expect_same(after[i], before[i]);
  }
}

TEST_CASE("training that diverges stops with the last finite parameters and names what is not finite") {
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : kRunHeads) {
      SessionRun run(backend, OptimizerSpec::Type::Sgd, head), same(backend, OptimizerSpec::Type::Sgd, head);
      const StepsResult result = run.steps(first(40 * kRunBatch), kRunBatch, 1e30f);
      REQUIRE(result.non_finite != "");
      REQUIRE(result.reports.size() < 40);
      REQUIRE(result.reports.size() > 1);
      CAPTURE(result.non_finite);
      const size_t good = result.reports.size() - 1;
      for (size_t i = 0; i < good; ++i) CHECK(std::isfinite(result.reports[i].loss));
      const StepReport& last = result.reports.back();
      CHECK_FALSE((std::isfinite(last.loss) && std::isfinite(last.gradient_norm)));

      same.steps(first(static_cast<int64_t>(good) * kRunBatch), kRunBatch, 1e30f);
      const auto found = run.values(), expected = same.values();
      for (size_t i = 0; i < found.size(); ++i) {
        expect_same(found[i], expected[i]);
        expect_finite(found[i]);
      }
    }
  }
}

}  // namespace margincore::test
