// Our loops are compiled once per instruction set: all must give the same, but for the order in which sums are taken.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "cpu/loops.h"
#include "support/compare.h"
#include "support/random.h"

namespace margincore::test {

namespace {

bool runs_here(const Loops& loops) {
  __builtin_cpu_init();
  if (&loops == &x86_64_v4::loops)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  if (&loops == &x86_64_v3::loops)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  return true;
}

constexpr int64_t kRows = 13, kColumns = 1009, kCount = kRows * kColumns;

/// Every loop of a table on the same random numbers, result by result.
struct Results {
  std::vector<std::pair<Op, Floats>> rounded;
  std::vector<std::pair<std::string, Floats>> exact;
};

Results run(const Loops& loops) {
  Random random(1);
  const Floats x = random.normals(kCount), dy = random.normals(kCount);
  const Floats shift = random.normals(kColumns), norms_of_columns = random.uniform(kColumns, 0.5, 2);
  const Floats factors = random.normals(kColumns);
  Results results;
  const auto made = [](int64_t count) { return Floats(count, NAN); };

  Floats y = made(kCount), dx = made(kCount);
  loops.relu_forward(y.data(), x.data(), kCount);
  loops.relu_backward(dx.data(), dy.data(), y.data(), kCount);
  results.exact.emplace_back("relu_forward", y);
  results.exact.emplace_back("relu_backward", dx);
  loops.add(y.data(), x.data(), dy.data(), kCount);
  results.exact.emplace_back("add", y);

  StepBlock step{};
  step.seed = 5;
  step.margin_ramp = 1;
  step.lambda = 0.5f;
  loops.dropout(y.data(), x.data(), kCount, {0.25f, 1}, &step);
  results.exact.emplace_back("dropout", y);

  // 13 x 7 pixels of 144 channels: windows that overlap, and windows that tile, the latter with ReLU.
  for (const Pool2d& pool : {Pool2d{3, 2, 1, 0}, Pool2d{2, 2, 0, 1}}) {
    const int64_t out_height = (kRows + 2 * pool.padding - pool.kernel) / pool.stride + 1;
    const int64_t out_width = (7 + 2 * pool.padding - pool.kernel) / pool.stride + 1;
    const PoolSizes sizes{1, kRows, 7, 144, out_height, out_width};
    Floats pooled = made(out_height * out_width * 144), unpooled = made(kRows * 7 * 144);
    Bytes position(pooled.size(), 0);
    loops.max_pool_forward(pooled.data(), position.data(), x.data(), sizes, pool);
    loops.max_pool_backward(unpooled.data(), dy.data(), position.data(), sizes, pool);
    results.exact.emplace_back("max_pool_forward", pooled);
    results.exact.emplace_back("max_pool positions", Floats(position.begin(), position.end()));
    results.rounded.emplace_back(Op::MaxPoolBackward, unpooled);
  }

  // The same pixels for averages, 13 of whose channels are left over from vectors of 16.
  for (const Pool2d& pool : {Pool2d{3, 2, 1}, Pool2d{2, 2, 0}}) {
    const int64_t out_height = (kRows + 2 * pool.padding - pool.kernel) / pool.stride + 1;
    const int64_t out_width = (7 + 2 * pool.padding - pool.kernel) / pool.stride + 1;
    const PoolSizes sizes{1, kRows, 7, 141, out_height, out_width};
    Floats pooled = made(out_height * out_width * 141), unpooled = made(kRows * 7 * 141);
    loops.average_pool_forward(pooled.data(), x.data(), sizes, pool);
    loops.average_pool_backward(unpooled.data(), dy.data(), sizes, pool);
    results.rounded.emplace_back(Op::AveragePoolForward, pooled);
    results.rounded.emplace_back(Op::AveragePoolBackward, unpooled);
  }
  Floats averages = made(kColumns);
  loops.global_average_forward(averages.data(), x.data(), 1, kRows, kColumns);
  loops.global_average_backward(dx.data(), factors.data(), 1, kRows, kColumns);
  results.rounded.emplace_back(Op::AveragePoolForward, averages);
  results.rounded.emplace_back(Op::AveragePoolBackward, dx);
  Floats part = made(kRows * 33);
  loops.copy_channels(reinterpret_cast<uint8_t*>(part.data()), reinterpret_cast<const uint8_t*>(x.data() + 7), kRows,
                      33 * sizeof(float), kColumns * sizeof(float), 33 * sizeof(float));
  results.exact.emplace_back("copy_channels", part);

  for (const int64_t slopes : {kColumns, int64_t{1}}) {
    const int64_t rows = kCount / slopes;
    Floats dslope = made(slopes), chunk_sums = made(prelu_chunks(rows, slopes) * slopes);
    loops.prelu_forward(y.data(), x.data(), factors.data(), rows, slopes);
    loops.prelu_backward(dx.data(), dslope.data(), chunk_sums.data(), dy.data(), x.data(), factors.data(), rows,
                         slopes);
    results.exact.emplace_back("prelu_forward", y);
    results.exact.emplace_back("prelu_backward", dx);
    results.rounded.emplace_back(Op::PReluSlope, dslope);
  }

  // 13 rows of two blocks of channels; and as many elements of 17 channels, whose rows are walked in bundles.
  for (const int64_t channels : {kColumns, int64_t{17}}) {
    const int64_t rows = kCount / channels, count = rows * channels;
    Floats memory(loops.batch_norm_scratch(rows, channels) / sizeof(float) + 1), gamma(factors), beta(shift);
    Floats mean = made(channels), variance = made(channels), unbiased = made(channels);
    loops.batch_norm_stats(mean.data(), variance.data(), unbiased.data(), x.data(), rows, channels, memory.data());
    results.rounded.emplace_back(Op::BatchNormMean, mean);
    results.rounded.emplace_back(Op::BatchNormVariance, variance);
    results.rounded.emplace_back(Op::BatchNormVariance, unbiased);
    for (const int32_t relu : {0, 1}) {
      const BatchNormParameters parameters{mean.data(), variance.data(), gamma.data(), beta.data(), {1e-3f, relu}};
      Floats normalized = made(count), dgamma = made(channels), dbeta = made(channels), dresidual = made(count);
      Floats gradient = made(count);
      loops.batch_norm_apply(normalized.data(), x.data(), dy.data(), rows, channels, parameters, memory.data());
      results.rounded.emplace_back(Op::BatchNormApply, normalized);
      for (float& value : normalized) value = std::abs(value) < 1e-4f ? 0 : value;  // one mask for every set
      loops.batch_norm_backward({gradient.data(), dgamma.data(), dbeta.data(), dresidual.data()}, dy.data(), x.data(),
                                normalized.data(), rows, channels, parameters, memory.data());
      results.rounded.emplace_back(Op::BatchNormBackward, gradient);
      results.rounded.emplace_back(Op::BatchNormParameters, dgamma);
      results.rounded.emplace_back(Op::BatchNormParameters, dbeta);
      results.rounded.emplace_back(Op::BatchNormBackward, dresidual);
    }
  }

  Floats norms = made(kRows), dscale = made(kRows);
  loops.row_norms(norms.data(), x.data(), kRows, kColumns);
  results.rounded.emplace_back(Op::RowNorms, norms);
  loops.l2_scale_forward(y.data(), x.data(), norms.data(), 30, kRows, kColumns);
  results.rounded.emplace_back(Op::L2ScaleForward, y);
  loops.l2_scale_backward(dx.data(), dscale.data(), dy.data(), x.data(), norms.data(), 30, kRows, kColumns);
  results.rounded.emplace_back(Op::L2ScaleBackward, dx);
  results.rounded.emplace_back(Op::ScaleGradient, dscale);
  dx = dy;
  loops.remove_radial(dx.data(), x.data(), norms.data(), kRows, kColumns);
  results.rounded.emplace_back(Op::RemoveRadial, dx);
  dx = dy;
  loops.add_scaled_rows(dx.data(), x.data(), norms.data(), kRows, kColumns);
  results.rounded.emplace_back(Op::AddScaledRows, dx);

  dx = dy;
  loops.scale_logits(dx.data(), norms.data(), norms_of_columns.data(), factors.data(), shift.data(), kRows, kColumns);
  results.rounded.emplace_back(Op::ScaleLogits, dx);
  loops.softmax(y.data(), x.data(), kRows, kColumns);
  results.rounded.emplace_back(Op::Softmax, y);
  Floats sums = made(kColumns);
  loops.column_sums(sums.data(), x.data(), kRows, kColumns);
  results.rounded.emplace_back(Op::ColumnSums, sums);

  // ArcFace on free weights, so that every output is asked for.
  constexpr int64_t kSize = 33;
  const Floats features = random.normals(kRows * kSize), weights = random.normals(kColumns * kSize);
  Floats logits(kCount, 0), class_norms(kColumns, 0), feature_norms(kRows, 0);
  for (int64_t i = 0; i < kCount; ++i)
    for (int64_t k = 0; k < kSize; ++k)
      logits[i] += features[i / kColumns * kSize + k] * weights[i % kColumns * kSize + k] / 8;
  for (int64_t i = 0; i < kColumns * kSize; ++i) class_norms[i / kSize] += weights[i] * weights[i];
  for (int64_t i = 0; i < kRows * kSize; ++i) feature_norms[i / kSize] += features[i] * features[i];
  for (float& norm : class_norms) norm = std::sqrt(norm);
  for (float& norm : feature_norms) norm = std::sqrt(norm);
  Ints labels = random.integers(kRows, 0, kColumns - 1);
  Floats shown = made(kCount), feature_radial = made(kRows), class_radial = made(kColumns), losses = made(kRows);
  Floats squares = made(kRows), radial = made(kRows), terms = made(2 * kRows);
  StepReport report{};
  int32_t halted = 0;
  MarginSoftmaxRows work{};
  work.rows = kRows;
  work.classes = kColumns;
  work.embedding_size = kSize;
  work.row_losses = losses.data();
  work.row_squares = squares.data();
  work.row_radial = radial.data();
  MarginSoftmaxOperands& o = work.operands;
  o.logits = {logits.data(), {kRows, kColumns}};
  o.feature_radial = {feature_radial.data(), {kRows}};
  o.class_radial = {class_radial.data(), {kColumns}};
  o.margin_logits = {shown.data(), {kRows, kColumns}};
  o.target_terms = {terms.data(), {kRows, 2}};
  o.report = &report;
  o.halted = &halted;
  o.labels = {labels.data(), DType::I32, {kRows}};
  o.features = {const_cast<float*>(features.data()), {kRows, kSize}};
  o.class_weights = {const_cast<float*>(weights.data()), {kColumns, kSize}};
  o.feature_norms = {feature_norms.data(), {kRows}};
  o.class_norms = {class_norms.data(), {kColumns}};
  o.step = &step;
  work.head.margin.m2 = 0.5f;
  work.head.label_smoothing = 0.1f;
  loops.margin_softmax(work);
  results.rounded.emplace_back(Op::MarginLoss, Floats{report.loss});
  results.rounded.emplace_back(Op::MarginGradient, logits);
  results.rounded.emplace_back(Op::MarginLogits, shown);
  results.rounded.emplace_back(Op::MarginRadial, feature_radial);
  results.rounded.emplace_back(Op::MarginRadial, class_radial);
  results.rounded.emplace_back(Op::MarginLogits, terms);
  results.rounded.emplace_back(Op::LogitGradientNorm, Floats{report.logit_gradient_norm});
  results.exact.emplace_back("correct and past pi",
                             Floats{static_cast<float>(report.correct), static_cast<float>(report.past_pi)});

  // Any numbers do for the gradient and the targets' terms.
  Floats mean = made(kColumns), variance = made(kColumns), class_scale = made(kColumns), class_shift = made(kColumns);
  const ScaledBn norm{0.9f, 1e-5f};
  loops.column_stats(mean.data(), variance.data(), x.data(), norms_of_columns.data(), kRows, kColumns);
  loops.scaled_bn_fold(class_scale.data(), class_shift.data(), mean.data(), variance.data(), kColumns, norm);
  results.rounded.emplace_back(Op::ColumnMean, mean);
  results.rounded.emplace_back(Op::ColumnVariance, variance);
  results.rounded.emplace_back(Op::ScaledBnFold, class_scale);
  results.rounded.emplace_back(Op::ScaledBnFold, class_shift);
  dx = dy;
  loops.scaled_bn_backward(dx.data(), x.data(), labels.data(), shift.data(), mean.data(), variance.data(),
                           norms_of_columns.data(), kRows, kColumns, norm);
  results.rounded.emplace_back(Op::ScaledBnBackward, dx);
  Floats running = shift;
  loops.running_average(running.data(), factors.data(), kColumns, 0.1f, 1.25f);
  results.rounded.emplace_back(Op::RunningAverage, running);

  const Ints few = random.integers(kRows, 0, 4);  // classes with several samples
  Floats apart = made(kRows * kSize), centers(weights.begin(), weights.begin() + 5 * kSize);
  const double distance =
      loops.center_loss(apart.data(), squares.data(), features.data(), centers.data(), few.data(), kRows, kSize, 0.5f);
  loops.center_update(centers.data(), features.data(), few.data(), kRows, kSize, 0.5f);
  results.rounded.emplace_back(Op::CenterLoss, Floats{static_cast<float>(distance)});
  results.rounded.emplace_back(Op::CenterGradient, apart);
  results.rounded.emplace_back(Op::CenterUpdate, centers);

  const Ints pixels = random.integers(5 * 12 * 3, 0, 255);
  Bytes images(pixels.begin(), pixels.end());
  Ints sample_labels = {4, 3, 2, 1, 0}, order = {1, 1, 4, 0}, batch_labels(4, -1);
  Floats scale = {0.1f, 0.2f, 0.3f}, offset = {1, 2, 3}, batch = made(4 * 36);
  GatherImages gather;
  gather.images = {images.data(), DType::U8, {5, 3, 4, 3}};
  gather.labels = {sample_labels.data(), DType::I32, {5}};
  gather.scale = {scale.data(), {3}};
  gather.shift = {offset.data(), {3}};
  loops.gather_images(batch.data(), batch_labels.data(), gather, 4, order.data());
  results.rounded.emplace_back(Op::GatherImages, batch);
  results.exact.emplace_back("labels", Floats(batch_labels.begin(), batch_labels.end()));

  Floats p = x, v = random.normals(kCount);
  loops.sgd(p.data(), v.data(), dy.data(), kCount, {0.9f, 1, 5e-4f, 1}, 0.1f);
  results.rounded.emplace_back(Op::Sgd, p);
  results.rounded.emplace_back(Op::Sgd, v);
  Floats first = random.normals(kCount), second = random.uniform(kCount, 0, 1);
  p = x;
  loops.adam(p.data(), first.data(), second.data(), dy.data(), kCount, {}, 1e-3f, 7);
  results.rounded.emplace_back(Op::Adam, p);
  results.rounded.emplace_back(Op::Adam, first);
  results.rounded.emplace_back(Op::Adam, second);
  double blocks[1];
  results.rounded.emplace_back(Op::GradientNorm,
                               Floats{static_cast<float>(std::sqrt(loops.sum_of_squares(x.data(), kCount, blocks)))});
  return results;
}

void expect_agreement(const Loops& loops) {
  const Results expected = run(x86_64_v2::loops), found = run(loops);
  for (size_t i = 0; i < expected.exact.size(); ++i) {
    CAPTURE(expected.exact[i].first);
    expect_same(found.exact[i].second, expected.exact[i].second);
  }
  for (size_t i = 0; i < expected.rounded.size(); ++i)
    expect_close(expected.rounded[i].first, found.rounded[i].second, to_doubles(expected.rounded[i].second));
}

bool report_skip(const Loops& loops) {
  const bool runs = runs_here(loops);
  if (!runs) std::printf("skipped: loops for %s: this processor does not have it\n", loops.instruction_set);
  return !runs;
}

}  // namespace

TEST_CASE("loops for x86-64-v3 agree with those for x86-64-v2" * doctest::skip(report_skip(x86_64_v3::loops))) {
  expect_agreement(x86_64_v3::loops);
}

TEST_CASE("loops for x86-64-v4 agree with those for x86-64-v2" * doctest::skip(report_skip(x86_64_v4::loops))) {
  expect_agreement(x86_64_v4::loops);
}

TEST_CASE("the best set that this processor has is chosen, or a lower one that is asked for") {
  const Loops& best = runs_here(x86_64_v4::loops)   ? x86_64_v4::loops
                      : runs_here(x86_64_v3::loops) ? x86_64_v3::loops
                                                    : x86_64_v2::loops;
  const Loops& at_most_v3 = runs_here(x86_64_v3::loops) ? x86_64_v3::loops : x86_64_v2::loops;
  const char* asked = std::getenv("MARGINCORE_CPU_ISA");
  const std::string before = asked == nullptr ? "" : asked;
  unsetenv("MARGINCORE_CPU_ISA");
  CHECK(&choose_loops() == &best);
  setenv("MARGINCORE_CPU_ISA", "x86-64-v2", 1);
  CHECK(&choose_loops() == &x86_64_v2::loops);
  setenv("MARGINCORE_CPU_ISA", "x86-64-v3", 1);
  CHECK(&choose_loops() == &at_most_v3);
  unsetenv("MARGINCORE_CPU_ISA");
  if (!before.empty()) setenv("MARGINCORE_CPU_ISA", before.c_str(), 1);
}

}  // namespace margincore::test
