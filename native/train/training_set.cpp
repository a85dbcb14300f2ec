#include "train/training_set.h"

#include <cstring>
#include <numeric>

#include "train/memory_plan.h"

namespace margincore {

namespace {

/// Left free for the workspace of libraries where the images would take the rest.
constexpr size_t kReserve = size_t{512} << 20;

bool fits(Backend& backend, size_t bytes) {
  size_t free = 0;
  check(backend.available_memory(&free));
  return bytes + kReserve <= free;
}

void* host_memory(Backend& backend, size_t bytes) {
  void* memory = nullptr;
  check(backend.allocate_host(&memory, bytes));
  return memory;
}

}  // namespace

TrainingSet::Slot::Slot(Backend& owner, size_t image_bytes, size_t label_bytes) : backend(owner) {
  images = static_cast<uint8_t*>(host_memory(backend, image_bytes));
  labels = static_cast<int32_t*>(host_memory(backend, label_bytes));
}

TrainingSet::Slot::~Slot() {
  backend.release_host(labels);
  backend.release_host(images);
}

TrainingSet::TrainingSet(Backend& backend, const TrainingData& data, const Shape& image, int64_t max_batch)
    : backend_(backend), data_(data), image_(image), max_batch_(max_batch), held_(data.count) {
  const auto image_bytes = static_cast<size_t>(data.count * image.count());
  const size_t label_bytes = data.count * sizeof(int32_t);
  if (data.always_streamed || !fits(backend, image_bytes + 2 * label_bytes)) {
    make_slots();
    return;
  }
  images_ = Buffer(backend, image_bytes);
  labels_ = Buffer(backend, label_bytes);
  order_ = Buffer(backend, label_bytes);
  check(backend.upload(images_.data(), data.images, image_bytes));
  check(backend.upload(labels_.data(), data.labels, label_bytes));
  data_.owner.reset();
}

void TrainingSet::make_slots() {
  held_ = 2 * max_batch_;
  const auto image_bytes = static_cast<size_t>(held_ * image_.count());
  expect_memory(backend_, image_bytes, "two batches of training images");
  images_ = Buffer(backend_, image_bytes);
  labels_ = Buffer(backend_, held_ * sizeof(int32_t));
  order_ = Buffer(backend_, held_ * sizeof(int32_t));
  for (int slot = 0; slot < 2; ++slot)
    slots_.push_back(std::make_unique<Slot>(backend_, image_bytes / 2, max_batch_ * sizeof(int32_t)));
  std::vector<int32_t> as_they_come(held_);
  std::iota(as_they_come.begin(), as_they_come.end(), 0);
  check(backend_.upload(order_.data(), as_they_come.data(), order_.bytes()));
}

size_t TrainingSet::bytes() const { return images_.bytes() + labels_.bytes() + order_.bytes(); }

void TrainingSet::begin(const std::vector<int32_t>& order) {
  if (is_streamed()) {
    order_of_steps_ = order;
    return;
  }
  const size_t bytes = order.size() * sizeof(int32_t);
  if (order_.bytes() < bytes) order_ = Buffer(backend_, bytes);
  check(backend_.upload(order_.data(), order.data(), bytes));
}

int64_t TrainingSet::open(int64_t first, int64_t batch) {
  if (!is_streamed()) return first;
  const auto number = static_cast<int32_t>(turn_);
  Slot& slot = *slots_[turn_];
  check(backend_.feed_wait(number));
  const int64_t size = image_.count();
  for (int64_t i = 0; i < batch; ++i) {
    const int64_t sample = order_of_steps_[first + i];
    std::memcpy(slot.images + i * size, data_.images + sample * size, size);
    slot.labels[i] = data_.labels[sample];
  }
  const int64_t place = number * max_batch_;
  check(backend_.feed(number, images_.at(place * size), slot.images, batch * size));
  check(backend_.feed(number, labels_.at(place * sizeof(int32_t)), slot.labels, batch * sizeof(int32_t)));
  check(backend_.feed_begin(number));
  return place;
}

void TrainingSet::close() {
  if (!is_streamed()) return;
  check(backend_.feed_end(static_cast<int32_t>(turn_)));
  turn_ = (turn_ + 1) % slots_.size();
}

GatherImages TrainingSet::sources() const {
  GatherImages gather;
  gather.images = {images_.data(), DType::U8, {held_, image_[0], image_[1], image_[2]}};
  gather.labels = {labels_.data(), DType::I32, {held_}};
  gather.order = {order_.data(), DType::I32, {static_cast<int64_t>(order_.bytes() / sizeof(int32_t))}};
  return gather;
}

}  // namespace margincore
