#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nn/network.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"
#include "support/random.h"

namespace margincore::test {

namespace {

/// The message with which a network is refused, after its code.
std::string refusal(const Shape& input, const std::vector<LayerSpec>& layers) {
  try {
    ParameterTable table;
    const Network network({input, layers}, table);
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + ": " + error.what();
  }
  return "accepted";
}

/// The network conv, ReLU, pool, linear (or conv, pool, ReLU, linear) against the single operations in that order.
void expect_same_as_single_operations(Backend& backend, bool relu_first) {
  const int64_t batch = 3;
  const Shape image{batch, 9, 8, 2}, convolved{batch, 9, 8, 17}, pooled{batch, 4, 4, 17};
  HeadSpec head;
  head.num_classes = 4;
  Random random(1);
  Floats x = random.normals(image.count());
  // Equal pixels make equal maxima, and windows without any positive value.
  std::fill(x.begin(), x.begin() + 9 * 8 * 2, 0.5f);
  const Ints labels = {0, 3, 1};
  const LayerSpec relu_layer{"", ReluSpec{}}, pool_layer{"", MaxPool2dSpec{2, 2}};
  const std::vector<LayerSpec> layers = {{"conv", Conv2dSpec{17, 3, 3, 1, std::nullopt}},
                                         relu_first ? relu_layer : pool_layer,
                                         relu_first ? pool_layer : relu_layer,
                                         {"fc", LinearSpec{5}}};
  Model model(backend, {{9, 8, 2}, layers}, head, batch, 1);
  const Floats bias = random.normals(17);
  model.parameters().write_value("conv.bias", bias.data(), 17);
  const double loss = model.loss(x, labels, {});
  const auto value = [&](const char* name) { return model.parameters().read_value(name); };
  const auto gradient = [&](const char* name) { return model.parameters().read_gradient(name); };

  Device device(backend);
  const Tensor input = device.input(x, image);
  const Tensor conv_w = device.input(value("conv.weight"), {17, 3, 3, 2}), conv_b = device.input(bias, {17});
  const Tensor fc_w = device.input(value("fc.weight"), {5, pooled.row_count()});
  const Tensor convolution = device.output(convolved), position = device.output(pooled, DType::U8);
  const Tensor between = device.output(relu_first ? convolved : pooled), reduced = device.output(pooled);
  const Tensor embedding = device.output({batch, 5});
  const Conv2d conv{1, 1, 1};
  const Pool2d pool{2, 2, 0};
  device.call(backend.conv2d_forward(convolution, input, conv_w, conv_b, conv));
  if (relu_first) {
    device.call(backend.relu_forward(between, convolution));
    device.call(backend.max_pool_forward(reduced, position, between, {}, pool));
  } else {
    device.call(backend.max_pool_forward(between, position, convolution, {}, pool));
    device.call(backend.relu_forward(reduced, between));
  }
  device.call(backend.linear_forward(embedding, reduced, fc_w, device.input(value("fc.bias"), {5})));

  // The plain head: logits, their gradient, and with W the embedding's.
  const Tensor logits = device.output({batch, 4}), head_w = device.input(value("head.weight"), {4, 5});
  device.call(backend.linear_forward(logits, embedding, head_w, {}));
  MarginSoftmaxOperands operands;
  operands.logits = logits;
  operands.report = device.variable(std::vector<StepReport>(1));
  operands.halted = device.variable(Ints{0});
  operands.labels = device.input(labels, {batch});
  operands.features = embedding;
  operands.class_weights = head_w;
  operands.step = device.constant(StepBlock{});
  device.call(backend.margin_softmax(operands, {}));
  CHECK(device.read<StepReport>(operands.report, 1)[0].loss == doctest::Approx(loss).epsilon(1e-6));
  const Tensor dembedding = device.output({batch, 5}), dreduced = device.output(pooled);
  const Tensor dbetween = device.output(between.shape), dconvolution = device.output(convolved);
  const Tensor dw = device.output({17, 3, 3, 2}), db = device.output({17}), dfc = device.output(fc_w.shape);
  device.call(backend.linear_backward_data(dembedding, logits, head_w));
  device.call(backend.linear_backward_weight(dfc, {}, dembedding, reduced));
  device.call(backend.linear_backward_data(dreduced, dembedding, fc_w));
  if (relu_first) {
    device.call(backend.max_pool_backward(dbetween, {}, dreduced, position, pool));
    device.call(backend.relu_backward(dconvolution, dbetween, between));
  } else {
    device.call(backend.relu_backward(dbetween, dreduced, reduced));
    device.call(backend.max_pool_backward(dconvolution, {}, dbetween, position, pool));
  }
  device.call(backend.conv2d_backward({}, dw, db, dconvolution, input, {}, conv, 0));
  // The pool adds the bias, which single operations add to each element before: in another order of summation.
  expect_close(Op::LinearBackwardWeight, gradient("fc.weight"), to_doubles(device.read(dfc)));
  expect_close(Op::Conv2dBackwardFilter, gradient("conv.weight"), to_doubles(device.read(dw)));
  expect_close(Op::BiasGradient, gradient("conv.bias"), to_doubles(device.read(db)));
}

}  // namespace

TEST_CASE("shapes are inferred and summed up in the order of the description") {
  ParameterTable table;
  const Network network(seed_cnn(128), table);
  const char* names[] = {"conv1", "relu1", "maxPool1", "conv2", "relu2", "maxPool2", "embedding"};
  const Shape shapes[] = {{24, 24, 32}, {24, 24, 32}, {12, 12, 32}, {10, 10, 64}, {10, 10, 64}, {5, 5, 64}, {128}};
  const int64_t parameters[] = {832, 0, 0, 18'496, 0, 0, 204'928};
  REQUIRE(network.summary().size() == 7);
  for (int i = 0; i < 7; ++i) {
    const LayerSummary& layer = network.summary()[i];
    CHECK(layer.name == names[i]);
    CHECK(layer.output == shapes[i]);
    CHECK(layer.parameters == parameters[i]);
  }
  CHECK(network.summary()[0].flops == 2 * 24 * 24 * 32 * 25);
  CHECK(network.embedding_size() == 128);
  table.arrange();
  CHECK(table.parameter_count() == 832 + 18'496 + 204'928);
}

TEST_CASE("the summary says what each layer reads, by name") {
  ParameterTable table;
  // The batch norm and the sum are executed as one; the summary has them as they are described.
  const Network network({{4, 4, 2},
                         {{"", Conv2dSpec{2, 1, 1}},
                          {"", BatchNormSpec{}},
                          {"sum", AddSpec{}, {1, kImage}},
                          {"", ReluSpec{}},
                          {"", ConcatSpec{}, {3, 0, kImage}}}},
                        table);
  using Names = std::vector<std::string>;
  const Names expected[] = {{"image"}, {"conv1"}, {"bn1", "image"}, {"sum"}, {"relu1", "conv1", "image"}};
  const char* types[] = {"conv2d", "batchNorm", "add", "relu", "concat"};
  REQUIRE(network.summary().size() == 5);
  for (int i = 0; i < 5; ++i) {
    CHECK(network.summary()[i].inputs == expected[i]);
    CHECK(network.summary()[i].type == types[i]);
  }
}

TEST_CASE("'same' padding keeps the size") {
  ParameterTable table;
  const Network network({{7, 9, 3}, {{"", Conv2dSpec{4, 5, 5, 1, std::nullopt}}}}, table);
  CHECK(network.summary()[0].output == Shape{7, 9, 4});
}

TEST_CASE("what does not fit is refused with the layer's name") {
  CHECK(refusal({28, 28, 1}, {}) == "INVALID_OPTION: a network needs at least one layer");
  CHECK(refusal({28, 28, 1}, {{"", LinearSpec{10}}, {"c", Conv2dSpec{8, 3, 3}}}) ==
        "SHAPE_MISMATCH: layer c: needs an image (H, W, C) but its input has shape (10)");
  CHECK(refusal({28, 28, 1}, {{"", LinearSpec{10}}, {"", MaxPool2dSpec{2, 2}}}) ==
        "SHAPE_MISMATCH: layer maxPool1: needs an image (H, W, C) but its input has shape (10)");
  CHECK(refusal({4, 9, 1}, {{"", Conv2dSpec{8, 3, 3}}, {"", Conv2dSpec{8, 3, 3}}}) ==
        "SHAPE_MISMATCH: layer conv2: a window of 3 does not fit an input height of 2 with padding 0");
  CHECK(refusal({9, 2, 1}, {{"", MaxPool2dSpec{3, 1}}}) ==
        "SHAPE_MISMATCH: layer maxPool1: a window of 3 does not fit an input width of 2 with padding 0");
  CHECK(refusal({9, 9, 1}, {{"", Conv2dSpec{0, 3, 3}}}) ==
        "INVALID_OPTION: layer conv1: expected outChannels of at least 1 but received 0");
  CHECK(refusal({9, 9, 1}, {{"", Conv2dSpec{1, 3, 0}}}) ==
        "INVALID_OPTION: layer conv1: expected kernelSize of at least 1 but received 0");
  CHECK(refusal({9, 9, 1}, {{"", Conv2dSpec{1, 3, 3, 0}}}) ==
        "INVALID_OPTION: layer conv1: expected stride of at least 1 but received 0");
  CHECK(refusal({9, 9, 1}, {{"", Conv2dSpec{1, 3, 3, 1, -1}}}) ==
        "INVALID_OPTION: layer conv1: expected padding of at least 0 but received -1");
  CHECK(refusal({9, 9, 1}, {{"", Conv2dSpec{1, 2, 2, 1, std::nullopt}}}) ==
        "INVALID_OPTION: layer conv1: padding 'same' needs stride 1 and a square kernel of odd size");
  CHECK(refusal({40, 40, 1}, {{"", MaxPool2dSpec{16, 1}}}) ==
        "INVALID_OPTION: layer maxPool1: expected kernelSize in [1, 15] but received 16");
  CHECK(refusal({9, 9, 1}, {{"", MaxPool2dSpec{2, 2, 2}}}) ==
        "INVALID_OPTION: layer maxPool1: padding of a max pool is at most half its kernelSize");
  CHECK(refusal({9, 9, 1}, {{"", LinearSpec{0}}}) ==
        "INVALID_OPTION: layer fc1: expected outFeatures of at least 1 but received 0");
  for (const float rate : {-0.5f, 1.0f})
    CHECK(refusal({9, 9, 1}, {{"", DropoutSpec{rate}}}) ==
          format("INVALID_OPTION: layer dropout1: expected rate in [0, 1) but received %g", rate));
  CHECK(refusal({9, 9, 1}, {{"a", ReluSpec{}}, {"a", ReluSpec{}}}) ==
        "INVALID_OPTION: layer a: the name is already taken");
  CHECK(refusal({9, 9, 1}, {{"relu2", ReluSpec{}}, {"", ReluSpec{}}}) ==
        "INVALID_OPTION: layer relu2: the name is already taken");
  CHECK(refusal({9, 9, 1}, {{"head", LinearSpec{3}}}) ==
        "INVALID_OPTION: layer head: the name stands for the network's head");
  CHECK(refusal({9, 9, 1}, {{"image", LinearSpec{3}}}) ==
        "INVALID_OPTION: layer image: the name stands for the network's input");
}

TEST_CASE("what no machine could hold is refused before a product of sizes overflows") {
  constexpr int64_t kHuge = int64_t{1} << 30;
  const auto conv = [](int64_t channels, int64_t kernel, int64_t padding) {
    return std::vector<LayerSpec>{{"c", Conv2dSpec{channels, kernel, kernel, 1, padding}}};
  };
  // Outputs of 2^62 and of 2^66 numbers, and 2^62 weights.
  CHECK(refusal({8, 8, 1}, conv(1 << 14, 1, (1 << 23) - 4))
            .find("SHAPE_MISMATCH: layer c: expected at most 1717986918") == 0);
  CHECK(refusal({8, 8, 1}, conv(4296, 1, kHuge)).find("SHAPE_MISMATCH: layer c: expected at most 1717986918") == 0);
  CHECK(refusal({8, 8, 1}, conv(4, kHuge, kHuge / 2 - 4)).find("SHAPE_MISMATCH: layer c: expected at most 17592") == 0);
  CHECK(refusal({8, 8, 1}, {{"f", LinearSpec{2 * kHuge - 1}}, {"g", LinearSpec{2 * kHuge - 1}}})
            .find("SHAPE_MISMATCH: layer g: expected at most 17592186044416 weights") == 0);
}

TEST_CASE("dropout layers of one network drop independently of one another") {
  for (Backend* backend : backends()) {
    const int64_t batch = 100, size = 100;
    HeadSpec head;
    head.num_classes = 2;
    Model model(*backend, {{1, 1, size}, {{"", DropoutSpec{0.5f}}, {"", DropoutSpec{0.5f}}}}, head, batch, 1);
    const Floats embedding = model.embed(Floats(batch * size, 1), {});
    const auto kept = std::count(embedding.begin(), embedding.end(), 4.0f);
    CHECK(kept + std::count(embedding.begin(), embedding.end(), 0.0f) == batch * size);
    CHECK(std::abs(kept / 10'000.0 - 0.25) < 5 * std::sqrt(0.25 * 0.75 / 10'000));
  }
}

TEST_CASE(
    "a bias before a batch norm is not added in training, where the batch's mean takes it away, and has no gradient") {
  constexpr int64_t kBatch = 4;
  const auto network = [](bool bias) {
    Conv2dSpec convolution{8, 3, 3};
    LinearSpec linear{6};
    convolution.bias = linear.bias = bias;
    return NetworkSpec{{6, 6, 2},
                       {{"conv", convolution}, {"", BatchNormSpec{}}, {"fc", linear}, {"", BatchNormSpec{}}}};
  };
  for (Backend* backend : backends()) {
    Random random(3);
    const Floats images = random.normals(kBatch * 6 * 6 * 2), bias = random.normals(8, 100);
    const Ints labels = {0, 2, 1, 2};
    Model with(*backend, network(true), softmax(3), kBatch, 1),
        without(*backend, network(false), softmax(3), kBatch, 1);
    for (const auto& entry : without.table().entries()) {
      const Floats values = without.parameters().read_value(entry.spec.name);
      with.parameters().write_value(entry.spec.name, values.data(), static_cast<int64_t>(values.size()));
    }
    with.parameters().write_value("conv.bias", bias.data(), 8);
    CHECK(with.loss(images, labels, {}) == without.loss(images, labels, {}));  // the same bits
    for (const char* name : {"conv.weight", "bn1.weight", "fc.weight", "bn2.bias", "head.weight"})
      expect_same(with.parameters().read_gradient(name), without.parameters().read_gradient(name));
    expect_same(with.parameters().read_gradient("conv.bias"), Floats(8, 0));
    expect_same(with.parameters().read_gradient("fc.bias"), Floats(6, 0));
  }
}

TEST_CASE("a ReLU that runs as part of a max pool, before it or behind, changes no value and no gradient") {
  for (Backend* backend : backends()) {
    for (const bool relu_first : {true, false}) {
      CAPTURE(relu_first);
      expect_same_as_single_operations(*backend, relu_first);
    }
  }
}

}  // namespace margincore::test
