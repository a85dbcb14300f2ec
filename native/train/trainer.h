// Training steps: batch assembly, forward, head, backward, update, as one recorded sequence per batch size, or for several
// steps where they are small.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/normalization.h"
#include "data/training_set.h"
#include "nn/class_sampling.h"
#include "nn/head.h"
#include "nn/network_pass.h"
#include "nn/optimizer.h"
#include "train/data_parallel.h"

namespace margincore {

struct StepValues {
  float learning_rate, lambda, margin_ramp;
  std::optional<float> momentum = std::nullopt;  // SGD's, or Adam's beta1; by default the optimizer's
};

struct StepsRequest {
  uint32_t epoch = 0;
  std::vector<int32_t> order;  // sample numbers; groups of `batch_size` are the steps, the last has what remains
  int64_t batch_size = 0;
  std::vector<StepValues> values;  // one per step
};

struct StepsResult {
  std::vector<StepReport> reports;  // of the steps that were run
  std::string non_finite;           // name of the tensor that stopped the run, or empty
};

class Trainer {
 public:
  /// `ranks`: with whom batches are shared, if with anyone.
  Trainer(Backend& backend, const Network& network, const Head& head, Parameters& parameters,
          const OptimizerSpec& optimizer, const Normalization& normalization, int64_t max_batch, uint64_t seed,
          RecomputePolicy policy = RecomputePolicy::Never, const Work& work = Work(), const RankExchanges& ranks = {});

  /// Of the training images, in the steps to come. Throws InvalidOption where images are to be mixed and the head takes one
  /// label.
  void set_augmentation(const Augmentation& augmentation);
  /// Follows the parameters in the steps to come, as the optimizer's `average_decay` has it; begins as a copy of them.
  void set_average(Parameters& average) { average_ = &average; }
  void set_data(const TrainingData& data, const Work& work = Work());
  /// Runs the steps, or fewer once cancelled or a loss or gradient is not finite: that step changes no parameter.
  StepsResult run(const StepsRequest& request, const std::atomic<bool>& cancelled);

  /// Steps so far: what random numbers and Adam's bias correction count on from. With the parameters and the optimizer's
  /// moments it is all that a step depends on but its request.
  uint64_t step() const { return step_; }
  void set_step(uint64_t step) { step_ = step; }
  /// Of a trained parameter; `moment`: see Optimizer.
  std::vector<float> read_moment(const std::string& name, int64_t moment) const;
  void write_moment(const std::string& name, int64_t moment, const std::vector<float>& values);

  /// The activations: between two runs nobody needs what is there.
  const Buffer& activations() const { return arena_; }

  size_t optimizer_bytes() const { return optimizer_.bytes(); }
  size_t activation_bytes() const { return arena_.bytes(); }
  size_t dataset_bytes() const { return data_ ? data_->bytes() : 0; }
  bool streams_data() const { return data_ && data_->is_streamed(); }

 private:
  /// `count` steps of one batch size: the context that a recorded program is replayed with.
  struct Steps {
    Trainer* trainer;
    int64_t batch, count;
    Program* program = nullptr;
  };
  struct DiscardProgram {
    void operator()(Steps* steps) const;
  };

  void check_request(const StepsRequest& request) const;
  void expect_room(const StepsRequest& request) const;
  int64_t steps_at_once(const StepsRequest& request, int64_t done) const;
  void run_steps(int64_t batch, int64_t count);
  Status execute(const Steps& steps) const;
  void execute_step(int64_t batch, const StepBlock* step) const;
  void run_head(int64_t batch, HeadStep step) const;
  Tensor head_labels(Tensor labels) const;
  void share_gradients(int64_t batch) const;
  /// Of a batch: this process's.
  int64_t open_rows(int64_t first, int64_t batch);
  static int64_t row_before(RowRange own, int64_t batch);
  MixedRows mixed_rows(int64_t batch) const;
  RowRange own_rows(int64_t batch) const { return ranks_ ? ranks_->rows(batch) : RowRange{0, batch}; }
  std::string find_non_finite(const StepReport& report) const;

  Backend& backend_;
  const Network& network_;
  const Head& head_;
  Parameters& parameters_;
  std::optional<DataParallel> ranks_;
  Parameters* average_ = nullptr;
  int64_t max_batch_;
  uint64_t seed_, step_ = 0;
  ActivationPlan plan_;
  NetworkPass network_pass_;
  HeadPass head_pass_;
  Buffer arena_;
  Optimizer optimizer_;
  std::optional<ClassSampling> sampling_;
  std::vector<int32_t> labels_;  // of the training images, where classes are drawn
  NormalizationFactors normalization_;
  Augmentation augmentation_;
  Buffer batch_labels_, step_blocks_, reports_, halted_;
  Buffer mixed_labels_, mixed_share_;  // where images are mixed
  std::unique_ptr<TrainingSet> data_;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Steps, DiscardProgram>> steps_;  // by batch and count
};

}  // namespace margincore
