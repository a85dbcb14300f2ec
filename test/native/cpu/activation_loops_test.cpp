// Loops over activations, compiled per instruction set and per type: all must give what the fp32 ones of the lowest set
// give on the same numbers, but for the order in which sums are taken and, in bf16, one rounding.
#include <doctest/doctest.h>

#include "cpu/instruction_sets.h"
#include "support/random.h"

namespace margincore::test {

namespace {

Floats poisoned(int64_t count) { return Floats(count, NAN); }

template <class T>
constexpr DType kType = DType::F32;
template <>
constexpr DType kType<BFloat16> = DType::BF16;

template <class T>
Floats floats(const std::vector<T>& values) {
  if constexpr (std::is_same_v<T, float>) return values;
  Floats result;
  if constexpr (std::is_same_v<T, BFloat16>)
    for (BFloat16 value : values) result.push_back(to_float(value));
  return result;
}

/// Every loop of a table on the same numbers, rounded to the type `inputs`.
template <class T>
class Run {
 public:
  Run(const Loops& loops, const ActivationLoops<T>& table, DType inputs)
      : all_(loops),
        loops_(table),
        x_(stored<T>(as_stored(random_.normals(kCount), inputs))),
        dy_(stored<T>(as_stored(random_.normals(kCount), inputs))),
        factors_(random_.normals(kColumns)) {
    elementwise();
    max_pooling();
    averages();
    for (const int64_t slopes : {kColumns, int64_t{1}}) prelu(slopes);
    // 13 rows of two blocks of channels; and as many elements of 17 channels, whose rows are walked in bundles.
    for (const int64_t channels : {kColumns, int64_t{17}}) batch_norm(channels);
    Floats sums = poisoned(kColumns);
    loops_.column_sums(sums.data(), x_.data(), kRows, kColumns);
    keep_sums(Op::ColumnSums, sums);
    gather();
  }

  Results results;

 private:
  using Array = std::vector<T>;
  static Array output(int64_t count) { return stored<T>(poisoned(count)); }

  void keep(const char* name, const Array& values) { results.exact.push_back({name, floats(values), kType<T>}); }
  void keep(Op op, const Array& values) { results.rounded.push_back({op, floats(values), kType<T>}); }
  void keep_sums(Op op, const Floats& values) { results.rounded.push_back({op, values}); }  // fp32 whatever T is

  void elementwise() {
    Array y = output(kCount), dx = output(kCount);
    loops_.relu_forward(y.data(), x_.data(), kCount);
    loops_.relu_backward(dx.data(), dy_.data(), y.data(), kCount);
    keep("relu_forward", y);
    keep("relu_backward", dx);
    loops_.add(y.data(), x_.data(), dy_.data(), kCount);
    keep("add", y);
    StepBlock step{};
    step.seed = 5;
    loops_.dropout(y.data(), x_.data(), kCount, {0.25f, 1}, &step);
    keep("dropout", y);
  }

  /// 13 x 7 pixels of so many channels, and what a window makes of them.
  static PoolSizes sizes(int64_t channels, const Pool2d& pool) {
    const int64_t out_height = (kRows + 2 * pool.padding - pool.kernel) / pool.stride + 1;
    const int64_t out_width = (7 + 2 * pool.padding - pool.kernel) / pool.stride + 1;
    return {1, kRows, 7, channels, out_height, out_width};
  }

  /// Windows that overlap, and windows that tile, the latter with a bias and ReLU; 13 of 141 channels are left over from
  /// vectors.
  void max_pooling() {
    for (const Pool2d& pool : {Pool2d{3, 2, 1, 0}, Pool2d{2, 2, 0, 1}}) {
      const float* bias = pool.relu ? factors_.data() : nullptr;
      const PoolSizes s = sizes(141, pool);
      Array pooled = output(s.out_height * s.out_width * 141), unpooled = output(kRows * 7 * 141);
      Bytes position(pooled.size(), 0);
      loops_.max_pool_forward(pooled.data(), position.data(), x_.data(), bias, s, pool);
      loops_.max_pool_backward(unpooled.data(), dy_.data(), position.data(), s, pool);
      keep("max_pool_forward", pooled);
      results.exact.push_back({"max_pool positions", Floats(position.begin(), position.end())});
      keep(Op::MaxPoolBackward, unpooled);
      Floats dbias = poisoned(141);
      loops_.max_pool_bias_backward(dbias.data(), dy_.data(), position.data(), s.out_height * s.out_width, 141);
      keep_sums(Op::BiasGradient, dbias);
    }
  }

  void averages() {
    for (const Pool2d& pool : {Pool2d{3, 2, 1}, Pool2d{2, 2, 0}}) {
      const PoolSizes s = sizes(141, pool);
      Array pooled = output(s.out_height * s.out_width * 141), unpooled = output(kRows * 7 * 141);
      loops_.average_pool_forward(pooled.data(), x_.data(), s, pool);
      loops_.average_pool_backward(unpooled.data(), dy_.data(), s, pool);
      keep(Op::AveragePoolForward, pooled);
      keep(Op::AveragePoolBackward, unpooled);
    }
    Array averages = output(kColumns), spread = output(kCount);
    loops_.global_average_forward(averages.data(), x_.data(), 1, kRows, kColumns);
    loops_.global_average_backward(spread.data(), dy_.data(), 1, kRows, kColumns);
    keep(Op::AveragePoolForward, averages);
    keep(Op::AveragePoolBackward, spread);
  }

  void prelu(int64_t slopes) {
    const int64_t rows = kCount / slopes;
    Array y = output(kCount), dx = output(kCount);
    Floats dslope = poisoned(slopes), chunk_sums = poisoned(prelu_chunks(rows, slopes) * slopes);
    loops_.prelu_forward(y.data(), x_.data(), factors_.data(), rows, slopes);
    loops_.prelu_backward(dx.data(), dslope.data(), chunk_sums.data(), dy_.data(), x_.data(), factors_.data(), rows,
                          slopes);
    keep("prelu_forward", y);
    keep("prelu_backward", dx);
    keep_sums(Op::PReluSlope, dslope);
  }

  void batch_norm(int64_t channels) {
    const int64_t rows = kCount / channels, count = rows * channels;
    Floats memory(all_.batch_norm_scratch(rows, channels) / sizeof(float) + 1),
        beta(factors_.rbegin(), factors_.rend());
    Floats mean = poisoned(channels), variance = poisoned(channels), unbiased = poisoned(channels);
    loops_.batch_norm_stats(mean.data(), variance.data(), unbiased.data(), x_.data(), rows, channels, memory.data());
    keep_sums(Op::BatchNormMean, mean);
    keep_sums(Op::BatchNormVariance, variance);
    keep_sums(Op::BatchNormVariance, unbiased);
    for (const int32_t relu : {0, 1}) {
      const BatchNormParameters parameters{mean.data(), variance.data(), factors_.data(), beta.data(), {1e-3f, relu}};
      Floats dgamma = poisoned(channels), dbeta = poisoned(channels);
      Array normalized = output(count), dresidual = output(count), gradient = output(count);
      loops_.batch_norm_apply(normalized.data(), x_.data(), dy_.data(), rows, channels, parameters, memory.data());
      keep(Op::BatchNormApply, normalized);
      Floats mask = floats(normalized);
      for (float& value : mask) value = std::abs(value) < 1e-4f ? 0 : value;  // one for every set
      normalized = stored<T>(mask);
      loops_.batch_norm_backward({gradient.data(), dgamma.data(), dbeta.data(), dresidual.data()}, dy_.data(),
                                 x_.data(), normalized.data(), rows, channels, parameters, memory.data());
      keep(Op::BatchNormBackward, gradient);
      keep_sums(Op::BatchNormParameters, dgamma);
      keep_sums(Op::BatchNormParameters, dbeta);
      keep("dresidual", dresidual);
    }
  }

  void gather() {
    const Ints pixels = random_.integers(5 * 12 * 3, 0, 255);
    Bytes images(pixels.begin(), pixels.end());
    Ints labels = {4, 3, 2, 1, 0}, order = {1, 1, 4, 0}, batch_labels(4, -1);
    Floats scale = {0.1f, 0.2f, 0.3f}, offset = {1, 2, 3};
    Array batch = output(4 * 36);
    GatherImages gather;
    gather.images = {images.data(), DType::U8, {5, 3, 4, 3}};
    gather.labels = {labels.data(), DType::I32, {5}};
    gather.scale = {scale.data(), {3}};
    gather.shift = {offset.data(), {3}};
    gather.order = {order.data(), DType::I32, {4}};
    const StepBlock step{};
    loops_.gather_images(batch.data(), batch_labels.data(), gather, 4, &step);
    keep(Op::GatherImages, batch);
    results.exact.push_back({"labels", Floats(batch_labels.begin(), batch_labels.end())});
    gather.augmentation = {
        .area_least = 0.3f, .flip = Flip::Random, .rotate = 20, .brightness = 0.3f, .contrast = 0.3f};
    loops_.gather_images(batch.data(), batch_labels.data(), gather, 4, &step);
    keep(Op::GatherImages, batch);
  }

  const Loops& all_;
  const ActivationLoops<T>& loops_;
  Random random_{1};
  const Array x_, dy_;
  const Floats factors_;
};

Results expected(DType inputs) { return Run(x86_64_v2::loops, x86_64_v2::loops.f32, inputs).results; }

void expect_agreement_in_fp32(const Loops& loops) {
  Run(loops, loops.f32, DType::F32).results.expect_agreement(expected(DType::F32));
}

void expect_agreement_in_bf16(const Loops& loops) {
  Run(loops, loops.bf16, DType::BF16).results.expect_agreement(expected(DType::BF16));

  const Floats x = Random(2).normals(kCount);
  std::vector<BFloat16> half(kCount), twin(kCount);
  Floats back = poisoned(kCount);
  loops.narrow(half.data(), x.data(), kCount);
  loops.widen(back.data(), half.data(), kCount);
  expect_same(floats(half), as_stored(x, DType::BF16));
  expect_same(back, as_stored(x, DType::BF16));

  Floats p = x, first(kCount, 1), second(kCount, 1);
  const UpdateRange range{p.data(), twin.data(), first.data(), second.data(), x.data(), kCount, 1, 0.1f, 0};
  loops.sgd(range, {}, 0.9f);
  expect_same(floats(twin), as_stored(p, DType::BF16));
  loops.adam(range, {}, 0.9f, 7);
  expect_same(floats(twin), as_stored(p, DType::BF16));
}

}  // namespace

TEST_CASE("loops over bf16 activations, for x86-64-v2, agree with those over fp32") {
  expect_agreement_in_bf16(x86_64_v2::loops);
}

TEST_CASE("loops over activations, for x86-64-v3, agree with those for x86-64-v2" *
          doctest::skip(report_skip(x86_64_v3::loops))) {
  expect_agreement_in_fp32(x86_64_v3::loops);
  expect_agreement_in_bf16(x86_64_v3::loops);
}

TEST_CASE("loops over activations, for x86-64-v4, agree with those for x86-64-v2" *
          doctest::skip(report_skip(x86_64_v4::loops))) {
  expect_agreement_in_fp32(x86_64_v4::loops);
  expect_agreement_in_bf16(x86_64_v4::loops);
}

}  // namespace margincore::test
