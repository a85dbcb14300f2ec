// Whole networks: the gradient of the loss in every parameter against differences of the loss itself.
#include <doctest/doctest.h>

#include <cmath>

#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Case {
  std::string name;
  NetworkSpec network;
  HeadSpec head;
  double limit = 0.01;  // of the gradient's length
};

const NetworkSpec kConvNet = {{8, 8, 3},
                              {{"conv", Conv2dSpec{16, 3, 3, 1, std::nullopt}},
                               {"", ReluSpec{}},
                               {"", MaxPool2dSpec{2, 2}},
                               {"fc", LinearSpec{12}},
                               {"", DropoutSpec{0.25f}}}};

// Layers in other orders, so that values share memory in other ways.
const NetworkSpec kOddNet = {{9, 7, 2},
                             {{"", DropoutSpec{0.1f}},
                              {"", Conv2dSpec{8, 3, 3, 2, 1}},
                              {"", MaxPool2dSpec{3, 1, 1}},
                              {"", ReluSpec{}},
                              {"", DropoutSpec{0.2f}},
                              {"", ReluSpec{}},
                              {"", Conv2dSpec{5, 1, 1, 1, 0, false}},
                              {"", LinearSpec{11, false}},
                              {"", ReluSpec{}},
                              {"", LinearSpec{6}},
                              {"", DropoutSpec{0.2f}},
                              {"", DropoutSpec{0.2f}}}};

// A basic block of ResNet with its shortcut, a block without, both fused; then one whose sum stands alone, and PReLU.
const NetworkSpec kResidualNet = {{8, 8, 3},
                                  {{"stem", Conv2dSpec{6, 3, 3, 1, 1, false}},                 // 0
                                   {"", BatchNormSpec{}},                                      // 1
                                   {"", ReluSpec{}},                                           // 2
                                   {"a1", Conv2dSpec{8, 3, 3, 2, 1, false}},                   // 3
                                   {"", BatchNormSpec{}},                                      // 4
                                   {"", ReluSpec{}},                                           // 5
                                   {"a2", Conv2dSpec{8, 3, 3, 1, 1, false}},                   // 6
                                   {"", BatchNormSpec{}},                                      // 7
                                   with_inputs({"s", Conv2dSpec{8, 1, 1, 2, 0, false}}, {2}),  // 8
                                   {"", BatchNormSpec{}},                                      // 9
                                   with_inputs({"", AddSpec{}}, {7, 9}),                       // 10
                                   {"", ReluSpec{}},                                           // 11
                                   {"b1", Conv2dSpec{8, 3, 3, 1, 1, false, 4}},                // 12
                                   {"", BatchNormSpec{}},                                      // 13
                                   with_inputs({"", AddSpec{}}, {13, 11}),                     // 14
                                   {"", ReluSpec{}},                                           // 15
                                   {"c1", Conv2dSpec{8, 3, 3, 1, 1}},                          // 16
                                   {"", PReluSpec{}},                                          // 17
                                   with_inputs({"", AddSpec{}}, {15, 17}),                     // 18
                                   {"", PReluSpec{true, 0.1f}},                                // 19
                                   {"", GlobalAveragePoolSpec{}},
                                   {"", LinearSpec{6}}}};

// A dense block: every layer reads all before it; a pool between, values that three layers read.
const NetworkSpec kDenseNet = {{8, 8, 2},
                               {{"", Conv2dSpec{4, 3, 3, 1, 1}},          // 0
                                {"", BatchNormSpec{}},                    // 1
                                {"", ReluSpec{}},                         // 2
                                {"", Conv2dSpec{3, 3, 3, 1, 1}},          // 3
                                with_inputs({"", ConcatSpec{}}, {0, 3}),  // 4
                                {"", BatchNormSpec{}},                    // 5
                                {"", ReluSpec{}},                         // 6
                                {"", Conv2dSpec{5, 3, 3, 1, 1}},          // 7
                                with_inputs({"", ConcatSpec{}}, {4, 7}),  // 8
                                {"", AveragePool2dSpec{2, 2}},            // 9
                                with_inputs({"", AddSpec{}}, {9, 9}),     // 10
                                {"", DropoutSpec{0.1f}},                  // 11
                                {"", AveragePool2dSpec{3, 2, 1}},         // 12
                                {"", LinearSpec{6}}}};

const Case kCases[] = {
    {"conv net, arcface", kConvNet, arcface(5, 8, 0.3f)},
    {"conv net, arcface with every option", kConvNet, arcface_with_everything(5)},
    {"conv net, l-softmax", kConvNet, l_softmax(5)},
    {"conv net, arcface with scaled-bn and centres", kConvNet, arcface_with_scaled_bn_and_centers(5)},
    {"conv net, pedcc", kConvNet, pedcc(5)},
    {"odd net, softmax", kOddNet, softmax(4)},
    {"odd net, arcface", kOddNet, arcface(4, 8, 0.3f)},
    // A shift before a batch norm moves thousands of values across the kink of a ReLU.
    {"residual net, softmax", kResidualNet, softmax(4), 0.05},
    {"residual net, arcface", kResidualNet, arcface(4, 8, 0.3f), 0.05},
    {"dense net, arcface", kDenseNet, arcface(4, 8, 0.3f), 0.05},
};

}  // namespace

TEST_CASE("gradients of a whole network are the differences of its loss") {
  constexpr int64_t kBatch = 16;
  for (Backend* backend : backends()) {
    for (const Case& c : kCases) {
      CAPTURE(std::string(backend->info().device));
      CAPTURE(c.name);
      Random random(1);
      const Floats images = random.normals(kBatch * c.network.input.count());
      const Ints labels = random.integers(kBatch, 0, c.head.num_classes - 1);
      StepBlock step{};
      step.seed = 3;
      step.step = 5;
      step.margin_ramp = 1;
      Model model(*backend, c.network, c.head, kBatch, 2);
      Parameters& parameters = model.parameters();
      for (const auto& entry : model.table().entries()) {
        // Centres of 0 would hide exchanged ones; a bias of 0 can leave a sample without any feature, and so without a
        // direction.
        if (entry.spec.name.find(".bias") == std::string::npos && entry.spec.name != "head.centers") continue;
        const Floats bias = random.normals(entry.spec.shape.count(), 0.5);
        parameters.write_value(entry.spec.name, bias.data(), entry.spec.shape.count());
      }
      model.loss(images, labels, step);
      std::vector<Floats> gradients;
      for (const auto& entry : model.table().entries())
        if (entry.spec.group != ParameterGroup::State)  // which lies behind all that has a gradient
          gradients.push_back(parameters.read_gradient(entry.spec.name));

      for (size_t i = 0; i < gradients.size(); ++i) {
        const std::string& name = model.table().entries()[i].spec.name;
        CAPTURE(name);
        const Floats start = parameters.read_value(name);
        const double length = std::sqrt(dot(to_doubles(gradients[i]), to_doubles(gradients[i])));
        REQUIRE(length > 1e-4);
        // Along the gradient, where the slope is its length, and along it with random signs, which finds
        // entries that were exchanged. The loss is fp32, 1e-7 of about 3, so a step that changes it by 2e-3 leaves 2e-4
        // of the slope; what remains is ReLUs and maxima that switch within the step, and the curvature.
        for (const bool signs : {false, true}) {
          CAPTURE(signs);
          Doubles direction = to_doubles(gradients[i]);
          for (double& entry : direction) entry *= (signs && random.unit() < 0.25 ? -1 : 1) / length;
          const double slope = dot(direction, to_doubles(gradients[i])), h = std::min(0.001 / length, 0.05);
          const auto loss_at = [&](double distance) {
            Floats moved = start;
            for (size_t k = 0; k < moved.size(); ++k) moved[k] += static_cast<float>(distance * direction[k]);
            parameters.write_value(name, moved.data(), static_cast<int64_t>(moved.size()));
            return model.loss(images, labels, step);
          };
          const double found = (loss_at(h) - loss_at(-h)) / (2 * h);
          CHECK(std::abs(found - slope) <= c.limit * length);
        }
        parameters.write_value(name, start.data(), static_cast<int64_t>(start.size()));
      }
    }
  }
}

TEST_CASE("in bf16 a network has nearly the loss and the gradients that it has in fp32") {
  constexpr int64_t kBatch = 16;
  for (Backend* backend : backends()) {
    if (activation_types(*backend).size() == 1) continue;
    for (const Case& c : kCases) {
      CAPTURE(c.name);
      Random random(1);
      const Floats images = random.normals(kBatch * c.network.input.count());
      const Ints labels = random.integers(kBatch, 0, c.head.num_classes - 1);
      StepBlock step{};
      step.seed = 3;
      step.margin_ramp = 1;
      NetworkSpec in_bf16 = c.network;
      in_bf16.activations = DType::BF16;
      Model exact(*backend, c.network, c.head, kBatch, 2), rounded(*backend, in_bf16, c.head, kBatch, 2);
      const double expected = exact.loss(images, labels, step), found = rounded.loss(images, labels, step);
      CHECK(std::abs(found - expected) < 0.02 * expected);
      CHECK(found != expected);
      double errors = 0, squares = 0;
      for (const auto& entry : exact.table().entries()) {
        if (entry.spec.group == ParameterGroup::State) continue;
        CAPTURE(entry.spec.name);
        const Doubles gradient = to_doubles(exact.parameters().read_gradient(entry.spec.name));
        const Floats in_rounded = rounded.parameters().read_gradient(entry.spec.name);
        // Some ReLUs and maxima fall to the other side, and each then counts in full.
        CHECK(relative_distance(in_rounded, gradient) < 0.25);
        for (size_t i = 0; i < gradient.size(); ++i) {
          errors += (in_rounded[i] - gradient[i]) * (in_rounded[i] - gradient[i]);
          squares += gradient[i] * gradient[i];
        }
      }
      CHECK(errors < 0.1 * 0.1 * squares);
      CHECK(errors > 1e-4 * 1e-4 * squares);  // it is not fp32
    }
  }
}

TEST_CASE("where activations are recomputed, loss and gradients have the same bits") {
  constexpr int64_t kBatch = 4;
  const NetworkSpec networks[] = {kResidualNet, kDenseNet, resnet18({12, 12, 2})};
  for (Backend* backend : backends()) {
    for (DType type : activation_types(*backend)) {
      for (NetworkSpec network : networks) {
        CAPTURE(std::string(backend->info().device));
        CAPTURE(network.layers.size());
        CAPTURE(static_cast<int>(type));
        network.activations = type;
        const HeadSpec head = arcface(4, 8, 0.3f);
        Model keeping(*backend, network, head, kBatch, 2);
        Model recomputing(*backend, network, head, kBatch, 2, RecomputePolicy::CheapLayers);
        CHECK(recomputing.activation_bytes() < keeping.activation_bytes());
        Random random(1);
        StepBlock step{};
        for (; step.step < 2; ++step.step) {
          const Floats images = random.normals(kBatch * network.input.count());
          const Ints labels = random.integers(kBatch, 0, 3);
          CHECK(keeping.loss(images, labels, step) == recomputing.loss(images, labels, step));
          for (const auto& entry : keeping.table().entries()) {
            if (entry.spec.group == ParameterGroup::State) continue;
            CAPTURE(entry.spec.name);
            expect_same(recomputing.parameters().read_gradient(entry.spec.name),
                        keeping.parameters().read_gradient(entry.spec.name));
          }
        }
      }
    }
  }
}

}  // namespace margincore::test
