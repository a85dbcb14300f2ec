// Training in other precisions than fp32.
#include <doctest/doctest.h>

#include <cmath>

#include "support/backends.h"
#include "support/session_run.h"

namespace margincore::test {

namespace {

/// The precisions that a backend has beside fp32.
std::vector<Precision> faster_precisions(const std::string& backend) {
  if (availability(backend).info.bf16 == 0) return {};
  return {Precision::Tf32, Precision::Bf16};
}

}  // namespace

TEST_CASE("training in tf32 and bf16 stays near training in fp32, and is not it") {
  for (const std::string& backend : backend_names()) {
    for (const Precision precision : faster_precisions(backend)) {
      CAPTURE(static_cast<int>(precision));
      const auto adam = OptimizerSpec::Type::Adam;
      SessionRun exact(backend), rounded(backend, adam, plain_arcface(), kRunBatch, precision);
      const Floats expected = losses(exact.steps(first(80), kRunBatch)),
                   found = losses(rounded.steps(first(80), kRunBatch));
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
      const Floats after = losses(rounded.steps(first(8), kRunBatch)), same = losses(exact.steps(first(8), kRunBatch));
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
