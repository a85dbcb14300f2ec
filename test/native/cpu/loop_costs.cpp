// Runs our loops for x86-64-v3 one after another, for scripts/count-instructions to count under valgrind what they
// cost. Prints a line per loop, in that order: its name and how many elements it worked on.
#include <cstdio>
#include <string>
#include <vector>

#include "cpu/loops.h"
#include "support/random.h"

namespace margincore::test {

/// What is counted is what happens inside; each call ends with a dump of the counters.
extern "C" [[gnu::noinline]] void measured_loop(void (*run)(const void*), const void* loop) {
  run(loop);
  asm volatile("" ::: "memory");  // no tail call: the loop has to return to here
}

namespace {

const Loops& kLoops = x86_64_v3::loops;

template <class Loop>
void measure(const std::string& name, int64_t elements, const Loop& loop) {
  std::printf("%s %lld\n", name.c_str(), static_cast<long long>(elements));
  loop();  // what only the first call does: the OpenMP library's start
  measured_loop([](const void* body) { (*static_cast<const Loop*>(body))(); }, &loop);
}

/// As the layers of a ResNet have them: 8 images of 16 x 16 pixels with 64 channels.
constexpr int64_t kBatch = 8, kSide = 16, kChannels = 64;
constexpr int64_t kRows = kBatch * kSide * kSide, kCount = kRows * kChannels;

template <class T>
class ActivationCosts {
 public:
  ActivationCosts(const ActivationLoops<T>& loops, std::string type) : loops_(loops), type_(std::move(type)) {
    elementwise();
    prelu();
    batch_norm();
    max_pool("max_pool_2x2_bias_relu", {2, 2, 0, 1}, factors_.data());
    max_pool("max_pool_3x3", {3, 2, 1, 0}, nullptr);
    average_pool();
    gather();
  }

 private:
  template <class Loop>
  void cost(const std::string& name, int64_t elements, const Loop& loop) {
    measure(name + "." + type_, elements, loop);
  }

  void elementwise() {
    cost("relu_forward", kCount, [&] { loops_.relu_forward(y_.data(), x_.data(), kCount); });
    cost("relu_backward", kCount, [&] { loops_.relu_backward(dx_.data(), dy_.data(), y_.data(), kCount); });
    cost("add", kCount, [&] { loops_.add(y_.data(), x_.data(), dy_.data(), kCount); });
    StepBlock step{};
    step.seed = 5;
    cost("dropout", kCount, [&] { loops_.dropout(y_.data(), x_.data(), kCount, {0.25f, 1}, &step); });
    cost("column_sums", kCount, [&] { loops_.column_sums(sums_.data(), x_.data(), kRows, kChannels); });
  }

  void prelu() {
    Floats chunk_sums(prelu_chunks(kRows, kChannels) * kChannels);
    cost("prelu_forward", kCount,
         [&] { loops_.prelu_forward(y_.data(), x_.data(), factors_.data(), kRows, kChannels); });
    cost("prelu_backward", kCount, [&] {
      loops_.prelu_backward(dx_.data(), sums_.data(), chunk_sums.data(), dy_.data(), x_.data(), factors_.data(), kRows,
                            kChannels);
    });
  }

  void batch_norm() {
    Floats memory(kLoops.batch_norm_scratch(kRows, kChannels) / sizeof(float) + 1);
    Floats mean(kChannels), variance(kChannels), unbiased(kChannels), dgamma(kChannels), dbeta(kChannels);
    cost("batch_norm_stats", kCount, [&] {
      loops_.batch_norm_stats(mean.data(), variance.data(), unbiased.data(), x_.data(), kRows, kChannels,
                              memory.data());
    });
    const BatchNormParameters parameters{mean.data(), variance.data(), factors_.data(), factors_.data(), {1e-5f, 1}};
    for (const bool residual : {false, true}) {
      const std::string suffix = residual ? "_residual_relu" : "_relu";
      cost("batch_norm_apply" + suffix, kCount, [&] {
        loops_.batch_norm_apply(y_.data(), x_.data(), residual ? dy_.data() : nullptr, kRows, kChannels, parameters,
                                memory.data());
      });
      cost("batch_norm_backward" + suffix, kCount, [&] {
        loops_.batch_norm_backward({dx_.data(), dgamma.data(), dbeta.data(), residual ? dresidual_.data() : nullptr},
                                   dy_.data(), x_.data(), residual ? y_.data() : nullptr, kRows, kChannels, parameters,
                                   memory.data());
      });
    }
  }

  static PoolSizes sizes(const Pool2d& pool) {
    const int64_t out = (kSide + 2 * pool.padding - pool.kernel) / pool.stride + 1;
    return {kBatch, kSide, kSide, kChannels, out, out};
  }

  void max_pool(const std::string& name, const Pool2d& pool, const float* bias) {
    Bytes position(kCount);
    cost(name + "_forward", kCount,
         [&] { loops_.max_pool_forward(y_.data(), position.data(), x_.data(), bias, sizes(pool), pool); });
    cost(name + "_backward", kCount,
         [&] { loops_.max_pool_backward(dx_.data(), dy_.data(), position.data(), sizes(pool), pool); });
    if (bias == nullptr) return;
    cost(name + "_bias_backward", kCount,
         [&] { loops_.max_pool_bias_backward(sums_.data(), dy_.data(), position.data(), kRows, kChannels); });
  }

  void average_pool() {
    const Pool2d pool{2, 2, 0};
    cost("average_pool_2x2_forward", kCount,
         [&] { loops_.average_pool_forward(y_.data(), x_.data(), sizes(pool), pool); });
    cost("average_pool_2x2_backward", kCount,
         [&] { loops_.average_pool_backward(dx_.data(), dy_.data(), sizes(pool), pool); });
    cost("global_average_forward", kCount,
         [&] { loops_.global_average_forward(y_.data(), x_.data(), kBatch, kSide * kSide, kChannels); });
    cost("global_average_backward", kCount,
         [&] { loops_.global_average_backward(dx_.data(), dy_.data(), kBatch, kSide * kSide, kChannels); });
  }

  /// Grey images of 28 x 28, and colour images of 32 x 32: as they are, cropped and flipped, and with all changes.
  void gather() {
    for (const Shape& image : {Shape{28, 28, 1}, Shape{32, 32, 3}}) {
      constexpr int64_t kImages = 32;
      const Bytes pixels(kImages * image.count(), 100);
      Ints labels(kImages), order(kImages), batch_labels(kImages);
      for (int32_t i = 0; i < kImages; ++i) order[i] = kImages - 1 - i;
      const int64_t channels = image[2], count = kImages * image.count();
      GatherImages gather;
      gather.images = {const_cast<uint8_t*>(pixels.data()), DType::U8, {kImages, image[0], image[1], channels}};
      gather.labels = {labels.data(), DType::I32, {kImages}};
      gather.scale = {factors_.data(), {channels}};
      gather.shift = {factors_.data(), {channels}};
      gather.order = {order.data(), DType::I32, {kImages}};
      const StepBlock step{};
      const std::string name = channels == 1 ? "gather_images_grey" : "gather_images_colour";
      const auto measured = [&](const std::string& what, const Augmentation& augmentation) {
        gather.augmentation = augmentation;
        cost(name + what, count, [&] { loops_.gather_images(y_.data(), batch_labels.data(), gather, kImages, &step); });
      };
      measured("", {});
      measured("_crop_flip", {.crop_padding = 4, .flip = Flip::Random});
      measured("_all", {.area_least = 0.3f,
                        .flip = Flip::Random,
                        .rotate = 10,
                        .brightness = 0.3f,
                        .contrast = 0.3f,
                        .saturation = 0.3f,
                        .erase = 0.5f});
      Floats share(kImages);
      gather.mixed_share = {share.data(), {kImages}};
      gather.augmentation = {.crop_padding = 4, .flip = Flip::Random, .mixup = 1};
      gather.mixed_rows = all_mixed_rows(kImages);
      cost(name + "_mixup", count,
           [&] { loops_.gather_mixed(y_.data(), batch_labels.data(), gather, kImages, &step); });
    }
  }

  const ActivationLoops<T>& loops_;
  std::string type_;
  Random random_{1};
  const std::vector<T> x_ = stored<T>(random_.normals(kCount)), dy_ = stored<T>(random_.normals(kCount));
  std::vector<T> y_ = x_, dx_ = x_, dresidual_ = x_;
  Floats factors_ = random_.uniform(kChannels, 0.1, 0.9), sums_ = factors_;
};

void conversion_costs(Random& random) {
  Floats x = random.normals(kCount);
  std::vector<BFloat16> half(kCount);
  measure("narrow", kCount, [&] { kLoops.narrow(half.data(), x.data(), kCount); });
  measure("widen", kCount, [&] { kLoops.widen(x.data(), half.data(), kCount); });
}

/// Of a 3x3 convolution over bf16 numbers: each is copied nine times.
void im2col_costs(Random& random) {
  const std::vector<BFloat16> x = stored<BFloat16>(random.normals(kCount));
  std::vector<BFloat16> patches(9 * kCount);
  const int64_t bytes = kChannels * static_cast<int64_t>(sizeof(BFloat16));
  measure("im2col_3x3", 9 * kCount, [&] {
    kLoops.im2col(reinterpret_cast<uint8_t*>(patches.data()), reinterpret_cast<const uint8_t*>(x.data()),
                  {{kBatch, kSide, kSide, bytes, kSide, kSide, -1, -1, 1}, 3, 3});
  });
}

void update_costs(Random& random) {
  Floats p = random.normals(kCount), first(kCount, 0.1f), second(kCount, 0.1f);
  const Floats gradients = random.normals(kCount);
  std::vector<BFloat16> twin(kCount);
  std::vector<double> blocks(kCount / kSumBlock + 1);
  for (BFloat16* half : {static_cast<BFloat16*>(nullptr), twin.data()}) {
    for (const float clip : {1.0f, 0.3f}) {
      const std::string suffix = std::string(clip == 1 ? "" : "_clipped") + (half == nullptr ? "" : "_with_twin");
      UpdateRange range{p.data(), half, first.data(), second.data(), gradients.data(), kCount, clip, 0.1f, 5e-4f};
      measure("sgd" + suffix, kCount, [&] { kLoops.sgd(range, {}, 0.9f); });
      range.rate = 1e-3f;
      range.weight_decay = 0;
      measure("adam" + suffix, kCount, [&] { kLoops.adam(range, {}, 0.9f, 7); });
    }
  }
  measure("sum_of_squares", kCount, [&] { kLoops.sum_of_squares(gradients.data(), kCount, blocks.data()); });
}

constexpr int64_t kSamples = 64, kSize = 128, kClasses = 1000;

void row_costs(Random& random) {
  constexpr int64_t kElements = kSamples * kSize;
  const Floats x = random.normals(kElements), dy = random.normals(kElements);
  Floats y(kElements), norms(kSamples), dscale(kSamples);
  measure("matrix_times_vector", kElements,
          [&] { kLoops.matrix_times_vector(norms.data(), x.data(), dy.data(), dy.data(), kSamples, kSize); });
  measure("row_norms", kElements, [&] { kLoops.row_norms(norms.data(), x.data(), kSamples, kSize); });
  measure("l2_scale_forward", kElements,
          [&] { kLoops.l2_scale_forward(y.data(), norms.data(), dscale.data(), x.data(), 16, kSamples, kSize); });
  measure("scale_rows", kElements, [&] { kLoops.scale_rows(y.data(), x.data(), norms.data(), 16, kSamples, kSize); });
  measure("l2_scale_backward", kElements, [&] {
    kLoops.l2_scale_backward(y.data(), dscale.data(), dy.data(), x.data(), norms.data(), 16, kSamples, kSize);
  });
  measure("remove_radial", kElements, [&] { kLoops.remove_radial(y.data(), x.data(), norms.data(), kSamples, kSize); });
  measure("add_scaled_rows", kElements,
          [&] { kLoops.add_scaled_rows(y.data(), x.data(), norms.data(), kSamples, kSize); });
}

void head_costs(Random& random) {
  constexpr int64_t kElements = kSamples * kClasses;
  Floats features = random.normals(kSamples * kSize), weights = random.normals(kClasses * kSize);
  Floats feature_norms(kSamples), class_norms(kClasses), losses(kSamples), squares(kSamples), factors(kClasses);
  kLoops.row_norms(feature_norms.data(), features.data(), kSamples, kSize);
  kLoops.row_norms(class_norms.data(), weights.data(), kClasses, kSize);
  const Floats products = random.normals(kElements, 8);
  Ints labels = random.integers(kSamples, 0, kClasses - 1);
  Floats shares(kSamples, 0.25f);
  StepReport report{};
  int32_t halted = 0;
  StepBlock step{};
  step.margin_ramp = 1;
  for (const bool margin : {false, true}) {
    Floats logits = products;
    MarginSoftmaxRows work{};
    work.rows = kSamples;
    work.classes = kClasses;
    work.embedding_size = kSize;
    MarginSoftmaxOperands& o = work.operands;
    o.logits = {logits.data(), {kSamples, kClasses}};
    o.report = &report;
    o.halted = &halted;
    o.labels = {labels.data(), DType::I32, {kSamples}};
    o.features = {features.data(), {kSamples, kSize}};
    o.class_weights = {weights.data(), {kClasses, kSize}};
    o.step = &step;
    if (margin) {
      o.feature_norms = {feature_norms.data(), {kSamples}};
      o.class_norms = {class_norms.data(), {kClasses}};
      work.head.normalize_weights = 1;
      work.head.margin.m2 = 0.5f;
      work.class_factors = factors.data();
    }
    work.row_losses = losses.data();
    work.row_squares = squares.data();
    measure(margin ? "margin_softmax_arcface" : "margin_softmax_plain", kElements,
            [&] { kLoops.margin_softmax(work); });
    if (margin) continue;
    o.mixed_labels = o.labels;
    o.mixed_share = {shares.data(), {kSamples}};
    measure("margin_softmax_mixed", kElements, [&] { kLoops.mixed_margin_softmax(work); });
  }
  Floats logits = products, mean(kClasses), variance(kClasses);
  measure("softmax", kElements, [&] { kLoops.softmax(logits.data(), products.data(), kSamples, kClasses); });
  measure("scale_logits", kElements, [&] {
    kLoops.scale_logits(logits.data(), nullptr, class_norms.data(), nullptr, nullptr, kSamples, kClasses);
  });
  measure("column_stats", kElements, [&] {
    kLoops.column_stats(mean.data(), variance.data(), products.data(), class_norms.data(), kSamples, kClasses);
  });
}

}  // namespace

}  // namespace margincore::test

int main(int count, char** arguments) {
  using namespace margincore::test;
  const std::string asked = count > 1 ? arguments[1] : "";
  if (asked == "--compiler") {
#ifdef __clang__
    std::printf("Clang %d\n", __clang_major__);
#else
    std::printf("GCC %d\n", __GNUC__);
#endif
    return 0;
  }
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2")) {
    std::printf("this processor has no AVX2\n");
    return 1;
  }
  if (asked == "--check") return 0;
  Random random(1);
  ActivationCosts<float>(kLoops.f32, "f32");
  ActivationCosts<margincore::BFloat16>(kLoops.bf16, "bf16");
  conversion_costs(random);
  im2col_costs(random);
  update_costs(random);
  row_costs(random);
  head_costs(random);
  return 0;
}
