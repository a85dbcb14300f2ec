#include <doctest/doctest.h>

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

/// A session that only predicts. Its dropout must have no effect.
SessionSpec predicting(const std::string& backend) {
  SessionSpec spec{};
  spec.backend = backend;
  spec.options.deterministic = 1;
  spec.seed = 4;
  spec.network = {{5, 5, 2}, {{"", DropoutSpec{0.5f}}, {"fc", LinearSpec{kSize}}, {"", DropoutSpec{0.5f}}}};
  spec.head = arcface(kClasses, 16, 0.5f);
  spec.head.feature_dropout = 0.5f;
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

}  // namespace

TEST_CASE("prediction: normalised pixels, no margin, no dropout, any number of samples") {
  for (const std::string& backend : backend_names()) {
    Session session(predicting(backend));
    session.open();
    const Doubles fc = to_doubles(session.parameters().read_value("fc.weight"));
    const Doubles weights = to_doubles(session.parameters().read_value("head.weight"));
    for (const int64_t count : {1, 3, 128, 129, 300}) {  // in batches of at most 128
      CAPTURE(count);
      const Ints pixels = Random(static_cast<uint64_t>(count)).integers(count * kPixels, 0, 255);
      const Bytes images(pixels.begin(), pixels.end());
      Doubles x;
      for (size_t i = 0; i < images.size(); ++i)
        x.push_back(i % 2 == 0 ? (images[i] / 255.0 - 0.25) / 0.5 : (images[i] / 255.0 - 0.5) / 0.125);
      const Doubles embeddings = reference::linear_forward(x, fc, {}, count, kPixels, kSize);
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
