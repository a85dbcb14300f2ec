#include <doctest/doctest.h>

#include "base/row_range.h"
#include "reference/augmentation.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Dataset {
  int64_t count, height, width, channels;
};

// Colours, grey, and channels by themselves; the last one's images are cut into parts.
const Dataset kDatasets[] = {{9, 12, 17, 3}, {9, 8, 8, 1}, {5, 1, 1, 1}, {5, 9, 7, 2}, {3, 80, 70, 3}};

struct Changes {
  const char* name;
  Augmentation augmentation;
};

const Changes kChanges[] = {
    {"mixup", {.mixup = 0.4f}},
    {"cutmix", {.cutmix = 1}},
    {"both", {.mixup = 1, .cutmix = 0.7f}},
    {"both, of changed images",
     {.crop_padding = 2,
      .padding = Padding::Reflect,
      .flip = Flip::Random,
      .rotate = 20,
      .brightness = 0.5f,
      .contrast = 0.5f,
      .saturation = 0.5f,
      .grey = 0.3f,
      .erase = 0.5f,
      .mixup = 1,
      .cutmix = 1}},
};

constexpr uint64_t kSeed = 7;

/// What a step gathers of a dataset.
struct Gathered {
  Floats images, share;
  Ints labels, mixed_labels;
};

class Mixed {
 public:
  explicit Mixed(const Dataset& data) : data_(data), size_(data.height * data.width * data.channels) {
    Random random(3);
    const Ints pixels = random.integers(data.count * size_, 0, 255);
    images_.assign(pixels.begin(), pixels.end());
    labels_ = random.integers(data.count, 0, 9);
    scale_ = random.uniform(data.channels, 0.01, 0.02);
    shift_ = random.normals(data.channels);
  }

  /// numbers: what augmentation calls the samples; empty: as the order does.
  Gathered gather(Backend& backend, const Augmentation& augmentation, uint32_t epoch, const Ints& order, DType dtype,
                  const Ints& numbers = {}) const {
    const auto batch = static_cast<int64_t>(order.size());
    return gather_part(backend, augmentation, epoch, order, dtype, numbers, {0, batch}, all_mixed_rows(batch));
  }

  Gathered gather_part(Backend& backend, const Augmentation& augmentation, uint32_t epoch, const Ints& order,
                       DType dtype, const Ints& numbers, RowRange part, MixedRows mixed_rows) const {
    Device device(backend);
    StepBlock block{};
    block.seed = kSeed;
    block.epoch = epoch;
    block.order_position = 1 + part.first;
    const auto after_another = [](const Ints& values) {
      Ints positioned = {0};  // what precedes belongs to another step
      positioned.insert(positioned.end(), values.begin(), values.end());
      positioned.push_back(0);  // and what follows
      return positioned;
    };
    const auto all = static_cast<int64_t>(order.size()), batch = part.count;
    GatherImages gather;
    gather.images = device.input(images_, {data_.count, data_.height, data_.width, data_.channels});
    gather.labels = device.input(labels_, {data_.count});
    gather.order = device.input(after_another(order), {all + 2});
    if (!numbers.empty()) gather.numbers = device.input(after_another(numbers), {all + 2});
    gather.scale = device.input(scale_, {data_.channels});
    gather.shift = device.input(shift_, {data_.channels});
    gather.augmentation = augmentation;
    gather.mixed_rows = mixed_rows;
    gather.mixed_labels = device.output({batch}, DType::I32);
    gather.mixed_share = device.output({batch});
    const Tensor images = device.output({batch, data_.height, data_.width, data_.channels}, dtype);
    const Tensor labels = device.output({batch}, DType::I32);
    device.call(backend.gather_images(images, labels, gather, device.constant(block)));
    return {device.read(images), device.read(gather.mixed_share), device.read_ints(labels),
            device.read_ints(gather.mixed_labels)};
  }

  void expect_reference(const Gathered& found, const Augmentation& augmentation, uint32_t epoch, const Ints& order,
                        DType dtype, const Ints& numbers) const {
    Doubles images, share;
    Ints labels, mixed_labels;
    const size_t rows = order.size();
    const auto changed = [&](size_t row) {
      return reference::changed_image(&images_[order[row] * size_], data_.height, data_.width, data_.channels,
                                      augmentation, kSeed, epoch, numbers[row]);
    };
    for (size_t row = 0; row < rows; ++row) {
      const size_t partner = (row + rows - 1) % rows;
      const reference::Mix mix =
          rows == 1 ? reference::Mix{}
                    : reference::mix(augmentation, kSeed, epoch, numbers[row], data_.height, data_.width);
      const Doubles image = reference::mixed(mix, changed(row), changed(partner), data_.width, data_.channels);
      for (size_t i = 0; i < image.size(); ++i) {
        const size_t channel = i % static_cast<size_t>(data_.channels);
        images.push_back(image[i] * scale_[channel] + shift_[channel]);
      }
      share.push_back(mix.share);
      labels.push_back(labels_[order[row]]);
      mixed_labels.push_back(labels_[order[partner]]);
    }
    expect_close(Op::GatherChanged, found.images, images, dtype);
    expect_close(Op::GatherChanged, found.share, share);
    expect_same(found.labels, labels);
    expect_same(found.mixed_labels, mixed_labels);
  }

 private:
  Dataset data_;
  int64_t size_;
  Bytes images_;
  Ints labels_;
  Floats scale_, shift_;
};

}  // namespace

TEST_CASE("gather_images mixes each row with the row before it, as drawn for its sample and epoch") {
  for (const Dataset& data : kDatasets) {
    const Mixed mixed(data);
    for (Backend* backend : backends()) {
      for (const Changes& changes : kChanges) {
        for (const int64_t rows : {1, 2, 6}) {
          for (const uint32_t epoch : {0u, 3u}) {
            for (const DType dtype : activation_types(*backend)) {
              CAPTURE(std::string(backend->info().device));
              CAPTURE(std::string(changes.name));
              CAPTURE(data.channels);
              CAPTURE(data.width);
              CAPTURE(rows);
              CAPTURE(epoch);
              const Ints order = Random(5).integers(rows, 0, data.count - 1);
              const Gathered found = mixed.gather(*backend, changes.augmentation, epoch, order, dtype);
              mixed.expect_reference(found, changes.augmentation, epoch, order, dtype, order);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("mixed samples have their numbers in the dataset, wherever their images lie") {
  const Mixed mixed(kDatasets[0]);
  const Augmentation& augmentation = kChanges[std::size(kChanges) - 1].augmentation;
  const Ints order = {4, 1, 0}, numbers = {40, 11, 7};
  for (Backend* backend : backends()) {
    CAPTURE(std::string(backend->info().device));
    const Gathered found = mixed.gather(*backend, augmentation, 2, order, DType::F32, numbers);
    mixed.expect_reference(found, augmentation, 2, order, DType::F32, numbers);
  }
}

TEST_CASE(
    "a part of a batch that is mixed is what it is in the whole one, bit for bit, wherever the row before it lies") {
  const Mixed mixed(kDatasets[0]);
  const Augmentation& augmentation = kChanges[std::size(kChanges) - 1].augmentation;
  const Ints order = {4, 1, 0, 7, 3};
  const int64_t all = 5, size = 12 * 17 * 3;
  for (Backend* backend : backends()) {
    CAPTURE(std::string(backend->info().device));
    const Gathered whole = mixed.gather(*backend, augmentation, 2, order, DType::F32);
    const auto expect_part = [&](const Gathered& found, RowRange part) {
      const auto of = [&](const auto& values, int64_t each) {
        const auto begin = values.begin() + part.first * each;
        return std::decay_t<decltype(values)>(begin, begin + part.count * each);
      };
      expect_same(found.images, of(whole.images, size));
      expect_same(found.share, of(whole.share, 1));
      expect_same(found.labels, of(whole.labels, 1));
      expect_same(found.mixed_labels, of(whole.mixed_labels, 1));
    };
    for (const RowRange part : {RowRange{0, 2}, {2, 3}, {4, 1}}) {
      CAPTURE(part.first);
      const int64_t before = part.first > 0 ? -1 : all - 1;
      expect_part(mixed.gather_part(*backend, augmentation, 2, order, DType::F32, {}, part, {all, before}), part);
    }
    // The row before the first may also come behind the last.
    const Ints streamed = {0, 7, 3, 1};
    expect_part(mixed.gather_part(*backend, augmentation, 2, streamed, DType::F32, {}, {0, 3}, {all, 3}), {2, 3});
  }
}

TEST_CASE("a batch of one is gathered as it is without mixing, bit for bit") {
  const Mixed mixed(kDatasets[0]);
  for (Backend* backend : backends()) {
    for (const DType dtype : activation_types(*backend)) {
      CAPTURE(std::string(backend->info().device));
      const Augmentation changes = {.crop_padding = 2, .flip = Flip::Random};
      Augmentation mixes = changes;
      mixes.mixup = mixes.cutmix = 1;
      const Gathered alone = mixed.gather(*backend, mixes, 1, {3}, dtype);
      CHECK(alone.share == Floats{0});
      expect_same(alone.mixed_labels, alone.labels);
      expect_same(alone.images, mixed.gather(*backend, changes, 1, {3}, dtype).images);
    }
  }
}

}  // namespace margincore::test
