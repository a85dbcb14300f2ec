// Random changes of training images: what may change. image_change.h draws for one image, changed_pixel.h carries it out;
// image_mix.h is how a batch's images are mixed with each other.
//
// In this order, as torchvision's transforms define them: RandomCrop or RandomResizedCrop, a flip, RandomAffine, all three
// as one map of coordinates; ColorJitter's brightness, contrast, saturation, and RandomGrayscale, on values in 0…255;
// RandomErasing; then MixUp or CutMix with another image of the batch. Normalisation comes after.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace margincore {

/// What is seen beyond an image's edge: black, or the image mirrored, without its outermost pixels a second time.
enum class Padding : int32_t { Zero, Reflect };

/// Random: with probability 1/2 (RandomHorizontalFlip). Alternating: in every second epoch, which of them is drawn for
/// each sample (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU").
enum class Flip : int32_t { None, Random, Alternating };

/// As it is, it changes nothing.
struct Augmentation {
  int64_t crop_padding = 0;  // pixels around the image, of which a part of its size is cut out again
  Padding padding = Padding::Zero;
  float area_least = 1, area_most = 1;  // share of the image that is cut out and resized; from 1 on none is
  float aspect_least = 0.75f, aspect_most = 4.0f / 3;  // its width by its height
  Flip flip = Flip::None;
  float rotate = 0;     // to both sides at most, in degrees; clockwise is positive
  float translate = 0;  // to all sides at most, as a share of width and height; a whole number of pixels is drawn
  float scale_least = 1, scale_most = 1;
  float shear = 0;                                            // along x, to both sides at most, in degrees
  float brightness = 0, contrast = 0, saturation = 0;         // factors lie in [max(0, 1 - it), 1 + it]
  float grey = 0;                                             // probability
  float erase = 0;                                            // probability that a rectangle becomes black
  float erase_area_least = 0.02f, erase_area_most = 0.33f;    // its share of the image
  float erase_aspect_least = 0.3f, erase_aspect_most = 3.3f;  // its height by its width
  float mixup = 0, cutmix = 0;  // of the Beta distribution of shares; 0: off. Of both, a sample takes either
};

/// Rows of a batch that is mixed: all, or a part of them.
struct MixedRows {
  int64_t all;           // of the batch
  int64_t before_first;  // where the row before the first is, counted from that; of a whole batch it is the last
};

MARGINCORE_HOST_DEVICE MixedRows all_mixed_rows(int64_t batch) { return {batch, batch - 1}; }

MARGINCORE_HOST_DEVICE bool crops_and_resizes(const Augmentation& a) { return a.area_least < 1; }
MARGINCORE_HOST_DEVICE bool changes_shape(const Augmentation& a) {  // by an affine map, beside crop and flip
  return a.rotate > 0 || a.translate > 0 || a.shear > 0 || a.scale_least != 1 || a.scale_most != 1;
}
MARGINCORE_HOST_DEVICE bool mixes_colours(const Augmentation& a) { return a.saturation > 0 || a.grey > 0; }
MARGINCORE_HOST_DEVICE bool mixes_images(const Augmentation& a) { return a.mixup > 0 || a.cutmix > 0; }
/// Of each image by itself.
MARGINCORE_HOST_DEVICE bool is_on(const Augmentation& a) {
  return a.crop_padding > 0 || crops_and_resizes(a) || a.flip != Flip::None || changes_shape(a) || a.brightness > 0 ||
         a.contrast > 0 || mixes_colours(a) || a.erase > 0;
}

}  // namespace margincore
