// A session: one network with its head on one backend, for training and for prediction. All of it runs on one thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/load.h"
#include "nn/head.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "nn/parameters.h"
#include "train/memory_plan.h"
#include "train/predictor.h"
#include "train/sharded_classes.h"
#include "train/trainer.h"

namespace margincore {

struct SessionSpec {
  std::string backend;
  BackendOptions options{};
  uint64_t seed = 0;
  bool draws_weights = true;  // false: they are 0 until they are written, from a file say
  NetworkSpec network;
  std::vector<float> layer_rates;  // see Network; none: all 1
  HeadSpec head;
  Normalization normalization;
  Augmentation augmentation;  // of training images
  int64_t batch_size = 0;     // largest training batch; 0: prediction only
  OptimizerSpec optimizer;
  Communicator* ranks = nullptr;  // that share each training batch; with a device's memory, these have to have NCCL
  bool shard_classes = false;     // among them: each has the class weights of a part
  bool sync_batch_norm = false;   // its statistics are those of all ranks' rows
  double class_share = 1;         // of the classes that a training step compares (nn/class_sampling.h)
};

class Session {
 public:
  /// Validates and infers shapes; touches no device.
  explicit Session(const SessionSpec& spec);

  /// Of the whole, also while ranks have parts of it.
  const Network& network() const { return whole_.network; }
  const Head& head() const { return whole_.head; }
  const ParameterTable& table() const { return whole_.table; }
  const Shape& input() const { return network().input(); }

  /// Opens the backend, and says what training on so many images takes; allocates nothing. Throws OutOfMemory where that
  /// cannot succeed. What is called from here on runs on the thread that called it.
  MemoryUse plan(int64_t training_images);
  /// Plans, if that was not done, allocates, and draws the weights. Everything below needs it. Throws Disposed once
  /// cancelled, within a fifth of a second; then, and where it fails, nothing stays allocated.
  void open(const std::atomic<bool>& cancelled = kNever);
  const BackendInfo& backend_info() const { return backend_->info(); }

  void set_training_data(const TrainingData& data, const std::atomic<bool>& cancelled = kNever);
  /// Of `open`, or else of `set_training_data`: 0…1. May be asked by any thread.
  double fraction_done() const { return work_.fraction_done(); }
  StepsResult run_steps(const StepsRequest& request, const std::atomic<bool>& cancelled);
  PredictResult predict(const PredictRequest& request, const std::atomic<bool>& cancelled);
  void end_training();

  // Parameters by name, as a whole: where ranks have sharded classes until training ends, all of them read and predict what
  // one reads, in the same order.

  /// What predictions are made with: the average, where one follows what is trained.
  std::vector<float> read_parameter(const std::string& name);
  /// And what steps change, where that is something else.
  void write_parameter(const std::string& name, const float* values, int64_t count);
  /// What steps change; there until training has ended.
  std::vector<float> read_trained_parameter(const std::string& name);
  void write_trained_parameter(const std::string& name, const float* values, int64_t count);
  std::vector<float> read_gradient(const std::string& name);
  std::vector<float> read_moment(const std::string& name, int64_t moment);
  void write_moment(const std::string& name, int64_t moment, const std::vector<float>& values);
  /// Of what all ranks have alike.
  uint64_t checksum() { return trained_parameters().checksum(); }

  /// Takes rank 0's: what predictions are made with, but for what is sharded.
  void take_parameters_of_first();
  /// Of this rank alone.
  Parameters& parameters() { return average_ ? *average_ : *parameters_; }
  Parameters& trained_parameters();
  /// Throws InvalidOption where the session only predicts, or training has ended.
  Trainer& trainer();
  MemoryUse memory() const;
  RecomputePolicy recompute_policy() const { return recompute_policy_; }

 private:
  struct Layout {
    ParameterTable table;
    Network network;
    Head head;

    explicit Layout(const SessionSpec& spec, std::optional<RowRange> own_classes = std::nullopt,
                    double class_share = 1);
  };

  static inline const std::atomic<bool> kNever{false};

  /// Opens the backend and decides how to train on it. Throws OutOfMemory where there is no room, each time.
  void prepare();
  void expect_memory_for_centroids();
  MemoryUse planned_use() const;
  int64_t centroid_operations() const;
  bool seeks_centroids() const { return spec_.draws_weights && spec_.head.fixed_weights; }
  void allocate();
  void release();
  template <class Body>
  void advising(const Body& body);
  TrainingPlan training_plan(RecomputePolicy policy) const;
  int32_t rank_count() const { return spec_.ranks == nullptr ? 1 : spec_.ranks->info().size; }
  const Layout& layout() const { return own_ ? *own_ : whole_; }
  std::vector<float> whole_of(const std::string& name, std::vector<float> values) const;
  const float* own_of(const std::string& name, const float* values, int64_t& count) const;
  RankExchanges exchanges();
  void leave_devices();
  void make_predictor();
  void lay_out_for_training();
  void take_whole_layout();

  SessionSpec spec_;
  Layout whole_;
  std::optional<ShardedClasses> sharded_;
  std::unique_ptr<Layout> own_;  // with the own classes alone, or with those that are drawn, until training has ended
  Work work_;
  RecomputePolicy recompute_policy_ = RecomputePolicy::ForwardOnly;
  bool prepared_ = false;
  // Destroyed in reverse order: what lives in device memory goes before the backend.
  BackendPtr backend_;
  std::unique_ptr<DeviceExchange> devices_;  // of ranks, where memory is not the host's
  std::unique_ptr<Parameters> parameters_, average_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Predictor> predictor_;
};

}  // namespace margincore
