// oneDNN falls back to reference loops, a hundred times slower, for layouts that its fast code does not take.
#include <doctest/doctest.h>

#include <set>
#include <variant>

#include "cpu/cpu_backend.h"
#include "support/backends.h"
#include "support/device.h"
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

/// Linear layers, the head's included, that take a single fp32 row: a loop of our own, and no plan.
size_t rows_of_our_own(const NetworkSpec& network, int64_t batch, DType activations) {
  if (batch > 1) return 0;
  size_t count = 1;  // the head's are fp32 whatever the activations are
  for (const LayerSpec& layer : network.layers)
    if (activations == DType::F32 && std::holds_alternative<LinearSpec>(layer.of)) ++count;
  return count;
}

void train_once(CpuBackend& backend, NetworkSpec network, const HeadSpec& head, int64_t batch, DType activations) {
  network.activations = activations;
  Random random(1);
  Model model(backend, network, head, batch, 1);
  StepBlock step{};
  step.margin_ramp = 1;
  model.loss(random.normals(batch * network.input.count()), random.integers(batch, 0, head.num_classes - 1), step);
}

/// Of activations, where the processor has them.
template <class Body>
void for_each_type(const Body& body) {
  for (const DType type : activation_types(CpuBackend({}))) {
    CAPTURE(size_of(type));
    body(type);
  }
}

}  // namespace

TEST_CASE("the seed CNN runs without oneDNN's reference loops") {
  for_each_type([](DType type) {
    for (const int64_t batch : {1, 20, 128}) {
      CAPTURE(batch);
      CpuBackend backend({});
      train_once(backend, seed_cnn(1024), arcface(10, 30, 0.5f), batch, type);
      // conv1 needs no gradient of its input
      expect_no_reference_loops(backend, 5 + 6 - rows_of_our_own(seed_cnn(1024), batch, type));
    }
  });
}

TEST_CASE("other layers run without oneDNN's reference loops") {
  const NetworkSpec colour = {{32, 32, 3},
                              {{"", Conv2dSpec{16, 3, 3, 1, std::nullopt}},
                               {"", Conv2dSpec{32, 3, 3, 2, 1}},
                               {"", Conv2dSpec{64, 1, 1, 2, 0, false}},
                               {"", Conv2dSpec{33, 5, 5, 1, std::nullopt}},
                               {"", LinearSpec{17}},
                               {"", LinearSpec{2}}}};
  for_each_type([&](DType type) {
    for (const int64_t batch : {1, 2, 127}) {
      for (const int64_t classes : {2, 1009}) {
        CAPTURE(batch);
        CAPTURE(classes);
        CpuBackend backend({});
        train_once(backend, colour, arcface(classes, 30, 0.5f), batch, type);
        expect_no_reference_loops(backend, 11 + 9 - rows_of_our_own(colour, batch, type));
      }
    }
  });
}

TEST_CASE("ResNet-18 and the L-Softmax net run without oneDNN's reference loops") {
  const Shape image{32, 32, 3};
  struct Case {
    NetworkSpec network;
    HeadSpec head;
    size_t plans;  // different convolutions and matmuls, each pass by itself; the first needs no gradient of its input
  };
  const Case kCases[] = {{resnet18(image), arcface(10, 30, 0.5f), 2 + 3 + 3 * 9 + 3},
                         {l_softmax_net(image), arcface(100, 30, 0.5f), 2 + 5 * 3 + 3 + 3}};
  for_each_type([&](DType type) {
    for (const auto& [network, head, plans] : kCases) {
      for (const int64_t batch : {1, 8}) {
        CAPTURE(plans);
        CAPTURE(batch);
        CpuBackend backend({});
        train_once(backend, network, head, batch, type);
        expect_no_reference_loops(backend, plans - rows_of_our_own(network, batch, type));
      }
    }
  });
}

TEST_CASE("the first layers for large images run without oneDNN's reference loops") {
  const NetworkSpec stem = {{224, 224, 3},
                            {{"", Conv2dSpec{64, 7, 7, 2, 3, false}},
                             {"", BatchNormSpec{}},
                             {"", ReluSpec{}},
                             {"", MaxPool2dSpec{3, 2, 1}},
                             {"", GlobalAveragePoolSpec{}}}};
  for_each_type([&](DType type) {
    for (const int64_t batch : {1, 4}) {
      CAPTURE(batch);
      CpuBackend backend({});
      train_once(backend, stem, arcface(1000, 30, 0.5f), batch, type);
      expect_no_reference_loops(backend, 2 + 3 - rows_of_our_own(stem, batch, type));
    }
  });
}

TEST_CASE("grouped convolutions run without oneDNN's reference loops") {
  // Height and width, channels, groups: the stages of ResNeXt-50 32x4d on small and on full images, and depthwise ones.
  const int64_t kCases[][3] = {{8, 128, 32},  {8, 256, 32},  {4, 512, 32}, {2, 1024, 32}, {56, 128, 32},
                               {28, 256, 32}, {14, 512, 32}, {8, 64, 2},   {8, 64, 4},    {8, 64, 64}};
  for_each_type([&](DType type) {
    for (const auto& [side, channels, groups] : kCases) {
      for (const int32_t stride : {1, 2}) {
        CAPTURE(side);
        CAPTURE(channels);
        CAPTURE(groups);
        CAPTURE(stride);
        const int64_t batch = 2, out = (side - 1) / stride + 1;
        const Conv2d conv{stride, 1, static_cast<int32_t>(groups)};
        CpuBackend backend({});
        Device device(backend);
        const Shape weights{channels, 3, 3, channels / groups};
        const Tensor x = device.output({batch, side, side, channels}, type), w = device.output(weights, type);
        const Tensor y = device.output({batch, out, out, channels}, type), dw = device.output(weights);
        device.call(backend.conv2d_backward(x, {}, {}, y, {}, w, conv, 0));
        device.call(backend.conv2d_forward(y, x, w, {}, conv));
        device.call(backend.conv2d_backward({}, dw, {}, y, x, {}, conv, 0));
        expect_no_reference_loops(backend, 3);
      }
    }
  });
}

}  // namespace margincore::test
