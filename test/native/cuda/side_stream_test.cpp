// Gradients of a convolution that are made beside each other: what comes before and after them stays before and after.
#include <doctest/doctest.h>

#include <string>

#include "cuda/open_cuda.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

/// A convolution's backward pass between the making of its operands and their overwriting.
struct Sequence {
  explicit Sequence(Backend& on) : backend(on), device(on) {
    Random random(1);
    for (auto& [from, to, shape] : operands) {
      from = device.input(random.normals(shape.count()), shape);
      to = device.output(shape);
    }
    dx = device.output(image);
    dw = device.output(weights);
    dbias = device.output({4});
  }

  Status backward() {
    return backend.conv2d_backward(dx, dw, dbias, operands[0].at, operands[1].at, operands[2].at, {1, 1, 1}, 0);
  }
  Status run() {
    for (const auto& [from, to, _] : operands)
      if (const Status status = backend.copy(to.data, from.data, from.bytes()); !status.ok()) return status;
    if (const Status status = backward(); !status.ok()) return status;
    for (const auto& [from, to, _] : operands)
      if (const Status status = backend.zero(to.data, to.bytes()); !status.ok()) return status;
    return Status::success();
  }
  Status record(Program** program) {
    return backend.record(program, [](void* self) { return static_cast<Sequence*>(self)->run(); }, this);
  }
  Floats results() {
    Floats all;
    for (const Tensor& result : {dx, dw, dbias})
      for (const float value : device.read(result)) all.push_back(value);
    return all;
  }
  void forget_results() {
    for (const Tensor& result : {dx, dw, dbias}) device.call(backend.zero(result.data, result.bytes()));
  }
  void expect_recorded(const Floats& expected) {
    Program* program = nullptr;
    device.call(record(&program));
    for (int time = 0; time < 3; ++time) {
      forget_results();
      device.call(backend.replay(program));
      expect_same(results(), expected);
    }
    backend.discard(program);
  }

  const Shape image{2, 9, 9, 8}, weights{4, 3, 3, 8}, output{2, 9, 9, 4};
  struct Operand {
    Tensor from, at;
    Shape shape;
  };

  Backend& backend;
  Device device;
  Operand operands[3] = {{{}, {}, output}, {{}, {}, image}, {{}, {}, weights}};
  Tensor dx, dw, dbias;
};

/// In whatever order streams and branches of a graph may run.
template <class Work>
void in_every_order(const Work& work) {
  const uint64_t before = cuda_sim::settings().shuffle;
  for (const uint64_t shuffle : {0, 1, 2, 3, 4, 5, 6, 7}) {
    CAPTURE(shuffle);
    cuda_sim::settings().shuffle = shuffle;
    work();
  }
  cuda_sim::settings().shuffle = before;
}

}  // namespace

TEST_CASE("both gradients begin when their operands are made, and what follows begins when both are done") {
  const Opened backend = open_cuda(true);
  Sequence sequence(*backend);
  sequence.device.call(sequence.run());
  const Floats expected = sequence.results();
  in_every_order([&] {
    sequence.forget_results();
    sequence.device.call(sequence.run());
    expect_same(sequence.results(), expected);
    sequence.expect_recorded(expected);
  });
}

TEST_CASE("a gradient that cannot be recorded breaks its recording off, and nothing else") {
  const Opened backend = open_cuda(true);
  Sequence sequence(*backend);
  const Tensor dx = sequence.dx;
  for (const bool has_filter_plan : {false, true}) {
    CAPTURE(has_filter_plan);
    // Without a plan the gradient of the weights fails first, with its own that of the images.
    sequence.dx = {};
    if (has_filter_plan) sequence.device.call(sequence.run());
    sequence.dx = dx;
    Program* program = nullptr;
    const Status status = sequence.record(&program);
    CHECK(status.code == ErrorCode::Internal);
    CHECK(std::string(status.message).find(has_filter_plan ? "backward_data" : "backward_filter") != std::string::npos);
    CHECK(program == nullptr);
  }
  sequence.device.call(sequence.run());
  sequence.expect_recorded(sequence.results());
}

}  // namespace margincore::test
