// Which heads there can be.
#include <doctest/doctest.h>

#include <cmath>

#include "support/arrays.h"
#include "support/head_kinds.h"

namespace margincore::test {

TEST_CASE("options that cannot go together are refused") {
  const auto refused = [](const HeadSpec& spec, const char* what) {
    CHECK_THROWS_WITH_AS(validate(spec), (std::string("head: expected ") + what).c_str(), Error);
  };
  const auto with_classes = [](HeadSpec spec) {
    spec.num_classes = 10;
    return spec;
  };
  const HeadSpec good = with_classes(head(true, true, 30, kArcFace));
  CHECK_NOTHROW(validate(good));
  HeadSpec bad = good;
  bad.num_classes = 0;
  refused(bad, "at least one class");
  refused(with_bias(good), "no bias beside normalised class weights");
  refused(with_bias(scaled_bn(with_classes(head(false, false, 1, kNone)))),
          "no bias beside scaled batch norm, which takes it away again");
  refused(fixed(with_classes(head(true, false, 1, kNone))), "normalised class weights where they are fixed");
  bad = learned(good);
  bad.normalize_features = false;
  refused(bad, "normalised features where the scale is learned");
  for (const float scale : {0.0f, -1.0f, INFINITY, NAN}) {
    bad = good;
    bad.scale = scale;
    refused(bad, "a finite scale above 0");
  }
  bad = good;
  bad.margin.m1 = 0;
  refused(bad, "a finite m1 above 0");
  bad = good;
  bad.margin.m2 = NAN;
  refused(bad, "finite margins");
  bad.margin.m2 = -0.1f;
  refused(bad, "an m2 of at least 0");
  for (const float value : {0.0f, -1.0f, INFINITY, NAN}) {
    bad = scaled_bn(good, value);
    refused(bad, "a finite m of scaled-bn above 0");
    bad = scaled_bn(good);
    bad.scaled_bn->epsilon = value;
    refused(bad, "a finite epsilon above 0");
  }
  for (const float value : {-1.0f, INFINITY, NAN})
    refused(center(good, value), "a finite weight of the centres from 0");
  for (const float value : {-0.1f, 1.1f, NAN}) {
    bad = center(good, 1);
    bad.center_rate = value;
    refused(bad, "a rate of the centres in [0, 1]");
  }
  bad = good;
  bad.feature_dropout = 1;
  refused(bad, "featureDropout in [0, 1)");
  bad = good;
  bad.label_smoothing = 1;
  refused(bad, "labelSmoothing in [0, 1)");
  bad = good;
  bad.class_weights = Floats(10, 1);
  bad.class_weights[3] = -1;
  refused(bad, "classWeights of at least 0");
  bad.class_weights = {1, 2};
  refused(bad, "as many classWeights as classes");
  for (const HeadSpec& spec : {scaled_bn(good), scaled_bn(good, 0.8f), center(good, 0), fixed(center(good, 1))})
    CHECK_NOTHROW(validate(spec));
}

TEST_CASE("fixed centroids that would have to be searched for are refused beyond 10,000 classes") {
  const auto declare = [](int64_t classes, int64_t size) {
    HeadSpec spec = fixed(head(true, true, 7.5f, kNone));
    spec.num_classes = classes;
    ParameterTable table;
    Head(spec, size, table);
  };
  CHECK_THROWS_WITH_AS(declare(10'001, 9'999),
                       "head: expected at most 10000 classes, or an embedding of at least 10000, for fixed centroids, "
                       "but received 10001 classes and an embedding of 9999",
                       Error);
  CHECK_NOTHROW(declare(10'001, 10'000));
  CHECK_NOTHROW(declare(10'000, 2));
}

}  // namespace margincore::test
