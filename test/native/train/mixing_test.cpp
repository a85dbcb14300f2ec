#include <doctest/doctest.h>

#include <string>

#include "reference/augmentation.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"
#include "train/trainer.h"

namespace margincore::test {

namespace {

constexpr int64_t kSide = 8, kClasses = 5, kSize = kSide * kSide;
constexpr uint64_t kSeed = 9;
const NetworkSpec kNetwork = {{kSide, kSide, 1},
                              {{"conv", Conv2dSpec{4, 3, 3}}, {"", ReluSpec{}}, {"embedding", LinearSpec{6}}}};
const Normalization kNormalization = {{0.5f}, {0.25f}};

/// A network in training by plain SGD at rate 1: what a step takes from parameters is their gradient.
class MixingRun {
 public:
  MixingRun(Backend& backend, const HeadSpec& head, const Augmentation& augmentation)
      : network_(kNetwork, table_), head_(head, network_.embedding_size(), table_) {
    table_.arrange();
    parameters_ = std::make_unique<Parameters>(backend, table_, kSeed);
    OptimizerSpec sgd{OptimizerSpec::Type::Sgd};
    sgd.momentum = 0;
    trainer_ = std::make_unique<Trainer>(backend, network_, head_, *parameters_, sgd, kNormalization, 4, kSeed);
    trainer_->set_augmentation(augmentation);
    Random random(1);
    const Ints pixels = random.integers(kSamples * kSize, 0, 255);
    images.assign(pixels.begin(), pixels.end());
    labels = random.integers(kSamples, 0, kClasses - 1);
    trainer_->set_data({images.data(), labels.data(), kSamples, nullptr, false});
  }

  /// Steps of four rows, the last with what remains.
  StepsResult run(const Ints& order) {
    StepsRequest request;
    request.epoch = 1;
    request.batch_size = 4;
    request.order = order;
    request.values.assign((order.size() + 3) / 4, {1, 0, 1});
    return trainer_->run(request, std::atomic<bool>{false});
  }

  const ParameterTable& table() const { return table_; }
  std::vector<float> value(const std::string& name) const { return parameters_->read_value(name); }

  Bytes images;
  Ints labels;

 private:
  static constexpr int64_t kSamples = 12;

  ParameterTable table_;
  Network network_;
  Head head_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Trainer> trainer_;
};

/// One row of a batch: its image as the network sees it, and its labels.
struct Row {
  Floats image;
  int32_t labels[2];
  double shares[2];
};

std::vector<Row> rows_of(const MixingRun& run, const Augmentation& augmentation, const Ints& order) {
  std::vector<Row> rows;
  for (size_t i = 0; i < order.size(); ++i) {
    const int32_t sample = order[i], partner = order[(i + order.size() - 1) % order.size()];
    const auto changed = [&](int32_t number) {
      return reference::changed_image(&run.images[number * kSize], kSide, kSide, 1, augmentation, kSeed, 1, number);
    };
    const reference::Mix mix = reference::mix(augmentation, kSeed, 1, sample, kSide, kSide);
    Row row{{}, {run.labels[sample], run.labels[partner]}, {1 - mix.share, mix.share}};
    for (const double value : reference::mixed(mix, changed(sample), changed(partner), kSide, 1))
      row.image.push_back(static_cast<float>((value / 255 - 0.5) / 0.25));
    rows.push_back(row);
  }
  return rows;
}

HeadSpec free_l_softmax() { return l_softmax(kClasses); }

}  // namespace

TEST_CASE("a step of mixed images is the sum of steps of one image with one label, by their shares") {
  const Augmentation augmentation = {.crop_padding = 1, .flip = Flip::Random, .mixup = 1, .cutmix = 1};
  const Ints order = {4, 0, 7, 2, 9, 3, 1};  // a batch, and a tail of three
  for (Backend* backend : backends()) {
    for (const HeadSpec& head : {softmax(kClasses), arcface(kClasses, 8, 0.3f), free_l_softmax()}) {
      CAPTURE(std::string(backend->info().device));
      CAPTURE(head.margin.m1);
      CAPTURE(head.margin.m2);
      for (const auto& [begin, end] : {std::pair{0, 4}, std::pair{4, 7}}) {
        const Ints own(order.begin() + begin, order.begin() + end);
        MixingRun run(*backend, head, augmentation);
        Model model(*backend, kNetwork, head, 1, kSeed);
        StepBlock block{};
        block.margin_ramp = 1;
        double loss = 0;
        std::map<std::string, Doubles> gradients;
        for (const Row& row : rows_of(run, augmentation, own)) {
          for (int k = 0; k < 2; ++k) {
            const double share = row.shares[k] / static_cast<double>(own.size());
            loss += share * model.loss(row.image, {row.labels[k]}, block);
            for (const ParameterTable::Entry& entry : model.table().entries()) {
              const Floats gradient = model.parameters().read_gradient(entry.spec.name);
              Doubles& sum = gradients[entry.spec.name];
              sum.resize(gradient.size());
              for (size_t i = 0; i < sum.size(); ++i) sum[i] += share * gradient[i];
            }
          }
        }
        std::map<std::string, Floats> before;
        for (const auto& [name, gradient] : gradients) before[name] = run.value(name);
        const StepsResult result = run.run(own);
        REQUIRE(result.reports.size() == 1);
        expect_close(Op::HeadLoss, {result.reports[0].loss}, {loss});
        for (const auto& [name, gradient] : gradients) {
          CAPTURE(name);
          Floats moved = before[name];
          const Floats after = run.value(name);
          for (size_t i = 0; i < moved.size(); ++i) moved[i] -= after[i];
          expect_close(Op::HeadGradient, moved, gradient);
        }
      }
      // As one epoch, whose steps are recorded and replayed from the second of a size on: the same losses again.
      MixingRun one(*backend, head, augmentation), two(*backend, head, augmentation);
      for (int epoch = 0; epoch < 3; ++epoch) {
        const StepsResult whole = one.run(order);
        REQUIRE(whole.reports.size() == 2);
        CHECK(two.run({4, 0, 7, 2}).reports[0].loss == whole.reports[0].loss);
        CHECK(two.run({9, 3, 1}).reports[0].loss == whole.reports[1].loss);
      }
    }
  }
}

TEST_CASE("images are not mixed for a head that takes one label") {
  for (Backend* backend : backends()) {
    for (const HeadSpec& head : {arcface_with_scaled_bn_and_centers(kClasses), pedcc(kClasses)}) {
      CHECK_NOTHROW(MixingRun(*backend, head, {.flip = Flip::Random}));
      CHECK_THROWS_WITH_AS(MixingRun(*backend, head, {.cutmix = 1}), doctest::Contains("expected no mixup"), Error);
    }
  }
}

}  // namespace margincore::test
