// oneDNN falls back to reference loops, a hundred times slower, for layouts that its fast code does not take.
#include <doctest/doctest.h>

#include <set>

#include "cpu/cpu_backend.h"
#include "support/model.h"
#include "support/random.h"

namespace margincore::test {

namespace {

void expect_no_reference_loops(const CpuBackend& backend, size_t least) {
  const std::vector<std::string> names = backend.implementations();
  CHECK(names.size() >= least);
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(name != "");
    CHECK(name.find("ref") == std::string::npos);
  }
}

void train_once(CpuBackend& backend, const NetworkSpec& network, const HeadSpec& head, int64_t batch) {
  Random random(1);
  Model model(backend, network, head, batch, 1);
  StepBlock step{};
  step.margin_ramp = 1;
  model.loss(random.normals(batch * network.input.count()), random.integers(batch, 0, head.num_classes - 1), step);
}

}  // namespace

TEST_CASE("the seed CNN runs without oneDNN's reference loops") {
  for (const int64_t batch : {1, 20, 128}) {
    CAPTURE(batch);
    CpuBackend backend({});
    train_once(backend, seed_cnn(1024), arcface(10, 30, 0.5f), batch);
    expect_no_reference_loops(backend, 5 + 6);  // conv1 needs no gradient of its input
  }
}

TEST_CASE("other layers run without oneDNN's reference loops") {
  const NetworkSpec colour = {{32, 32, 3},
                              {{"", Conv2dSpec{16, 3, 3, 1, std::nullopt}},
                               {"", Conv2dSpec{32, 3, 3, 2, 1}},
                               {"", Conv2dSpec{64, 1, 1, 2, 0, false}},
                               {"", Conv2dSpec{33, 5, 5, 1, std::nullopt}},
                               {"", LinearSpec{17}},
                               {"", LinearSpec{2}}}};
  for (const int64_t batch : {1, 2, 127}) {
    for (const int64_t classes : {2, 1009}) {
      CAPTURE(batch);
      CAPTURE(classes);
      CpuBackend backend({});
      train_once(backend, colour, arcface(classes, 30, 0.5f), batch);
      expect_no_reference_loops(backend, 11 + 9);
    }
  }
}

}  // namespace margincore::test
