// Steps that compare drawn classes alone.
#include "nn/class_sampling.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "reference/class_draw.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/head_kinds.h"
#include "support/random.h"
#include "train/session.h"

namespace margincore::test {

namespace {

constexpr int64_t kClasses = 37, kBatch = 6, kSamples = 48;  // blocks of 8, the last of 5
constexpr double kShare = 0.5;
constexpr uint64_t kSeed = 3;

const NetworkSpec kNetwork = {
    {7, 7, 1}, {{"conv", Conv2dSpec{3, 3, 3}}, {"", ReluSpec{}}, {"", DropoutSpec{0.25f}}, {"fc", LinearSpec{9}}}};

bool can_draw(const HeadSpec& head) { return !head.scaled_bn && head.label_smoothing == 0 && !head.fixed_weights; }

struct Images {
  Bytes pixels;
  Ints labels;
};

/// At most three classes of a block in a batch.
Images make_images() {
  Random random(1);
  const Ints pixels = random.integers(kSamples * 49, 0, 255);
  Images images{Bytes(pixels.begin(), pixels.end()), {}};
  for (int64_t i = 0; i < kSamples; ++i)
    images.labels.push_back(static_cast<int32_t>(i % 2 == 0 ? i % kClasses : i * 11 % kClasses));
  return images;
}

SessionSpec spec_for(const std::string& backend, const HeadSpec& head, OptimizerSpec::Type optimizer) {
  SessionSpec spec{};
  spec.backend = backend;
  spec.options.deterministic = 1;
  spec.seed = kSeed;
  spec.network = kNetwork;
  spec.head = head;
  spec.head.num_classes = kClasses;
  if (!head.class_weights.empty()) spec.head.class_weights = Random(5).uniform(kClasses, 0.5, 2);
  spec.normalization = {{0.5f}, {0.25f}};
  spec.batch_size = kBatch;
  spec.optimizer.type = optimizer;
  spec.optimizer.weight_decay = 0.01f;
  spec.optimizer.clip_gradients = 1;
  spec.class_share = kShare;
  return spec;
}

const std::atomic<bool> kNever{false};

StepsRequest request_for(int64_t step, int64_t steps, float lambda) {
  StepsRequest request;
  request.batch_size = kBatch;
  for (int64_t i = 0; i < steps * kBatch; ++i)
    request.order.push_back(static_cast<int32_t>((step * kBatch + i) % kSamples));
  request.values.assign(steps, {0.01f, lambda, 1});
  return request;
}

bool belongs_to_classes(const std::string& name) { return name.rfind("head.", 0) == 0 && name != "head.scale"; }

Floats rows_of(const Floats& whole, const Ints& rows) {
  const auto columns = static_cast<int64_t>(whole.size()) / kClasses;
  Floats part;
  for (const int32_t row : rows)
    part.insert(part.end(), whole.begin() + row * columns, whole.begin() + (row + 1) * columns);
  return part;
}

struct State {
  std::vector<std::string> names;
  std::vector<Floats> values;
  std::vector<std::vector<Floats>> moments;  // by parameter, of trained ones
};

State state_of(Session& session, int moments) {
  State state;
  for (const auto& entry : session.table().entries()) {
    state.names.push_back(entry.spec.name);
    state.values.push_back(session.read_trained_parameter(entry.spec.name));
    auto& each = state.moments.emplace_back();
    for (int moment = 0; entry.spec.is_trained() && moment < moments; ++moment)
      each.push_back(session.read_moment(entry.spec.name, moment));
  }
  return state;
}

/// Of what belongs to classes these rows.
State with_rows(State state, const Ints& rows) {
  for (size_t i = 0; i < state.names.size(); ++i) {
    if (!belongs_to_classes(state.names[i])) continue;
    state.values[i] = rows_of(state.values[i], rows);
    for (Floats& moment : state.moments[i]) moment = rows_of(moment, rows);
  }
  return state;
}

void write(Session& session, const State& state) {
  for (size_t i = 0; i < state.names.size(); ++i) {
    session.write_trained_parameter(state.names[i], state.values[i].data(),
                                    static_cast<int64_t>(state.values[i].size()));
    for (size_t moment = 0; moment < state.moments[i].size(); ++moment)
      session.write_moment(state.names[i], static_cast<int64_t>(moment), state.moments[i][moment]);
  }
}

}  // namespace

TEST_CASE("a step trains the drawn classes as one of a head of these alone, and leaves the others as they are") {
  const Images images = make_images();
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::AdamW}) {
      const int moments = optimizer == OptimizerSpec::Type::Sgd ? 1 : 2;
      for (const HeadKind& kind : kHeadKinds) {
        if (!can_draw(kind.spec)) continue;
        CAPTURE(backend);
        CAPTURE(kind.name);
        SessionSpec spec = spec_for(backend, kind.spec, optimizer);
        const ClassDraw draw = draw_of({0, kClasses}, kClasses, kShare);
        Session session(spec);
        session.open();
        session.set_training_data({images.pixels.data(), images.labels.data(), kSamples});
        for (int64_t step = 0; step < 3; ++step) {
          const StepsRequest request = request_for(step, 1, kind.lambda);
          Ints labels;
          for (const int32_t sample : request.order) labels.push_back(images.labels[sample]);
          const Ints drawn = reference::drawn_classes(labels, draw, kSeed, step);
          const State before = state_of(session, moments);
          const StepsResult found = session.run_steps(request, kNever);
          const State after = state_of(session, moments);

          SessionSpec alone = spec;
          alone.class_share = 1;
          alone.head.num_classes = static_cast<int64_t>(drawn.size());
          if (!spec.head.class_weights.empty()) alone.head.class_weights = rows_of(spec.head.class_weights, drawn);
          Session expected(alone);
          expected.open();
          Ints all_places = reference::places_of(images.labels, drawn);
          for (int32_t& place : all_places) place = std::max(place, 0);  // of images that are not in this batch
          expected.set_training_data({images.pixels.data(), all_places.data(), kSamples});
          write(expected, with_rows(before, drawn));
          expected.trainer().set_step(step);
          const StepsResult reference = expected.run_steps(request, kNever);

          REQUIRE(found.reports.size() == 1);
          CHECK(found.reports[0].loss == reference.reports[0].loss);
          CHECK(found.reports[0].correct == reference.reports[0].correct);
          CHECK(found.reports[0].gradient_norm == reference.reports[0].gradient_norm);
          const State trained = with_rows(after, drawn), wanted = state_of(expected, moments);
          CHECK(trained.values == wanted.values);  // bit for bit
          CHECK(trained.moments == wanted.moments);
          Ints others;
          for (int32_t j = 0; j < kClasses; ++j)
            if (std::find(drawn.begin(), drawn.end(), j) == drawn.end()) others.push_back(j);
          REQUIRE(others.size() == kClasses - drawn.size());
          for (size_t i = 0; i < before.names.size(); ++i) {
            if (!belongs_to_classes(before.names[i])) continue;
            CHECK(rows_of(after.values[i], others) == rows_of(before.values[i], others));
            for (size_t moment = 0; moment < before.moments[i].size(); ++moment)
              CHECK(rows_of(after.moments[i][moment], others) == rows_of(before.moments[i][moment], others));
          }
        }
      }
    }
  }
}

TEST_CASE("many steps at once draw as one by one do, and what was trained predicts as a whole") {
  const Images images = make_images();
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    const SessionSpec spec = spec_for(backend, head(true, true, 8, kArcFace), OptimizerSpec::Type::Sgd);
    const auto trained = [&](int64_t at_once) {
      Session session(spec);
      session.open();
      session.set_training_data({images.pixels.data(), images.labels.data(), kSamples});
      for (int64_t step = 0; step < 24; step += at_once) session.run_steps(request_for(step, at_once, 0), kNever);
      const auto scores = [&] {
        Floats scores(kSamples * kClasses);
        PredictRequest request{.images = images.pixels.data(), .count = kSamples};
        request.scores = scores.data();
        session.predict(request, kNever);
        return scores;
      };
      const Floats during = scores();
      const Floats weights = session.read_parameter("head.weight");
      session.end_training();
      CHECK(session.read_parameter("head.weight") == weights);
      CHECK(scores() == during);
      return weights;
    };
    CHECK(trained(24) == trained(1));
  }
}

TEST_CASE("what classes cannot be drawn for is refused") {
  const Images images = make_images();
  for (const std::string& backend : backend_names()) {
    const auto refused = [&](const std::function<void(SessionSpec&)>& change) -> std::string {
      SessionSpec spec = spec_for(backend, head(true, true, 8, kArcFace), OptimizerSpec::Type::Sgd);
      change(spec);
      try {
        Session session(spec);
        session.open();
        session.set_training_data({images.pixels.data(), images.labels.data(), kSamples});
        session.run_steps(request_for(0, 1, 0), kNever);
      } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidOption);
        return error.what();
      }
      return "";
    };
    CHECK(refused([](SessionSpec&) {}) == "");
    const auto has = [](const std::string& message, const std::string& words) {
      return message.find(words) != std::string::npos;
    };
    const std::string beside = "sampleClasses: expected all classes to be compared beside ";
    CHECK(has(refused([](SessionSpec& spec) { spec.head.scaled_bn = ScaledBn{}; }), beside + "scaled batch norm"));
    CHECK(has(refused([](SessionSpec& spec) { spec.head.label_smoothing = 0.1f; }), beside + "label smoothing"));
    CHECK(has(refused([](SessionSpec& spec) { spec.head.fixed_weights = true; }), beside + "fixed class weights"));
    CHECK(has(refused([](SessionSpec& spec) { spec.augmentation.mixup = 0.2f; }), beside + "mixup and cutmix"));
    for (const double share : {0.0, -0.5, 1.5, std::nan("")})
      CHECK(has(refused([&](SessionSpec& spec) { spec.class_share = share; }), "expected a share above 0 and up to 1"));
    CHECK(refused([](SessionSpec& spec) { spec.class_share = 0.01; }) ==
          "sampleClasses: of classes 0 to 7 a step compares 1, but a batch has images of 3 of them: raise it, take "
          "smaller "
          "batches, or shuffle the images");
  }
}

}  // namespace margincore::test
