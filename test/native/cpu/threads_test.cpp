// With `deterministic` the same thread count gives the same bits; our own loops give them for any thread count.
#include <doctest/doctest.h>

#include <omp.h>

#include "cpu/cpu_backend.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"
#include "support/random.h"

namespace margincore::test {

namespace {

BackendOptions threads(int count) {
  BackendOptions options{};
  options.threads = count;
  options.deterministic = 1;
  return options;
}

/// Loss and every gradient of one step.
std::vector<Floats> train_once(int thread_count, NetworkSpec network, DType activations) {
  CpuBackend backend(threads(thread_count));
  const int64_t batch = 32;
  Random random(1);
  network.activations = activations;
  Model model(backend, network, arcface(10, 30, 0.5f), batch, 1);
  StepBlock step{};
  step.margin_ramp = 1;
  std::vector<Floats> results;
  const double loss = model.loss(random.normals(batch * network.input.count()), random.integers(batch, 0, 9), step);
  results.push_back({static_cast<float>(loss)});
  for (const auto& entry : model.table().entries())
    if (entry.spec.group != ParameterGroup::State) results.push_back(model.parameters().read_gradient(entry.spec.name));
  return results;
}

constexpr int64_t kRows = 130, kColumns = 1009, kCount = kRows * kColumns;  // more elements than one thread takes

/// Results of our own loops over activations.
std::vector<Floats> run_activation_loops(int thread_count, DType type) {
  CpuBackend backend(threads(thread_count));
  Random random(1);
  const Floats x = random.normals(kCount), dy = random.normals(kCount);
  Device device(backend);
  std::vector<Floats> results;
  const auto keep = [&](std::initializer_list<Tensor> tensors) {
    for (const Tensor& tensor : tensors) results.push_back(device.read(tensor));
  };

  const Shape shape{kRows, kColumns};
  const Tensor in = device.input(x, shape, type), gradient = device.input(dy, shape, type);
  const Tensor sums = device.output({kColumns}), total = device.output(shape, type), dw = device.output({kColumns, 8});
  const Tensor few = device.input(Floats(kRows * 8, 1), {kRows, 8}, type);
  device.call(backend.linear_backward_weight(dw, sums, gradient, few));
  device.call(backend.add(total, in, gradient));
  keep({sums, total});
  const Tensor dropped = device.output(shape, type);
  device.call(backend.dropout_forward(dropped, in, {0.5f, 1}, device.constant(StepBlock{})));
  keep({dropped});
  for (const int64_t slopes : {kColumns, int64_t{1}}) {
    const Tensor slope = device.input(Floats(slopes, 0.25f), {slopes}), dslope = device.output({slopes});
    device.call(backend.prelu_backward(total, dslope, gradient, in, slope));
    keep({total, dslope});
  }

  const Shape image{2, 65, 1, kColumns}, half{2, 33, 1, kColumns};
  const Tensor pixels = device.input(x, image, type), pooled = device.output(half, type);
  const Tensor unpooled = device.output(image, type), averages = device.output({2, kColumns}, type);
  const Tensor position = device.output(half, DType::U8), dbias = device.output({kColumns});
  device.call(backend.average_pool_forward(pooled, pixels, {3, 2, 1}));
  device.call(backend.average_pool_backward(unpooled, pooled, {3, 2, 1}));
  device.call(backend.global_average_pool_forward(averages, pixels));
  keep({pooled, unpooled, averages});
  device.call(backend.max_pool_forward(pooled, position, pixels, sums, {3, 2, 1}));
  device.call(backend.max_pool_backward(unpooled, dbias, pooled, position, {3, 2, 1}));
  keep({pooled, unpooled, dbias});

  const Tensor gamma = device.input(random.normals(kColumns), {kColumns});
  const Tensor beta = device.input(random.normals(kColumns), {kColumns});
  for (const int64_t channels : {kColumns, int64_t{65}}) {  // 65 divides the number of elements, too
    const Shape matrix{kCount / channels, channels}, each{channels};
    const Tensor image(in.data, type, matrix), dimage(gradient.data, type, matrix);
    const Tensor dgamma = device.output(each), dbeta = device.output(each);
    const Tensor center = device.output(each), spread = device.output(each), unbiased = device.output(each);
    const Tensor normalized = device.output(matrix, type), back = device.output(matrix, type);
    const Tensor dresidual = device.output(matrix, type);
    device.call(backend.batch_norm_stats(center, spread, unbiased, image));
    device.call(backend.batch_norm_apply(normalized, {}, image, center, spread, gamma, beta, dimage, {1e-5f, 1}));
    device.call(backend.batch_norm_backward(back, dgamma, dbeta, dresidual, dimage, image, normalized, center, spread,
                                            gamma, beta, {1e-5f, 1}));
    keep({center, spread, unbiased, normalized, back, dgamma, dbeta, dresidual});
  }
  return results;
}

/// Results of our other loops.
std::vector<Floats> run_loops(int thread_count) {
  CpuBackend backend(threads(thread_count));
  const int64_t rows = kRows, columns = kColumns, count = kCount;
  Random random(1);
  const Floats x = random.normals(count), dy = random.normals(count);
  Device device(backend);
  const Shape shape{rows, columns};
  const Tensor in = device.input(x, shape), gradient = device.input(dy, shape);
  std::vector<Floats> results;
  const auto keep = [&](const Tensor& tensor) { results.push_back(device.read(tensor)); };

  const Tensor norms = device.output({rows}), y = device.output(shape), dx = device.output(shape);
  const Tensor dscale = device.output({1}), p = device.output(shape);
  const Tensor mean = device.output({columns}), variance = device.output({columns});
  device.call(backend.l2_scale_forward(y, norms, {}, in, device.constant(30.0f)));
  device.call(backend.l2_scale_backward(dx, dscale, gradient, in, norms, device.constant(30.0f)));
  device.call(backend.softmax(p, in));
  device.call(backend.column_stats(mean, variance, in, {}));
  for (const Tensor& result : {norms, y, dx, dscale, p, mean, variance}) keep(result);

  StepBlock block{};
  block.margin_ramp = 1;
  block.learning_rate = 1e-3f;
  block.momentum = 0.9f;
  const StepBlock* step = device.constant(block);
  StepReport* report = device.variable(std::vector<StepReport>(1));
  int32_t* halted = device.variable(Ints{0});
  MarginSoftmaxOperands operands;
  operands.logits = device.inout(x, shape);
  operands.feature_radial = device.output({rows});
  operands.class_radial = device.output({columns});
  operands.target_terms = device.output({rows, 2});
  operands.report = report;
  operands.halted = halted;
  operands.labels = device.input(random.integers(rows, 0, columns - 1), {rows});
  operands.features = device.input(random.normals(rows * 64), {rows, 64});
  operands.class_weights = device.input(random.normals(columns * 64), {columns, 64});
  operands.feature_norms = device.input(random.uniform(rows, 7, 9), {rows});
  operands.class_norms = device.input(random.uniform(columns, 7, 9), {columns});
  operands.step = step;
  MarginSoftmax head;
  head.margin.m2 = 0.5f;
  head.label_smoothing = 0.1f;
  device.call(backend.margin_softmax(operands, head));
  device.call(backend.gradient_norm(report, halted, nullptr, {{}, in}, nullptr, 0, step));
  for (const Tensor& result : {operands.logits, operands.feature_radial, operands.class_radial}) keep(result);
  MarginSoftmaxOperands mixed = operands;
  mixed.logits = device.inout(x, shape);
  mixed.target_terms = {};
  mixed.mixed_labels = device.input(random.integers(rows, 0, columns - 1), {rows});
  mixed.mixed_share = device.input(random.uniform(rows, 0, 1), {rows});
  mixed.report = device.variable(std::vector<StepReport>(1));
  device.call(backend.margin_softmax(mixed, head));
  for (const Tensor& result : {mixed.logits, mixed.feature_radial, mixed.class_radial}) keep(result);
  results.push_back({device.read<StepReport>(mixed.report, 1)[0].loss});
  MarginSoftmaxOperands sharded = operands;  // as a rank's classes, of which some rows have none
  sharded.logits = device.inout(x, shape);
  sharded.labels = device.input(random.integers(rows, -columns, 2 * columns), {rows});
  sharded.report = mixed.report;
  const RowParts parts{device.output({rows}), device.output({rows}), device.output({kRowSums, rows})};
  StepTotals* totals = device.variable(std::vector<StepTotals>(1));
  device.call(backend.margin_softmax_sums(parts, sharded, head));
  keep(parts.largest);
  keep(parts.sums);
  device.call(backend.margin_softmax_gradients(totals, parts, sharded, head, {3 * columns, 3.0f * columns}));
  device.call(backend.gradient_squares(totals, {{}, in}));
  for (const Tensor& result : {sharded.logits, sharded.feature_radial, sharded.class_radial}) keep(result);
  const StepTotals left = device.read<StepTotals>(totals, 1)[0];
  results.push_back({device.read<StepReport>(mixed.report, 1)[0].loss, left.logit_squares, left.gradient_squares});
  const StepReport reported = device.read<StepReport>(report, 1)[0];
  results.push_back({reported.loss, static_cast<float>(reported.correct), reported.gradient_norm,
                     reported.logit_gradient_norm, static_cast<float>(reported.past_pi)});

  device.call(
      backend.scaled_bn_backward(operands.logits, in, operands.labels, operands.target_terms, mean, variance, {}, {}));
  keep(operands.logits);
  const Tensor few = device.input(random.integers(rows, 0, 6), {rows});  // classes with many samples
  const Tensor centers = device.inout(random.normals(7 * columns), {7, columns}),
               center_gradient = device.output(shape);
  device.call(backend.center_loss(center_gradient, nullptr, report, halted, in, centers, few, 0.5f, step));
  device.call(backend.center_update(centers, in, few, 0.5f, halted));
  keep(center_gradient);
  keep(centers);
  results.push_back({device.read<StepReport>(report, 1)[0].loss});

  const Tensor parameters = device.inout(x, shape), first = device.inout(dy, shape);
  const Tensor second = device.inout(Floats(count, 1), shape);
  const UpdateGroup* groups = device.constants(std::vector<UpdateGroup>{{.end = count}});
  device.call(backend.adam({parameters, {}, first, second, {{}, gradient}, nullptr, groups, step, halted}, {}));
  keep(parameters);
  return results;
}

void expect_same_results(const std::vector<Floats>& found, const std::vector<Floats>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    expect_same(found[i], expected[i]);
  }
}

}  // namespace

TEST_CASE("training gives the same bits in every run, for each thread count") {
  for (const NetworkSpec& network : {seed_cnn(128), resnet18({12, 12, 2})}) {
    for (const DType type : activation_types(CpuBackend({}))) {
      for (const int count : {1, 2, 5}) {
        CAPTURE(to_string(network.input));
        CAPTURE(size_of(type));
        CAPTURE(count);
        const auto expected = train_once(count, network, type);
        for (int repetition = 0; repetition < 3; ++repetition)
          expect_same_results(train_once(count, network, type), expected);
      }
    }
  }
}

TEST_CASE("our own loops give the same bits for any thread count") {
  const auto expected = run_loops(1);
  for (const int count : {1, 2, 5}) {
    CAPTURE(count);
    expect_same_results(run_loops(count), expected);
    CHECK(omp_get_max_threads() == count);  // so many were really used
  }
  for (const DType type : activation_types(CpuBackend({}))) {
    const auto of_activations = run_activation_loops(1, type);
    for (const int count : {2, 5}) {
      CAPTURE(size_of(type));
      CAPTURE(count);
      expect_same_results(run_activation_loops(count, type), of_activations);
    }
  }
}

}  // namespace margincore::test
