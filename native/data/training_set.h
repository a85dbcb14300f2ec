// The training images and labels where steps read them: where they lie, if device memory is the host's; in device memory
// if they fit; otherwise in the host's, from where each batch is uploaded while the one before is computed.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "backend/buffer.h"
#include "data/mapped_file.h"

namespace margincore {

struct TrainingData {
  const uint8_t* images;  // (count, H, W, C)
  const int32_t* labels;
  int64_t count;
  std::shared_ptr<const void> owner = nullptr;  // keeps images and labels alive for as long as they are read from there
  bool always_streamed = false;                 // even where they fit
  std::shared_ptr<const MappedFile> file = nullptr;  // that the images lie in, if they do

  /// Throws InvalidData where the images are no longer what they were.
  void expect_unchanged() const {
    if (file) file->expect_unchanged();
  }
};

/// What a training set takes of device memory.
struct TrainingSetUse {
  size_t bytes;
  bool streamed;
};

/// Of `count` images (H, W, C), where `free` bytes are left to it.
TrainingSetUse plan_training_set(Backend& backend, int64_t count, const Shape& image, int64_t max_batch, size_t free);

class TrainingSet {
 public:
  /// image: (H, W, C). Bytes that are uploaded count as work done. Throws OutOfMemory where not even two batches fit.
  TrainingSet(Backend& backend, const TrainingData& data, const Shape& image, int64_t max_batch,
              const Work& work = Work());

  bool is_streamed() const { return slots_.size() > 0; }
  int64_t count() const { return data_.count; }
  /// Of device memory.
  size_t bytes() const;

  /// The samples of the steps to come, in their order. More than `count` of them change what `sources` says.
  void begin(const std::vector<int32_t>& order);
  /// Makes samples `first` to `first + batch` of that order ready for the next step; returns its order_position. Throws InvalidData
  /// where their file was changed. `beside`: another sample of that order, which is read too; of streamed images it comes behind them.
  int64_t open(int64_t first, int64_t batch, std::optional<int64_t> beside = std::nullopt);
  /// The step that reads them is queued.
  void close();
  /// What gather_images reads.
  GatherImages sources() const;

 private:
  /// Host and device memory of one batch on its way.
  struct Slot {
    Backend& backend;
    uint8_t* images = nullptr;  // host
    int32_t *labels = nullptr, *numbers = nullptr;

    Slot(Backend& backend, size_t image_bytes, size_t label_bytes);
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();
  };

  void view_host();
  void upload_all(const Work& work);
  void make_slots();
  void allocate(int64_t count);
  void place(void* images, void* labels, int64_t count);

  Backend& backend_;
  TrainingData data_;
  Shape image_;
  int64_t max_batch_;
  std::vector<std::unique_ptr<Slot>> slots_;
  size_t turn_ = 0;
  std::vector<int32_t> order_of_steps_;
  Buffer image_memory_, label_memory_, order_;  // the first two empty where the host's memory is read
  Buffer numbers_;                              // of the samples in the slots
  Tensor images_, labels_;
};

}  // namespace margincore
