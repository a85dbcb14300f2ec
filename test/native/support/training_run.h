// A network with ArcFace and Adam, in training on random images: request after request, as JavaScript makes them.
#pragma once

#include <memory>

#include "support/model.h"
#include "support/random.h"
#include "train/trainer.h"

namespace margincore::test {

class TrainingRun {
 public:
  TrainingRun(Backend& backend, bool streamed, const NetworkSpec& spec, int64_t batch, const Floats& rates = {},
              const OptimizerSpec& optimizer = {})
      : batch_(batch), network_(spec, table_, rates), head_(arcface(10, 16, 0.5f), network_.embedding_size(), table_) {
    table_.arrange();
    const Floats per_channel(spec.input[2], 0.3f);
    parameters_ = std::make_unique<Parameters>(backend, table_, 1);
    trainer_ = std::make_unique<Trainer>(backend, network_, head_, *parameters_, optimizer,
                                         Normalization{per_channel, per_channel}, batch, 1);
    Random random(1);
    const Ints pixels = random.integers(kSamples * spec.input.count(), 0, 255);
    images_.assign(pixels.begin(), pixels.end());
    labels_ = random.integers(kSamples, 0, 9);
    trainer_->set_data({images_.data(), labels_.data(), kSamples, nullptr, streamed});
  }

  void steps(int64_t count) { run(request(count)); }

  const ParameterTable& table() const { return table_; }
  const Parameters& parameters() const { return *parameters_; }

  StepsRequest request(int64_t count) const {
    StepsRequest request;
    request.batch_size = batch_;
    for (int64_t i = 0; i < count * batch_; ++i) request.order.push_back(static_cast<int32_t>(i % kSamples));
    request.values.assign(count, {1e-3f, 0, 1});
    return request;
  }

  void run(const StepsRequest& request) {
    const std::atomic<bool> cancelled{false};
    const StepsResult result = trainer_->run(request, cancelled);
    if (result.reports.size() != request.values.size()) throw Error(ErrorCode::Internal, "a step was not finite");
  }

 private:
  static constexpr int64_t kSamples = 40;

  int64_t batch_;
  ParameterTable table_;
  Network network_;
  Head head_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Trainer> trainer_;
  Bytes images_;
  Ints labels_;
};

}  // namespace margincore::test
