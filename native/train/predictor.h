// Margin-free prediction: images to scores, probabilities and embeddings, in batches of bounded size.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "data/normalization.h"
#include "nn/head.h"
#include "nn/network_pass.h"
#include "train/sharded_classes.h"

namespace margincore {

struct PredictRequest {
  const uint8_t* images = nullptr;  // (count, H, W, C)
  int64_t count = 0;
  // Where the results go, each or none: (count, C) three times, (count, D).
  float* probabilities = nullptr;
  float* scores = nullptr;
  float* cosines = nullptr;  // to the head's class centres, where it has them
  float* embeddings = nullptr;
  bool normalize_embeddings = false;
  // With labels (count): each image's angle to its own class's weight and to the nearest other class's, (count, 2), in
  // radians (with a single class the second is pi); and the norms of the class weights (C).
  const int32_t* labels = nullptr;
  float* angles = nullptr;
  float* class_norms = nullptr;
};

struct PredictResult {
  int64_t count = 0;  // fewer than asked for once cancelled
};

class Predictor {
 public:
  /// sharded: where ranks have the classes. All of them predict the same then, each a part of the images and of the classes, and
  /// all have what comes out.
  Predictor(Backend& backend, const Network& network, const Head& head, const Parameters& parameters,
            const Normalization& normalization, const ShardedClasses* sharded = nullptr);

  PredictResult run(const PredictRequest& request, const std::atomic<bool>& cancelled);

  /// Memory for activations, which `run` may overwrite, instead of some of its own; none takes it back.
  void lend(const Buffer* memory);

  /// Beside what was lent.
  size_t activation_bytes() const { return buffers_ ? buffers_->bytes() : 0; }

 private:
  void prepare(int64_t batch);
  void make_buffers(int64_t batch);
  int64_t executed_batch(int64_t batch) const;
  void run_batch(const PredictRequest& request, int64_t first, int64_t batch);
  Tensor embed(const PredictRequest& request, int64_t first, int64_t batch);
  Tensor embed_rows(const uint8_t* images, RowRange rows);
  void measure_angles(const PredictRequest& request, int64_t first, Tensor embeddings);
  /// Of the classes' (rows, own classes) those of all, into (rows, classes) from row `first` on.
  void deliver_classes(float* to, int64_t first, Tensor own) const;
  void soften(Tensor whole) const;
  bool has_host_memory() const { return backend_.info().host_memory != 0; }

  Backend& backend_;
  const Network& network_;
  const Head& head_;
  const Parameters& parameters_;
  NormalizationFactors normalization_;
  const ShardedClasses* sharded_;

  struct Buffers {
    int64_t max_batch;
    ActivationPlan plan;
    NetworkPass network_pass;
    HeadPass head_pass;
    ActivationPlan::Id probabilities, unit_embeddings, norms;
    ActivationPlan::Id gathered = -1;  // embeddings of all ranks' rows, where they share them
    Buffer arena, images, one;
    void* activations;  // the arena, or what was lent

    Buffers(Backend& backend, const Network& network, const Head& head, int64_t batch, const Buffer* lent);
    void* activation(ActivationPlan::Id id) const { return static_cast<char*>(activations) + plan.offset(id); }
    size_t bytes() const { return arena.bytes() + images.bytes(); }
  };
  const Buffer* lent_ = nullptr;
  std::unique_ptr<Buffers> buffers_;  // made at the first use, for the batch size that it needs
};

}  // namespace margincore
