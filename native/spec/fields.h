// Every field of a description, named once: the name that users write, its place in the struct, and its range. What is
// optional has the struct's own initial value by default. A reader (reader.h) takes the fields from outside, and
// RangeCheck sees whether the numbers of a struct, however it was made, lie in their ranges.
#pragma once

#include "base/augmentation.h"
#include "spec/head.h"
#include "spec/network.h"
#include "spec/optimizer.h"
#include "spec/ranges.h"

namespace margincore {

// ---- network and layers ---------------------------------------------------------------------------------------------

template <class Fields>
void fields(Fields& f, NormalInit& s) {
  f.required("std", s.std, between(1e-12, 1e4));  // weights that floats hold, and their squares in sums
}

template <class Fields>
void fields(Fields& f, Conv2dSpec& s) {
  f.required("outChannels", s.out_channels, at_least(1));
  f.height_and_width("kernelSize", s.kernel_height, s.kernel_width, at_least(1));
  f.optional("stride", s.stride, at_least(1));
  f.optional("padding", s.padding, "same", at_least(0));
  f.optional("bias", s.bias);
  f.optional("groups", s.groups, at_least(1));
  f.word_or_object("init", s.init);
}

template <class Fields>
void fields(Fields&, ReluSpec&) {}

template <class Fields>
void fields(Fields& f, PReluSpec& s) {
  f.optional("shared", s.shared);
  f.optional("init", s.init);
}

template <class Fields>
void fields(Fields& f, BatchNormSpec& s) {
  f.optional("epsilon", s.epsilon, above(0));
  f.optional("momentum", s.momentum, from_above_to(0, 1));
}

template <class Fields>
void fields(Fields& f, MaxPool2dSpec& s) {
  f.required("kernelSize", s.kernel, between(1, 15));  // a place in the window is one byte
  f.optional("stride", s.stride, at_least(1), s.kernel);
  f.optional("padding", s.padding, at_least(0));
}

template <class Fields>
void fields(Fields& f, AveragePool2dSpec& s) {
  f.required("kernelSize", s.kernel, at_least(1));
  f.optional("stride", s.stride, at_least(1), s.kernel);
  f.optional("padding", s.padding, at_least(0));
}

template <class Fields>
void fields(Fields&, GlobalAveragePoolSpec&) {}

template <class Fields>
void fields(Fields& f, LinearSpec& s) {
  f.required("outFeatures", s.out_features, at_least(1));
  f.optional("bias", s.bias);
  f.word_or_object("init", s.init);
}

template <class Fields>
void fields(Fields& f, DropoutSpec& s) {
  f.required("rate", s.rate, from_to_below(0, 1));
}

template <class Fields>
void fields(Fields&, AddSpec&) {}

template <class Fields>
void fields(Fields&, ConcatSpec&) {}

/// Without the layers: how they are connected is written in several ways.
template <class Fields>
void fields(Fields& f, NetworkSpec& s) {
  f.required("input", s.input, at_least(1));
  f.word_or_object("init", s.init);
}

// ---- head, optimizer, augmentation ----------------------------------------------------------------------------------

template <class Fields>
void fields(Fields& f, ScaledBn& s) {
  f.optional("scale", s.scale, above(0));
  f.optional("epsilon", s.epsilon, above(0));
}

template <class Fields>
void fields(Fields& f, HeadSpec& s) {
  f.required("numClasses", s.num_classes, at_least(1));
  f.optional("normalizeFeatures", s.normalize_features);
  f.optional("scale", s.scale, above(0));
  f.optional("learnScale", s.learn_scale);
  f.optional("l2Scope", s.l2_scope);
  f.optional("normalizeWeights", s.normalize_weights);
  f.optional("fixedWeights", s.fixed_weights);
  f.optional("bias", s.bias);
  f.optional("m1", s.margin.m1, above(0));
  f.optional("m2", s.margin.m2, at_least(0));
  f.optional("m3", s.margin.m3);
  f.optional("wrap", s.margin.wrap);
  f.flag("easyMargin", s.margin.easy);
  f.flag("exactGradient", s.margin.exact);
  f.object("scaledBn", s.scaled_bn);
  f.optional("centerWeight", s.center_weight, at_least(0));
  f.optional("centerRate", s.center_rate, between(0, 1));
  f.optional("featureDropout", s.feature_dropout, from_to_below(0, 1));
  f.optional("labelSmoothing", s.label_smoothing, from_to_below(0, 1));
  f.optional("classWeights", s.class_weights, at_least(0));
}

template <class Fields>
void fields(Fields& f, OptimizerSpec& s) {
  f.required("type", s.type);
  f.optional("momentum", s.momentum, from_to_below(0, 1));
  f.optional("nesterov", s.nesterov);
  f.optional("beta1", s.beta1, from_to_below(0, 1));
  f.optional("beta2", s.beta2, from_to_below(0, 1));
  f.optional("epsilon", s.epsilon, at_least(0));  // 0 beside SGD, which has none
  f.optional("weightDecay", s.weight_decay, at_least(0));
  f.optional("headLr", s.head_rate, at_least(0));
  f.optional("averageDecay", s.average_decay, from_to_below(0, 1));
  f.optional("clipGradients", s.clip_gradients, at_least(0));
}

template <class Fields>
void fields(Fields& f, Augmentation& s) {
  f.optional("cropPadding", s.crop_padding, at_least(0));
  f.optional("padding", s.padding);
  f.optional("areaLeast", s.area_least, from_above_to(0, 1));
  f.optional("areaMost", s.area_most, from_above_to(0, 1));
  f.optional("aspectLeast", s.aspect_least, above(0));
  f.optional("aspectMost", s.aspect_most, above(0));
  f.optional("flip", s.flip);
  f.optional("rotate", s.rotate, between(0, 180));
  f.optional("translate", s.translate, between(0, 1));
  f.optional("scaleLeast", s.scale_least, above(0));
  f.optional("scaleMost", s.scale_most, above(0));
  f.optional("shear", s.shear, from_to_below(0, 90));
  f.optional("brightness", s.brightness, at_least(0));
  f.optional("contrast", s.contrast, at_least(0));
  f.optional("saturation", s.saturation, at_least(0));
  f.optional("grey", s.grey, between(0, 1));
  f.optional("erase", s.erase, between(0, 1));
  f.optional("eraseAreaLeast", s.erase_area_least, from_above_to(0, 1));
  f.optional("eraseAreaMost", s.erase_area_most, from_above_to(0, 1));
  f.optional("eraseAspectLeast", s.erase_aspect_least, above(0));
  f.optional("eraseAspectMost", s.erase_aspect_most, above(0));
  f.optional("mixup", s.mixup, at_least(0));
  f.optional("cutmix", s.cutmix, at_least(0));
}

// ---------------------------------------------------------------------------------------------------------------------

/// Throws InvalidOption where a number is outside its range. `place`: whose, in the message.
template <class Spec>
void check_ranges(const std::string& place, const Spec& spec) {
  RangeCheck check(place);
  fields(check, const_cast<Spec&>(spec));  // which reads only
}

}  // namespace margincore
