// A small network with a layer of every kind, wholly in fp64: its gradient is what differences of its loss are, and the
// core's gradient is that one. In fp32 differences leave 1e-2 in doubt (gradient_test.cpp); here 1e-8.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "reference/model.h"
#include "spec/layer_kinds.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::kImages;
using reference::NamedDoubles;

constexpr int64_t kBatch = 6, kClasses = 4;

// No ReLU, PReLU or maximum sees another ReLU's zeros: it would be at its kink.
const NetworkSpec kNet = {{8, 8, 3},
                          {
                              {"biased", Conv2dSpec{6, 3, 3, 1, 1}},             // 0
                              {"relu1", ReluSpec{}},                             // 1, by itself
                              {"unbiased", Conv2dSpec{8, 3, 3, 1, 1, false}},    // 2
                              {"pool1", MaxPool2dSpec{3, 2, 1}},                 // 3
                              {"relu2", ReluSpec{}},                             // 4, part of the pool
                              {"conv", Conv2dSpec{8, 3, 3, 1, 1, false}},        // 5
                              {"norm1", BatchNormSpec{}},                        // 6
                              {"relu3", ReluSpec{}},                             // 7, part of the norm
                              {"grouped", Conv2dSpec{8, 3, 3, 1, 1, false, 2}},  // 8
                              {"norm2", BatchNormSpec{1e-3f}},                   // 9, by itself
                              with_inputs({"shortcut", Conv2dSpec{8, 1, 1, 1, 0, false}}, {4}),
                              {"norm3", BatchNormSpec{}},                           // 11
                              with_inputs({"residual", AddSpec{}}, {9, 11}),        // 12, part of the norm
                              {"relu4", ReluSpec{}},                                // 13, part of the norm
                              {"same", Conv2dSpec{8, 3, 3, 1, std::nullopt}},       // 14
                              {"prelu1", PReluSpec{}},                              // 15
                              with_inputs({"concat", ConcatSpec{}}, {15, 13, 15}),  // 16
                              {"pool2", AveragePool2dSpec{3, 1, 1}},                // 17
                              {"depthwise", Conv2dSpec{24, 3, 3, 1, 1, true, 24}},  // 18
                              {"prelu2", PReluSpec{true}},                          // 19
                              {"dropout1", DropoutSpec{0.25f}},                     // 20
                              with_inputs({"sum", AddSpec{}}, {20, 17}),            // 21, by itself
                              {"strided", Conv2dSpec{10, 3, 2, 1, 0}},              // 22
                              {"pool3", MaxPool2dSpec{2, 1}},                       // 23
                              {"average", GlobalAveragePoolSpec{}},                 // 24
                              {"fc1", LinearSpec{12}},                              // 25
                              {"prelu3", PReluSpec{}},                              // 26
                              {"dropout2", DropoutSpec{0.1f}},                      // 27
                              {"fc2", LinearSpec{8, false}},                        // 28
                          }};

using Names = std::set<std::string>;

struct Case {
  std::string name;
  HeadSpec head;
  float lambda = 0;
  Names frozen = {};
};

/// Layers from `first` on, every one of `step`.
Names names_of(size_t first, size_t end, size_t step = 1) {
  Names names;
  for (size_t i = first; i < end; i += step) names.insert(kNet.layers[i].name);
  return names;
}

const Case kCases[] = {
    {"softmax", softmax(kClasses)},
    {"arcface", arcface(kClasses, 8, 0.3f)},
    {"arcface with every option", arcface_with_everything(kClasses)},
    {"l-softmax", l_softmax(kClasses), 1.5f},
    {"scaled-bn and centres", arcface_with_scaled_bn_and_centers(kClasses)},
    {"the beginning frozen", arcface(kClasses, 8, 0.3f), 0, names_of(0, 9)},
    {"half of it frozen", arcface(kClasses, 8, 0.3f), 0, names_of(0, 17)},
    {"all but the beginning frozen", softmax(kClasses), 0, names_of(3, 29)},
    {"all but the shortcut frozen",
     arcface(kClasses, 8, 0.3f),
     0,
     {"biased", "unbiased", "conv", "norm1", "grouped", "norm2", "norm3", "same", "prelu1"}},
    {"all before a residual frozen but one side",
     arcface(kClasses, 8, 0.3f),
     0,
     {"biased", "unbiased", "shortcut", "norm3"}},
    {"the batch norms frozen", arcface(kClasses, 8, 0.3f), 0, {"norm1", "norm2", "norm3"}},
    {"every second layer frozen", arcface(kClasses, 8, 0.3f), 0, names_of(0, 29, 2)},
    {"every third layer frozen", arcface(kClasses, 8, 0.3f), 0, names_of(2, 29, 3)},
    {"all frozen", arcface_with_everything(kClasses), 0, names_of(0, 29)},
};

Floats rates_of(const Case& c) {
  Floats rates;
  for (const LayerSpec& layer : kNet.layers) rates.push_back(c.frozen.count(layer.name) > 0 ? 0 : 1);
  return rates;
}

Model model_of(Backend& backend, const Case& c) {
  return {backend, kNet, c.head, kBatch, 2, RecomputePolicy::Never, rates_of(c)};
}

double inner(const NamedDoubles& a, const NamedDoubles& b) {
  double sum = 0;
  for (const auto& [name, values] : b) sum += dot(a.at(name), values);
  return sum;
}

/// Of length 1.
NamedDoubles random_direction(Random& random, const NamedDoubles& like) {
  NamedDoubles direction = like;
  for (auto& [name, values] : direction)
    for (double& value : values) value = random.normal();
  const double length = std::sqrt(inner(direction, direction));
  for (auto& [name, values] : direction)
    for (double& value : values) value /= length;
  return direction;
}

NamedDoubles moved(NamedDoubles point, const NamedDoubles& direction, double distance) {
  for (const auto& [name, values] : direction)
    for (size_t i = 0; i < values.size(); ++i) point[name][i] += distance * values[i];
  return point;
}

reference::ModelProblem exact_of(const Case& c, const Ints& labels, const StepBlock& step) {
  return {kNet, c.head, labels, step, c.frozen};
}

/// Slope of the loss, with an error of the order of h^4 and 1e-16/h.
double slope_of(const reference::ModelProblem& exact, const NamedDoubles& point, const NamedDoubles& direction,
                double h) {
  const auto difference = [&](double distance) {
    return exact.loss(moved(point, direction, distance)) - exact.loss(moved(point, direction, -distance));
  };
  return (8 * difference(h) - difference(2 * h)) / (12 * h);
}

/// Values that hide nothing: no bias of 0, no factor of 1, no two slopes alike.
void spread_values(Model& model, Random& random) {
  for (const auto& [spec, offset, ordinal] : model.table().entries()) {
    const bool is_vector = spec.shape.rank == 1 && spec.group != ParameterGroup::State && spec.name != "head.scale";
    if (!is_vector && spec.name != "head.centers") continue;
    const Floats values = random.uniform(spec.shape.count(), 0.2, 0.8);
    model.parameters().write_value(spec.name, values.data(), spec.shape.count());
  }
}

/// Other than those of any batch, and so that values on both sides of each kink come out of a batch norm.
void spread_statistics(Model& model) {
  Random random(12);
  for (const auto& entry : model.table().entries()) {
    const std::string& name = entry.spec.name;
    if (name.find(".running") == std::string::npos) continue;
    const bool is_mean = name.find(".runningMean") != std::string::npos;
    const Floats values =
        is_mean ? random.normals(entry.spec.shape.count(), 0.3) : random.uniform(entry.spec.shape.count(), 0.02, 0.08);
    model.parameters().write_value(name, values.data(), entry.spec.shape.count());
  }
}

/// One point at which everything is compared.
struct Trial {
  Case of;
  Ints labels;
  Floats images;
  StepBlock step{};
  Random random{14};  // a point at which no gradient nearly cancels: fp32 then uses a quarter of what is allowed

  explicit Trial(const Case& c) : of(c) {
    labels = random.integers(kBatch, 0, kClasses - 1);
    images = random.normals(kBatch * kNet.input.count());
    step.seed = 3;
    step.step = 5;
    step.margin_ramp = 1;
    step.lambda = c.lambda;
  }

  NamedDoubles point(Model& model) {
    spread_values(model, random);
    if (!of.frozen.empty()) spread_statistics(model);
    NamedDoubles point{{kImages, to_doubles(images)}};
    for (const auto& [spec, offset, ordinal] : model.table().entries())
      point[spec.name] = to_doubles(model.parameters().read_value(spec.name));
    return point;
  }
};

}  // namespace

TEST_CASE("every kind of layer is compared with its exact gradient") {
  each_kind([](const auto& spec) {
    const std::string type = kind_of(spec).type;
    CAPTURE(type);
    CHECK(std::any_of(kNet.layers.begin(), kNet.layers.end(),
                      [&](const LayerSpec& layer) { return kind_of(layer).type == type; }));
  });
}

TEST_CASE("in fp64 the gradient of a network with every kind of layer is the slope of its loss") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    Trial trial(c);
    Model model = model_of(*backends().front(), c);
    const NamedDoubles point = trial.point(model);
    const reference::ModelProblem exact = exact_of(c, trial.labels, trial.step);
    const NamedDoubles gradients = exact.gradients(point);

    const auto expect_slope = [&](const NamedDoubles& gradient) {
      const NamedDoubles direction = random_direction(trial.random, gradient);
      const double length = std::sqrt(inner(gradient, gradient)), slope = slope_of(exact, point, direction, 2e-5);
      REQUIRE(length > 1e-4);
      const double limit = 1e-8 * length + 2e-10;                                 // of a slope's own rounding
      CHECK(std::abs(slope_of(exact, point, direction, 1e-5) - slope) <= limit);  // no kink in between
      CHECK(std::abs(inner(gradient, direction) - slope) <= limit);
    };
    for (int i = 0; i < 3; ++i) expect_slope(gradients);
    for (const auto& [name, gradient] : gradients) {
      CAPTURE(name);
      expect_slope({{name, gradient}});
    }
  }
}

TEST_CASE("the core has the loss and the gradients that the same network has in fp64") {
  for (Backend* backend : backends()) {
    CAPTURE(std::string(backend->info().device));
    for (const Case& c : kCases) {
      CAPTURE(c.name);
      Trial trial(c);
      Model model = model_of(*backend, c);
      const NamedDoubles point = trial.point(model);
      const reference::ModelProblem exact = exact_of(c, trial.labels, trial.step);
      REQUIRE(exact.distance_to_kink(point) > 1e-5);  // else rounding alone could put a value on its other side
      const NamedDoubles expected = exact.gradients(point);

      const double loss = exact.loss(point);
      CHECK(std::abs(model.loss(trial.images, trial.labels, trial.step) - loss) <= 1e-6 * loss);
      NamedDoubles found;
      for (const auto& [spec, offset, ordinal] : model.table().entries()) {
        if (!spec.is_trained()) continue;
        CAPTURE(spec.name);
        const Floats gradient = model.parameters().read_gradient(spec.name);
        CHECK(relative_distance(gradient, expected.at(spec.name)) <= 1e-5);
        found[spec.name] = to_doubles(gradient);
      }
      CHECK(found.size() + 1 == expected.size());  // the images have none in the core
      for (int i = 0; i < 10; ++i) {
        const NamedDoubles direction = random_direction(trial.random, found);
        CHECK(std::abs(inner(found, direction) - slope_of(exact, point, direction, 2e-5)) <=
              1e-6 * std::sqrt(inner(found, found)));
      }
    }
  }
}

}  // namespace margincore::test
