#include "support/head_kinds.h"

namespace margincore::test {

HeadSpec head(bool features, bool weights, float scale, Margin margin) {
  HeadSpec spec;
  spec.normalize_features = features;
  spec.normalize_weights = weights;
  spec.scale = scale;
  spec.margin = margin;
  return spec;
}

HeadSpec with_bias(HeadSpec spec) {
  spec.bias = true;
  return spec;
}

HeadSpec over_batch(HeadSpec spec) {
  spec.batch_norm_scope = true;
  return spec;
}

HeadSpec learned(HeadSpec spec) {
  spec.learn_scale = true;
  return spec;
}

HeadSpec scaled_bn(HeadSpec spec, float scale) {
  spec.scaled_bn = ScaledBn{scale, 1e-5f};
  return spec;
}

HeadSpec center(HeadSpec spec, float weight) {
  spec.center_weight = weight;
  spec.center_rate = 0.5f;
  return spec;
}

HeadSpec fixed(HeadSpec spec) {
  spec.fixed_weights = true;
  return spec;
}

HeadSpec weighted(HeadSpec spec) {
  spec.label_smoothing = 0.1f;
  spec.class_weights = {0};  // filled for the number of classes
  return spec;
}

HeadSpec with_options(HeadSpec spec) {
  spec.feature_dropout = 0.25f;
  return weighted(spec);
}

const std::vector<HeadKind> kHeadKinds = {
    {"softmax", with_bias(head(false, false, 1, kNone))},
    {"l2-softmax", with_bias(head(true, false, 16, kNone))},
    {"l2-softmax, learned", learned(with_bias(head(true, false, 16, kNone)))},
    {"l2-softmax over the batch", over_batch(with_bias(head(true, false, 50, kNone)))},
    {"normface", head(true, true, 16, kNone)},
    {"l-softmax m 1", head(false, false, 1, {1, 0, 0})},
    {"l-softmax m 2", head(false, false, 1, {2, 0, 0})},
    {"l-softmax m 4", head(false, false, 1, {4, 0, 0})},
    {"l-softmax m 4, lambda 5", head(false, false, 1, {4, 0, 0}), 5},
    {"a-softmax m 4", head(false, true, 1, {4, 0, 0})},
    {"am-softmax", head(true, true, 30, {1, 0, 0.35f})},
    {"arcface", head(true, true, 30, kArcFace)},
    {"arcface m 1.5", head(true, true, 30, {1, 1.5f, 0})},
    {"arcface, learned", learned(head(true, true, 30, kArcFace))},
    {"arcface, linear", head(true, true, 30, {1, 0.5f, 0, Wrap::Linear})},
    {"arcface, no wrap", head(true, true, 30, {1, 0.5f, 0, Wrap::None})},
    {"arcface, easy", head(true, true, 30, {1, 0.5f, 0, Wrap::Continue, 1})},
    {"arcface, detached", head(true, true, 30, {1, 0.5f, 0, Wrap::Continue, 0, 0})},
    {"arcface with every option", with_options(head(true, true, 30, kArcFace))},
    {"arcface over the batch", over_batch(head(true, true, 50, kArcFace))},
    {"combined", head(true, true, 30, {1.25f, 0.25f, 0.125f})},
    {"scaled-bn", scaled_bn(head(false, false, 1, kNone))},
    {"scaled-bn with class weights and smoothing", weighted(scaled_bn(head(false, false, 1, kNone), 0.8f))},
    {"scaled-bn on normface", scaled_bn(head(true, true, 1, kNone), 4)},
    {"scaled-bn on l-softmax m 4", scaled_bn(head(false, false, 1, {4, 0, 0}))},
    {"scaled-bn on l-softmax m 4, lambda 5", scaled_bn(head(false, false, 1, {4, 0, 0})), 5},
    {"scaled-bn on arcface", scaled_bn(head(true, true, 30, kArcFace))},
    {"center", center(with_bias(head(false, false, 1, kNone)), 0.01f)},
    {"center on arcface", center(head(true, true, 30, kArcFace), 2)},
    {"center on arcface over the batch", center(over_batch(head(true, true, 50, kArcFace)), 2)},
    {"pedcc", fixed(center(head(true, true, 7.5f, {1, 0, 0.35f}), 2))},
    {"pedcc without its distance", fixed(head(true, true, 7.5f, {1, 0, 0.35f}))},
    {"scaled-bn on pedcc", scaled_bn(fixed(center(head(true, true, 7.5f, {1, 0, 0.35f}), 2)))},
    {"arcface with all of it", with_options(scaled_bn(center(head(true, true, 30, kArcFace), 2)))},
};

}  // namespace margincore::test
