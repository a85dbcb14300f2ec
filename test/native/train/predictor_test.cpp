#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "reference/matrices.h"
#include "reference/rows.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/model.h"
#include "support/random.h"
#include "train/session.h"

namespace margincore::test {

namespace {

constexpr int64_t kClasses = 7, kSize = 6, kPixels = 5 * 5 * 2;

/// Its dropout must have no effect.
HeadSpec arcface_with_dropout() {
  HeadSpec head = arcface(kClasses, 16, 0.5f);
  head.feature_dropout = 0.5f;
  return head;
}

/// A session that only predicts.
SessionSpec predicting(const std::string& backend, const HeadSpec& head = arcface_with_dropout()) {
  SessionSpec spec{};
  spec.backend = backend;
  spec.options.deterministic = 1;
  spec.seed = 4;
  spec.network = {{5, 5, 2}, {{"", DropoutSpec{0.5f}}, {"fc", LinearSpec{kSize}}, {"", DropoutSpec{0.5f}}}};
  spec.head = head;
  spec.normalization = {{0.25f, 0.5f}, {0.5f, 0.125f}};
  return spec;
}

struct Predicted {
  Floats probabilities, scores, embeddings;
  int64_t count;
};

Predicted predict(Session& session, const Bytes& images, int64_t count, bool unit, bool cancel = false) {
  Predicted result{Floats(count * kClasses), Floats(count * kClasses), Floats(count * kSize), 0};
  PredictRequest request;
  request.images = images.data();
  request.count = count;
  request.probabilities = result.probabilities.data();
  request.scores = result.scores.data();
  request.embeddings = result.embeddings.data();
  request.normalize_embeddings = unit;
  const std::atomic<bool> cancelled{cancel};
  result.count = session.predict(request, cancelled).count;
  return result;
}

Bytes random_images(int64_t count) {
  const Ints pixels = Random(static_cast<uint64_t>(count)).integers(count * kPixels, 0, 255);
  return Bytes(pixels.begin(), pixels.end());
}

/// What the network makes of images.
Doubles embeddings_of(Session& session, const Bytes& images, int64_t count) {
  Doubles x;
  for (size_t i = 0; i < images.size(); ++i)
    x.push_back(i % 2 == 0 ? (images[i] / 255.0 - 0.25) / 0.5 : (images[i] / 255.0 - 0.5) / 0.125);
  return reference::linear_forward(x, to_doubles(session.parameters().read_value("fc.weight")), {}, count, kPixels,
                                   kSize);
}

void write(Session& session, const char* name, const Floats& values) {
  session.parameters().write_value(name, values.data(), static_cast<int64_t>(values.size()));
}

struct Angles {
  Floats own, other, class_norms;
};

Angles measure(Session& session, const Bytes& images, const Ints& labels) {
  const auto count = static_cast<int64_t>(labels.size()), classes = session.head().num_classes();
  Floats angles(2 * count), scores(count * classes);
  Angles result{{}, {}, Floats(classes)};
  PredictRequest request;
  request.images = images.data();
  request.count = count;
  request.scores = scores.data();
  request.labels = labels.data();
  request.angles = angles.data();
  request.class_norms = result.class_norms.data();
  session.predict(request, std::atomic<bool>{false});
  for (int64_t i = 0; i < count; ++i) {
    result.own.push_back(angles[2 * i]);
    result.other.push_back(angles[2 * i + 1]);
  }
  // Beside the angles, scores are what they are without them.
  Floats alone(scores.size());
  request.scores = alone.data();
  request.angles = nullptr;
  session.predict(request, std::atomic<bool>{false});
  expect_same(scores, alone);
  return result;
}

}  // namespace

TEST_CASE("prediction: normalised pixels, no margin, no dropout, any number of samples") {
  for (const std::string& backend : backend_names()) {
    Session session(predicting(backend));
    session.open();
    const Doubles weights = to_doubles(session.parameters().read_value("head.weight"));
    for (const int64_t count : {1, 3, 128, 129, 300}) {  // in batches of at most 128
      CAPTURE(count);
      const Bytes images = random_images(count);
      const Doubles embeddings = embeddings_of(session, images, count);
      const Doubles unit = reference::unit_rows(embeddings, count, kSize);
      Doubles scores =
          reference::linear_forward(unit, reference::unit_rows(weights, kClasses, kSize), {}, count, kSize, kClasses);
      for (double& score : scores) score *= 16;

      const Predicted raw = predict(session, images, count, false), normalized = predict(session, images, count, true);
      CHECK(raw.count == count);
      expect_close(Op::LinearForward, raw.embeddings, embeddings);
      expect_close(Op::LinearForward, normalized.embeddings, unit);
      expect_close(Op::MarginLogits, raw.scores, scores);
      expect_close(Op::Softmax, raw.probabilities, reference::softmax(to_doubles(raw.scores), count, kClasses));
      expect_same(normalized.scores, raw.scores);
    }
  }
}

TEST_CASE("prediction: angles to the own and to the nearest other class, and the norms of the class weights") {
  for (const std::string& backend : backend_names()) {
    HeadSpec free;
    free.num_classes = kClasses;
    free.bias = true;
    for (const HeadSpec& head : {arcface_with_dropout(), free}) {
      Session session(predicting(backend, head));
      session.open();
      const Doubles weights = to_doubles(session.parameters().read_value("head.weight"));
      for (const int64_t count : {1, 3, 129, 300}) {
        CAPTURE(count);
        const Bytes images = random_images(count);
        const Ints labels = Random(2).integers(count, 0, kClasses - 1);
        const Doubles unit = reference::unit_rows(embeddings_of(session, images, count), count, kSize);
        const Doubles cosines =
            reference::linear_forward(unit, reference::unit_rows(weights, kClasses, kSize), {}, count, kSize, kClasses);
        Doubles own, other;
        for (int64_t i = 0; i < count; ++i) {
          double nearest = -1;
          for (int64_t j = 0; j < kClasses; ++j)
            if (j != labels[i]) nearest = std::max(nearest, cosines[i * kClasses + j]);
          own.push_back(std::acos(cosines[i * kClasses + labels[i]]));
          other.push_back(std::acos(nearest));
        }
        const Angles found = measure(session, images, labels);
        expect_close(Op::Angles, found.own, own);
        expect_close(Op::Angles, found.other, other);
        expect_close(Op::RowNorms, found.class_norms, reference::row_norms(weights, kClasses, kSize));
      }
      // An embedding of zeros has no direction: it stands across from everything.
      write(session, "fc.weight", Floats(kSize * kPixels, 0));
      const Angles nowhere = measure(session, random_images(3), {0, 1, 2});
      for (float angle : nowhere.own) CHECK(angle == doctest::Approx(3.14159265 / 2));
      for (float angle : nowhere.other) CHECK(angle == doctest::Approx(3.14159265 / 2));
    }
  }
}

TEST_CASE("prediction: angles along and against a class's weight, and with a single class") {
  for (const std::string& backend : backend_names()) {
    HeadSpec head = arcface(1, 16, 0.5f);
    for (const double sign : {1.0, -1.0}) {
      Session session(predicting(backend, head));
      session.open();
      const Bytes images = random_images(1);
      Doubles weights = embeddings_of(session, images, 1);
      for (double& weight : weights) weight *= sign;
      write(session, "head.weight", to_floats(weights));
      const Angles found = measure(session, images, {0});
      // acos has no more digits there: cos(0.001) is 1 - 5e-7.
      CHECK(std::abs(found.own[0] - (sign > 0 ? 0 : 3.14159265)) < 1e-3);
      CHECK(found.other[0] == doctest::Approx(3.14159265));
    }
  }
}

TEST_CASE("prediction by scaled batch norm is that of its statistics folded into weights and bias") {
  HeadSpec free, cosine = arcface(kClasses, 16, 0);
  free.num_classes = kClasses;
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : {free, cosine}) {
      CAPTURE(head.normalize_weights);
      HeadSpec with_bn = head, folded = head;
      with_bn.scaled_bn = ScaledBn{0.9f, 1e-3f};
      folded.normalize_weights = false;
      folded.bias = true;
      Session one(predicting(backend, with_bn)), other(predicting(backend, folded));
      one.open();
      other.open();
      Random random(1);
      const Floats mean = random.normals(kClasses), variance = random.uniform(kClasses, 0.05, 2);
      write(one, "head.runningMean", mean);
      write(one, "head.runningVariance", variance);

      Doubles weights = to_doubles(one.parameters().read_value("head.weight")), bias;
      if (head.normalize_weights) weights = reference::unit_rows(weights, kClasses, kSize);
      for (int64_t j = 0; j < kClasses; ++j) {
        const double factor = 0.9 / std::sqrt(variance[j] + 1e-3);
        for (int64_t k = 0; k < kSize; ++k) weights[j * kSize + k] *= factor;
        bias.push_back(-factor * mean[j]);
      }
      write(other, "fc.weight", one.parameters().read_value("fc.weight"));
      write(other, "head.weight", to_floats(weights));
      write(other, "head.bias", to_floats(bias));
      const Bytes images = random_images(200);
      const Predicted found = predict(one, images, 200, false), expected = predict(other, images, 200, false);
      expect_close(Op::MarginLogits, found.scores, to_doubles(expected.scores));
      CHECK(relative_distance(found.probabilities, to_doubles(expected.probabilities)) < 1e-5);
    }
  }
}

TEST_CASE("prediction does not depend on the batch, also where training takes the norm of the whole batch") {
  HeadSpec over_batch;
  over_batch.num_classes = kClasses;
  over_batch.normalize_features = true;
  over_batch.l2_scope = L2Scope::Batch;
  over_batch.scale = 50;
  over_batch.bias = true;
  for (const std::string& backend : backend_names()) {
    for (const HeadSpec& head : {over_batch, arcface_with_dropout()}) {
      CAPTURE(static_cast<int>(head.l2_scope));
      Session session(predicting(backend, head));
      session.open();
      const Bytes images = random_images(9);
      const Predicted together = predict(session, images, 9, false);
      for (int64_t i = 0; i < 9; ++i) {
        const Bytes image(images.begin() + i * kPixels, images.begin() + (i + 1) * kPixels);
        const auto row = together.scores.begin() + i * kClasses;
        expect_close(Op::LinearForward, predict(session, image, 1, false).scores, Doubles(row, row + kClasses));
      }
    }
  }
}

TEST_CASE("prediction beside training takes the memory of its activations, and neither changes the other") {
  constexpr int64_t kBatch = 16;
  const Bytes images = random_images(kBatch);
  const Ints labels = Random(1).integers(kBatch, 0, kClasses - 1);
  for (const std::string& backend : backend_names()) {
    SessionSpec spec = predicting(backend);
    spec.network.layers = {
        {"", Conv2dSpec{8, 3, 3}}, {"", BatchNormSpec{}}, {"", ReluSpec{}}, {"fc", LinearSpec{kSize}}};
    spec.batch_size = kBatch;
    Session predicting_between(spec), training(spec);
    const auto step = [&](Session& session) {
      StepsRequest request;
      for (int64_t i = 0; i < kBatch; ++i) request.order.push_back(static_cast<int32_t>(i));
      request.batch_size = kBatch;
      request.values = {{0.01f, 0, 1}};
      CHECK(session.run_steps(request, std::atomic<bool>{false}).reports.size() == 1);
    };
    for (Session* session : {&predicting_between, &training}) {
      session->open();
      session->set_training_data({images.data(), labels.data(), kBatch});
    }
    Predicted last;
    for (int i = 0; i < 4; ++i) {
      step(training);
      step(predicting_between);
      last = predict(predicting_between, images, kBatch, true);
    }
    CHECK(predicting_between.memory().activations == training.memory().activations + images.size());
    for (const auto& entry : training.table().entries())
      expect_same(predicting_between.parameters().read_value(entry.spec.name),
                  training.parameters().read_value(entry.spec.name));
    predicting_between.end_training();
    const Predicted alone = predict(predicting_between, images, kBatch, true);
    expect_same(last.scores, alone.scores);
    expect_same(last.embeddings, alone.embeddings);
  }
}

TEST_CASE("a cancelled prediction says how many samples it did, and a session of prediction does not train") {
  for (const std::string& backend : backend_names()) {
    Session session(predicting(backend));
    session.open();
    CHECK(predict(session, Bytes(10 * kPixels), 10, false, true).count == 0);
    CHECK(predict(session, Bytes(10 * kPixels), 10, false).count == 10);
    CHECK_THROWS_WITH_AS(session.set_training_data({}), "this session does not train", Error);
  }
}

}  // namespace margincore::test
