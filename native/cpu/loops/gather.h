// Batch assembly: chosen samples of a uint8 dataset, changed at random where that is asked for, normalised per channel.
#pragma once

#include "base/changed_pixel.h"
#include "base/image_mix.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

template <class T>
static void normalize_image(T* to, const uint8_t* from, int64_t pixels, int64_t channels, const float* scale,
                            const float* shift) {
  if (channels == 1) {
    const float factor = scale[0], offset = shift[0];
#pragma omp simd
    for (int64_t k = 0; k < pixels; ++k) to[k] = narrow<T>(static_cast<float>(from[k]) * factor + offset);
    return;
  }
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (int64_t c = 0; c < channels; ++c)
      to[pixel * channels + c] = narrow<T>(static_cast<float>(from[pixel * channels + c]) * scale[c] + shift[c]);
}

/// One image by kChannels of its channels: all arguments are those of the first of them.
template <class T, int kChannels>
struct ChangedImage {
  const uint8_t* from;
  const ImageChange& change;
  const ImageSize& size;

  Pixel<kChannels> brightened(int32_t x, int32_t y) const {
    Pixel<kChannels> pixel = between<kChannels>(neighbours_of(change, size, x, y), from, size.channels);
    brighten(pixel, change);
    return pixel;
  }

  float mean_grey() const {
    double sum = 0;
    for (int32_t y = 0; y < size.height; ++y)
      for (int32_t x = 0; x < size.width; ++x) sum += grey_of(brightened(x, y));
    return static_cast<float>(sum / (int64_t{size.height} * size.width));
  }

  /// mean: of the grey, where contrast changes.
  Pixel<kChannels> at(int32_t x, int32_t y, float mean) const {
    Pixel<kChannels> pixel = {};
    if (change.erased.contains(x, y)) return pixel;
    pixel = brightened(x, y);
    recolour(pixel, change, mean);
    return pixel;
  }

  void write(T* to, const float* scale, const float* shift, float mean) const {
    for (int32_t y = 0; y < size.height; ++y) {
      for (int32_t x = 0; x < size.width; ++x, to += size.channels) {
        const Pixel<kChannels> pixel = at(x, y, mean);
        for (int c = 0; c < kChannels; ++c) to[c] = narrow<T>(pixel.value[c] * scale[c] + shift[c]);
      }
    }
  }
};

template <class T, int kChannels>
static void write_changed(T* to, const uint8_t* from, const ImageChange& change, const ImageSize& size,
                          const float* scale, const float* shift, bool has_contrast) {
  for (int32_t c = 0; c < size.channels; c += kChannels) {
    const ChangedImage<T, kChannels> image = {from + c, change, size};
    image.write(to + c, scale + c, shift + c, has_contrast ? image.mean_grey() : 0);
  }
}

/// Image i of a batch is sample order[i] from the step's position on, or i itself.
struct Chosen {
  const int32_t *order, *numbers;

  Chosen(const GatherImages& gather, const StepBlock* step)
      : order(gather.order ? gather.order.i32() + step->order_position : nullptr),
        numbers(gather.numbers ? gather.numbers.i32() + step->order_position : order) {}

  int64_t sample(int64_t i) const { return order != nullptr ? order[i] : i; }
  /// What the dataset calls the sample.
  int64_t number(int64_t i) const { return numbers != nullptr ? numbers[i] : i; }
};

template <class T>
static void gather_images(T* batch, int32_t* batch_labels, const GatherImages& gather, int64_t rows,
                          const StepBlock* step) {
  const Shape& shape = gather.images.shape;
  const int64_t channels = shape[3], pixels = shape[1] * shape[2], image_size = pixels * channels;
  const uint8_t* images = gather.images.u8();
  const int32_t* labels = gather.labels.i32();
  const Chosen chosen(gather, step);
  const float* scale = gather.scale.f32();
  const float* shift = gather.shift.f32();
  const Augmentation& augmentation = gather.augmentation;
  const bool changes = is_on(augmentation);
  const ImageSize size = {static_cast<int32_t>(shape[1]), static_cast<int32_t>(shape[2]),
                          static_cast<int32_t>(channels)};
  parallel_rows(rows, image_size, [&](int64_t i) {
    const int64_t sample = chosen.sample(i);
    if (labels != nullptr) batch_labels[i] = labels[sample];
    const uint8_t* from = images + sample * image_size;
    T* to = batch + i * image_size;
    if (!changes) return normalize_image(to, from, pixels, channels, scale, shift);
    const ImageChange change =
        draw_change(augmentation, step->seed, step->epoch, chosen.number(i), size.height, size.width);
    const auto write = channels == 3 ? write_changed<T, 3> : write_changed<T, 1>;
    write(to, from, change, size, scale, shift, augmentation.contrast > 0);
  });
}

/// A row's image and its partner's.
struct MixedImage {
  const uint8_t *own, *other;
  ImageChange own_change, other_change;
  ImageMix mix;
};

template <class T, int kChannels>
static void write_mixed(T* to, const MixedImage& mixed, const ImageSize& size, const float* scale, const float* shift,
                        bool has_contrast) {
  for (int32_t first = 0; first < size.channels; first += kChannels) {
    const ChangedImage<T, kChannels> own = {mixed.own + first, mixed.own_change, size};
    const ChangedImage<T, kChannels> other = {mixed.other + first, mixed.other_change, size};
    const float own_mean = has_contrast ? own.mean_grey() : 0, other_mean = has_contrast ? other.mean_grey() : 0;
    T* pixel = to + first;
    for (int32_t y = 0; y < size.height; ++y) {
      for (int32_t x = 0; x < size.width; ++x, pixel += size.channels) {
        Pixel<kChannels> value = {};
        const auto add = [&](float weight, const ChangedImage<T, kChannels>& image, float mean) {
          if (weight == 0) return;
          const Pixel<kChannels> changed = image.at(x, y, mean);
          for (int c = 0; c < kChannels; ++c) value.value[c] += weight * changed.value[c];
        };
        const float of_partner = weight_of_partner(mixed.mix, x, y);
        add(1 - of_partner, own, own_mean);
        add(of_partner, other, other_mean);
        for (int c = 0; c < kChannels; ++c) pixel[c] = narrow<T>(value.value[c] * scale[first + c] + shift[first + c]);
      }
    }
  }
}

/// With an augmentation that mixes images.
template <class T>
static void gather_mixed(T* batch, int32_t* batch_labels, const GatherImages& gather, int64_t rows,
                         const StepBlock* step) {
  const Shape& shape = gather.images.shape;
  const int64_t channels = shape[3], image_size = shape[1] * shape[2] * channels;
  const int32_t* labels = gather.labels.i32();
  const Chosen chosen(gather, step);
  const Augmentation& augmentation = gather.augmentation;
  const ImageSize size = {static_cast<int32_t>(shape[1]), static_cast<int32_t>(shape[2]),
                          static_cast<int32_t>(channels)};
  const auto change_of = [&](int64_t i) {
    return draw_change(augmentation, step->seed, step->epoch, chosen.number(i), size.height, size.width);
  };
  const auto image_of = [&](int64_t i) { return gather.images.u8() + chosen.sample(i) * image_size; };
  parallel_rows(rows, image_size, [&](int64_t i) {
    const int64_t partner = partner_of(i, gather.mixed_rows);
    const MixedImage mixed = {image_of(i), image_of(partner), change_of(i), change_of(partner),
                              draw_mix(augmentation, step->seed, step->epoch, chosen.number(i), gather.mixed_rows.all,
                                       size.height, size.width)};
    if (labels != nullptr) {
      batch_labels[i] = labels[chosen.sample(i)];
      if (gather.mixed_labels) gather.mixed_labels.i32()[i] = labels[chosen.sample(partner)];
    }
    if (gather.mixed_share) gather.mixed_share.f32()[i] = mixed.mix.share;
    const auto write = channels == 3 ? write_mixed<T, 3> : write_mixed<T, 1>;
    write(batch + i * image_size, mixed, size, gather.scale.f32(), gather.shift.f32(), augmentation.contrast > 0);
  });
}

}  // namespace margincore::MARGINCORE_ISA
