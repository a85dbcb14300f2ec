#include "data/training_set.h"

#include <cstring>
#include <numeric>

#include "backend/memory.h"

namespace margincore {

namespace {

/// Left free for the workspace of libraries where the images would take the rest.
constexpr size_t kReserve = size_t{512} << 20;

/// Images, labels and their order.
size_t bytes_of(int64_t count, const Shape& image) { return count * (image.count() + 2 * sizeof(int32_t)); }

bool is_held(const Backend& backend, size_t bytes, size_t free) {
  return backend.info().host_memory != 0 || bytes + kReserve <= free;
}

void* host_memory(Backend& backend, size_t bytes) {
  void* memory = nullptr;
  check(backend.allocate_host(&memory, bytes));
  return memory;
}

}  // namespace

TrainingSetUse plan_training_set(Backend& backend, int64_t count, const Shape& image, int64_t max_batch, size_t free) {
  const size_t bytes = bytes_of(count, image);
  if (is_held(backend, bytes, free)) return {bytes, false};
  return {bytes_of(2 * max_batch, image) + 2 * max_batch * sizeof(int32_t), true};
}

TrainingSet::Slot::Slot(Backend& owner, size_t image_bytes, size_t label_bytes) : backend(owner) {
  images = static_cast<uint8_t*>(host_memory(backend, image_bytes));
  labels = static_cast<int32_t*>(host_memory(backend, label_bytes));
  numbers = static_cast<int32_t*>(host_memory(backend, label_bytes));
}

TrainingSet::Slot::~Slot() {
  backend.release_host(numbers);
  backend.release_host(labels);
  backend.release_host(images);
}

TrainingSet::TrainingSet(Backend& backend, const TrainingData& data, const Shape& image, int64_t max_batch,
                         const Work& work)
    : backend_(backend), data_(data), image_(image), max_batch_(max_batch) {
  if (data.always_streamed || !is_held(backend, bytes_of(data.count, image), free_memory(backend))) make_slots();
  else if (backend.info().host_memory != 0) view_host();
  else upload_all(work);
}

void TrainingSet::view_host() {
  // Steps only read them.
  place(const_cast<uint8_t*>(data_.images), const_cast<int32_t*>(data_.labels), data_.count);
}

void TrainingSet::upload_all(const Work& work) {
  data_.expect_unchanged();
  allocate(data_.count);
  upload(backend_, images_.data, data_.images, images_.bytes(), work);
  upload(backend_, labels_.data, data_.labels, labels_.bytes(), work);
  data_.owner.reset();
  data_.file.reset();
}

void TrainingSet::make_slots() {
  const int64_t held = 2 * max_batch_;
  expect_memory(backend_, held * image_.count(), "two batches of training images");
  allocate(held);
  numbers_ = Buffer(backend_, held * sizeof(int32_t));
  for (int slot = 0; slot < 2; ++slot)
    slots_.push_back(std::make_unique<Slot>(backend_, images_.bytes() / 2, labels_.bytes() / 2));
  std::vector<int32_t> as_they_come(held);
  std::iota(as_they_come.begin(), as_they_come.end(), 0);
  check(backend_.upload(order_.data(), as_they_come.data(), order_.bytes()));
}

void TrainingSet::allocate(int64_t count) {
  image_memory_ = Buffer(backend_, count * image_.count());
  label_memory_ = Buffer(backend_, count * sizeof(int32_t));
  place(image_memory_.data(), label_memory_.data(), count);
}

void TrainingSet::place(void* images, void* labels, int64_t count) {
  images_ = {images, DType::U8, {count, image_[0], image_[1], image_[2]}};
  labels_ = {labels, DType::I32, {count}};
  order_ = Buffer(backend_, count * sizeof(int32_t));
}

size_t TrainingSet::bytes() const { return images_.bytes() + labels_.bytes() + order_.bytes() + numbers_.bytes(); }

void TrainingSet::begin(const std::vector<int32_t>& order) {
  if (is_streamed()) {
    order_of_steps_ = order;
    return;
  }
  const size_t bytes = order.size() * sizeof(int32_t);
  if (order_.bytes() < bytes) order_ = Buffer(backend_, bytes);
  check(backend_.upload(order_.data(), order.data(), bytes));
}

int64_t TrainingSet::open(int64_t first, int64_t batch, std::optional<int64_t> beside) {
  data_.expect_unchanged();
  if (!is_streamed()) return first;
  const auto number = static_cast<int32_t>(turn_);
  Slot& slot = *slots_[turn_];
  check(backend_.feed_wait(number));
  const int64_t size = image_.count();
  const int64_t rows = batch + (beside ? 1 : 0);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t sample = order_of_steps_[i < batch ? first + i : *beside];
    std::memcpy(slot.images + i * size, data_.images + sample * size, size);
    slot.labels[i] = data_.labels[sample];
    slot.numbers[i] = static_cast<int32_t>(sample);
  }
  const int64_t place = number * max_batch_;
  check(backend_.feed(number, image_memory_.at(place * size), slot.images, rows * size));
  const size_t numbers_at = place * sizeof(int32_t), number_bytes = rows * sizeof(int32_t);
  check(backend_.feed(number, label_memory_.at(numbers_at), slot.labels, number_bytes));
  check(backend_.feed(number, numbers_.at(numbers_at), slot.numbers, number_bytes));
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
  gather.images = images_;
  gather.labels = labels_;
  gather.order = {order_.data(), DType::I32, {static_cast<int64_t>(order_.bytes() / sizeof(int32_t))}};
  if (is_streamed())
    gather.numbers = {numbers_.data(), DType::I32, {static_cast<int64_t>(numbers_.bytes() / sizeof(int32_t))}};
  return gather;
}

}  // namespace margincore
