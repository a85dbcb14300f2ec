// Our loops are compiled once per instruction set: all must give the same, but for the order in which sums are taken.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "cpu/instruction_sets.h"
#include "support/random.h"

namespace margincore::test {

namespace {

/// Every loop of a table on the same random numbers, but those over activations (activation_loops_test.cpp).
Results run(const Loops& loops) {
  Random random(1);
  const Floats x = random.normals(kCount), dy = random.normals(kCount);
  const Floats shift = random.normals(kColumns), norms_of_columns = random.uniform(kColumns, 0.5, 2);
  const Floats factors = random.normals(kColumns);
  Results results;
  const auto made = [](int64_t count) { return Floats(count, NAN); };

  Floats y = made(kCount), dx = made(kCount);
  Floats part = made(kRows * 33);
  loops.copy_channels(reinterpret_cast<uint8_t*>(part.data()), reinterpret_cast<const uint8_t*>(x.data() + 7), kRows,
                      33 * sizeof(float), kColumns * sizeof(float), 33 * sizeof(float));
  results.exact.push_back({"copy_channels", part});
  const Im2colSizes seen = {{2, 9, 11, 5 * sizeof(float), 5, 6, -1, -1, 2}, 3, 3};
  Floats patches = made(2 * 5 * 6 * 3 * 3 * 5);
  loops.im2col(reinterpret_cast<uint8_t*>(patches.data()), reinterpret_cast<const uint8_t*>(x.data()), seen);
  results.exact.push_back({"im2col", patches});
  const PixelGrid grid = {2, 9, 11, 5 * sizeof(float), 4, 5, 1, 1, 2};
  Floats spread(2 * 9 * 11 * 5, 7);
  loops.spread_pixels(reinterpret_cast<uint8_t*>(spread.data()), reinterpret_cast<const uint8_t*>(x.data()), grid);
  results.exact.push_back({"spread_pixels", spread});

  Floats norms = made(kRows), y_norms = made(kRows), dscale = made(kRows);
  loops.row_norms(norms.data(), x.data(), kRows, kColumns);
  results.rounded.push_back({Op::RowNorms, norms});
  loops.scale_rows(y.data(), x.data(), norms.data(), 30, kRows, kColumns);
  results.rounded.push_back({Op::L2ScaleForward, y});
  loops.l2_scale_forward(y.data(), norms.data(), y_norms.data(), x.data(), 30, kRows, kColumns);
  results.rounded.push_back({Op::L2ScaleForward, y});
  results.rounded.push_back({Op::RowNorms, norms});
  results.rounded.push_back({Op::RowNorms, y_norms});
  loops.l2_scale_backward(dx.data(), dscale.data(), dy.data(), x.data(), norms.data(), 30, kRows, kColumns);
  results.rounded.push_back({Op::L2ScaleBackward, dx});
  results.rounded.push_back({Op::ScaleGradient, dscale});
  dx = dy;
  loops.remove_radial(dx.data(), x.data(), norms.data(), kRows, kColumns);
  results.rounded.push_back({Op::RemoveRadial, dx});
  dx = dy;
  loops.add_scaled_rows(dx.data(), x.data(), norms.data(), kRows, kColumns);
  results.rounded.push_back({Op::AddScaledRows, dx});

  dx = dy;
  loops.scale_logits(dx.data(), norms.data(), norms_of_columns.data(), factors.data(), shift.data(), kRows, kColumns);
  results.rounded.push_back({Op::ScaleLogits, dx});
  loops.softmax(y.data(), x.data(), kRows, kColumns);
  results.rounded.push_back({Op::Softmax, y});

  // ArcFace on free weights, so that every output is asked for.
  constexpr int64_t kSize = 33;
  const Floats features = random.normals(kRows * kSize), weights = random.normals(kColumns * kSize);
  Floats logits(kCount, 0), class_norms(kColumns, 0), feature_norms(kRows, 0);
  for (int64_t i = 0; i < kCount; ++i)
    for (int64_t k = 0; k < kSize; ++k)
      logits[i] += features[i / kColumns * kSize + k] * weights[i % kColumns * kSize + k] / 8;
  for (int64_t i = 0; i < kColumns * kSize; ++i) class_norms[i / kSize] += weights[i] * weights[i];
  for (int64_t i = 0; i < kRows * kSize; ++i) feature_norms[i / kSize] += features[i] * features[i];
  const Floats products = logits;
  for (float& norm : class_norms) norm = std::sqrt(norm);
  for (float& norm : feature_norms) norm = std::sqrt(norm);
  Ints labels = random.integers(kRows, 0, kColumns - 1);
  Floats shown = made(kCount), feature_radial = made(kRows), class_radial = made(kColumns), losses = made(kRows);
  Floats squares = made(kRows), radial = made(kRows), terms = made(2 * kRows);
  StepBlock step{};
  step.margin_ramp = 1;
  step.lambda = 0.5f;
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
  results.rounded.push_back({Op::MarginLoss, Floats{report.loss}});
  results.rounded.push_back({Op::MarginGradient, logits});
  results.rounded.push_back({Op::MarginLogits, shown});
  results.rounded.push_back({Op::MarginRadial, feature_radial});
  results.rounded.push_back({Op::MarginRadial, class_radial});
  results.rounded.push_back({Op::MarginLogits, terms});
  results.rounded.push_back({Op::LogitGradientNorm, Floats{report.logit_gradient_norm}});
  results.exact.push_back(
      {"correct and past pi", Floats{static_cast<float>(report.correct), static_cast<float>(report.past_pi)}});

  // Of these classes as a rank's: half of the rows have their target elsewhere.
  Floats sharded = products, largest = made(kRows), own_largest = made(kRows), sums = made(kRowSums * kRows);
  for (int64_t i = 0; i < kRows; i += 2) labels[i] = static_cast<int32_t>(i % 4 == 0 ? kColumns : -1);
  StepTotals totals{};
  o.logits = {sharded.data(), {kRows, kColumns}};
  work.parts = {{own_largest.data(), {kRows}}, {largest.data(), {kRows}}, {sums.data(), {kRowSums, kRows}}};
  work.totals = &totals;
  loops.margin_softmax_sums(work);
  results.rounded.push_back({Op::MarginLogits, largest});
  for (float& value : largest) value += 1;  // another rank's
  loops.margin_softmax_rebase(work.parts);
  results.rounded.push_back({Op::MarginLogits, sums});
  loops.margin_softmax_gradients(work, {2 * kColumns, 2 * static_cast<float>(kColumns)});
  results.rounded.push_back({Op::MarginGradient, sharded});
  results.rounded.push_back({Op::MarginRadial, feature_radial});
  results.rounded.push_back({Op::MarginLoss, Floats{report.loss}});

  // Any numbers do for the gradient and the targets' terms.
  Floats mean = made(kColumns), variance = made(kColumns), class_scale = made(kColumns), class_shift = made(kColumns);
  const ScaledBn norm{0.9f, 1e-5f};
  loops.column_stats(mean.data(), variance.data(), x.data(), norms_of_columns.data(), kRows, kColumns);
  loops.scaled_bn_fold(class_scale.data(), class_shift.data(), mean.data(), variance.data(), kColumns, norm);
  results.rounded.push_back({Op::ColumnMean, mean});
  results.rounded.push_back({Op::ColumnVariance, variance});
  results.rounded.push_back({Op::ScaledBnFold, class_scale});
  results.rounded.push_back({Op::ScaledBnFold, class_shift});
  dx = dy;
  loops.scaled_bn_backward(dx.data(), x.data(), labels.data(), shift.data(), mean.data(), variance.data(),
                           norms_of_columns.data(), kRows, kColumns, norm);
  results.rounded.push_back({Op::ScaledBnBackward, dx});
  Floats running = shift;
  loops.running_average(running.data(), factors.data(), kColumns, 0.1f, 1.25f);
  results.rounded.push_back({Op::RunningAverage, running});

  const Ints few = random.integers(kRows, 0, 4);  // classes with several samples
  Floats center_gradient = made(kRows * kSize), centers(weights.begin(), weights.begin() + 5 * kSize);
  const double distance = loops.center_loss(center_gradient.data(), squares.data(), features.data(), centers.data(), 5,
                                            few.data(), kRows, kSize, 0.5f);
  loops.center_update(centers.data(), 5, features.data(), few.data(), kRows, kSize, 0.5f);
  results.rounded.push_back({Op::CenterLoss, Floats{static_cast<float>(distance)}});
  results.rounded.push_back({Op::CenterGradient, center_gradient});
  results.rounded.push_back({Op::CenterUpdate, centers});

  Floats p = x, v = random.normals(kCount);
  UpdateRange for_sgd{p.data(), nullptr, v.data(), nullptr, dy.data(), kCount, 1, 0.1f, 5e-4f};
  loops.sgd(for_sgd, {1}, 0.9f);
  results.rounded.push_back({Op::Sgd, p});
  results.rounded.push_back({Op::Sgd, v});
  Floats first = random.normals(kCount), second = random.uniform(kCount, 0, 1);
  p = x;
  UpdateRange for_adam{p.data(), nullptr, first.data(), second.data(), dy.data(), kCount, 1, 1e-3f, 0};
  loops.adam(for_adam, {}, 0.9f, 7);
  results.rounded.push_back({Op::Adam, p});
  results.rounded.push_back({Op::Adam, first});
  results.rounded.push_back({Op::Adam, second});
  for_sgd.clip = for_adam.clip = 0.3f;
  loops.sgd(for_sgd, {1}, 0.9f);
  results.rounded.push_back({Op::Sgd, p});
  loops.adam(for_adam, {}, 0.9f, 7);
  results.rounded.push_back({Op::Adam, p});
  double blocks[1];
  results.rounded.emplace_back(Op::GradientNorm,
                               Floats{static_cast<float>(std::sqrt(loops.sum_of_squares(x.data(), kCount, blocks)))});
  return results;
}

void expect_agreement(const Loops& loops) { run(loops).expect_agreement(run(x86_64_v2::loops)); }

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
