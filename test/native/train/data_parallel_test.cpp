// Ranks that share batches come to what one process comes to.
#include "train/data_parallel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "comm/device_exchange.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/head_kinds.h"
#include "support/session_run.h"
#include "support/thread_ranks.h"

namespace margincore::test {

namespace {

constexpr int64_t kClasses = 10;

/// Without batch norm, whose statistics are those of a rank's rows. Odd sizes: rows begin anywhere among the draws of dropout.
const NetworkSpec kNetwork = {{7, 7, 1},
                              {{"conv", Conv2dSpec{3, 3, 3}},
                               {"", ReluSpec{}},
                               {"", DropoutSpec{0.25f}},
                               {"", MaxPool2dSpec{2, 2}},
                               {"fc", LinearSpec{9}}}};
const NetworkSpec kWithBatchNorm = {
    {7, 7, 1}, {{"conv", Conv2dSpec{3, 3, 3}}, {"bn", BatchNormSpec{}}, {"", ReluSpec{}}, {"fc", LinearSpec{9}}}};

/// Of whose gradients more than the first bucket's bytes are one layer's.
const NetworkSpec kLarge = {{7, 7, 1},
                            {{"conv", Conv2dSpec{3, 3, 3}},
                             {"", ReluSpec{}},
                             {"first", LinearSpec{600}},
                             {"", ReluSpec{}},
                             {"second", LinearSpec{600}},
                             {"", ReluSpec{}},
                             {"third", LinearSpec{9}}}};

/// In each of the ways that its layer can be called: with a bias before it, a ReLU and a residual, in place and not.
const NetworkSpec kManyBatchNorms = {
    {7, 7, 1},
    {{"conv1", Conv2dSpec{4, 3, 3}},
     {"bn1", BatchNormSpec{}},
     {"relu1", ReluSpec{}},
     {"conv2", Conv2dSpec{.out_channels = 4, .kernel_height = 3, .kernel_width = 3, .padding = 1}},
     {"bn2", BatchNormSpec{}},
     {"sum", AddSpec{}, {4, 2}},
     {"relu2", ReluSpec{}},
     {"fc", LinearSpec{9}},
     {"bn3", BatchNormSpec{}}}};

struct Found {
  Floats losses, gradient_norms, logit_gradient_norms;
  Ints correct, past_pi;
  Floats first_running_mean;                  // after the first step, where there is batch norm
  std::vector<Floats> gradients, parameters;  // after the first step, and after the last
  std::vector<Floats> moments;                // after the last
  // Of all samples, with what was trained: while it is still sharded, and once training has ended.
  Floats scores, probabilities, cosines, embeddings, angles, class_norms, scores_at_end;
  std::vector<Floats> parameters_at_end;
};

/// How ranks share the work.
enum class Classes { Replicated, Sharded };

struct Variant {
  int64_t at_a_time = 1;  // steps
  int64_t classes = kClasses;
  double class_share = 1;
  bool sync_batch_norm = false;
  Augmentation augmentation = {};
  bool streamed = false;  // images
  Precision precision = Precision::Fp32;
};

/// `steps` steps of `batch` images and one of what remains, by this rank. Of a GPU each rank has its own.
Found train(const std::string& backend, Communicator* ranks, const NetworkSpec& network, const HeadKind& kind,
            int64_t batch, int64_t steps, Classes classes = Classes::Replicated, const Variant& variant = {}) {
  SessionSpec spec{};
  spec.backend = backend;
  spec.options.device_index = ranks == nullptr || backend == "cpu" ? 0 : ranks->info().rank;
  spec.options.deterministic = 1;
  spec.options.threads = 1;
  spec.seed = 3;
  spec.network = network;
  spec.head = kind.spec;
  spec.head.num_classes = variant.classes;
  if (!spec.head.class_weights.empty()) spec.head.class_weights = Random(5).uniform(variant.classes, 0.5, 2);
  spec.class_share = variant.class_share;
  spec.sync_batch_norm = variant.sync_batch_norm;
  spec.augmentation = variant.augmentation;
  spec.options.precision = variant.precision;
  spec.normalization = {{0.5f}, {0.25f}};
  spec.batch_size = batch;
  spec.optimizer.type = OptimizerSpec::Type::Sgd;
  spec.optimizer.clip_gradients = 5;
  spec.ranks = ranks;
  spec.shard_classes = classes == Classes::Sharded;
  Session session(spec);
  session.open();

  Random random(1);
  const int64_t samples = 3 * batch, pixels_each = network.input.count();
  const Ints pixels = random.integers(samples * pixels_each, 0, 255);
  const Bytes images(pixels.begin(), pixels.end());
  const Ints labels = random.integers(samples, 0, static_cast<int32_t>(variant.classes - 1));
  session.set_training_data(
      {.images = images.data(), .labels = labels.data(), .count = samples, .always_streamed = variant.streamed});

  Found found;
  const std::atomic<bool> never{false};
  for (int64_t step = 0, count; step <= steps; step += count) {
    // The first is alone, for its gradients.
    count = step == 0 || step == steps ? 1 : std::min(variant.at_a_time, steps - step);
    StepsRequest request;
    request.batch_size = batch;
    const int64_t size = step < steps ? count * batch : 2;  // fewer than ranks
    for (int64_t i = 0; i < size; ++i) request.order.push_back(static_cast<int32_t>((step * batch + i) % samples));
    request.values.assign(count, {0.01f, kind.lambda, 1});
    const StepsResult result = session.run_steps(request, never);
    REQUIRE(static_cast<int64_t>(result.reports.size()) == count);
    for (const StepReport& report : result.reports) {
      found.losses.push_back(report.loss);
      found.gradient_norms.push_back(report.gradient_norm);
      found.logit_gradient_norms.push_back(report.logit_gradient_norm);
      found.correct.push_back(report.correct);
      found.past_pi.push_back(report.past_pi);
    }
    if (step > 0) continue;
    for (const auto& entry : session.table().entries())
      if (entry.spec.name == "bn.runningMean" || entry.spec.name == "bn1.runningMean")
        found.first_running_mean = session.read_parameter(entry.spec.name);
    for (const auto& entry : session.table().entries())
      if (entry.spec.is_trained() && variant.class_share == 1)
        found.gradients.push_back(session.read_gradient(entry.spec.name));
  }
  for (const auto& entry : session.table().entries()) {
    found.parameters.push_back(session.read_parameter(entry.spec.name));
    if (entry.spec.is_trained()) found.moments.push_back(session.read_moment(entry.spec.name, 0));
  }

  const auto predict = [&](Floats& scores) {
    PredictRequest request{.images = images.data(), .count = samples};
    const auto wanted = [](Floats& values, int64_t count) {
      values = Floats(count);
      return values.data();
    };
    request.scores = wanted(scores, samples * variant.classes);
    request.probabilities = wanted(found.probabilities, samples * variant.classes);
    if (session.head().has_centres()) request.cosines = wanted(found.cosines, samples * variant.classes);
    request.embeddings = wanted(found.embeddings, samples * session.head().embedding_size());
    request.labels = labels.data();
    request.angles = wanted(found.angles, 2 * samples);
    request.class_norms = wanted(found.class_norms, variant.classes);
    CHECK(session.predict(request, never).count == samples);
  };
  predict(found.scores);
  session.end_training();
  predict(found.scores_at_end);
  for (const auto& entry : session.table().entries())
    found.parameters_at_end.push_back(session.parameters().read_value(entry.spec.name));
  return found;
}

double largest(const Floats& values) {
  double most = 0;
  for (const float value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

double largest_difference(const Floats& found, const Floats& expected) {
  REQUIRE(found.size() == expected.size());
  double most = 0;
  for (size_t i = 0; i < found.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(found[i]) - expected[i]));
  return most;
}

/// As a share of the largest entry of all: a bias before scaled batch norm has a gradient that is nothing but rounding.
void expect_near(const std::vector<Floats>& found, const std::vector<Floats>& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  double all = 0;
  for (const Floats& each : expected) all = std::max(all, largest(each));
  for (size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(largest_difference(found[i], expected[i]) <= tolerance * all);
  }
}

void expect_near(const Floats& found, const Floats& expected, double tolerance) {
  CHECK(largest_difference(found, expected) <= tolerance * largest(expected));
}

/// body(backend, counts of ranks) on each that several ranks can have: of GPUs as many ranks as there are, and with NCCL.
void on_backends(const std::vector<int32_t>& cpu,
                 const std::function<void(const std::string&, std::vector<int32_t>)>& body) {
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    if (backend == "cpu") {
      body(backend, cpu);
      continue;
    }
    const BackendInfo info = availability(backend).info;
    const DeviceEngine engine = find_device_engine();
    if (!engine.available) {
      CHECK_MESSAGE(!info.simulated, engine.text);
      MESSAGE("ranks on GPUs are not tested: " << engine.text);
      continue;
    }
    std::vector<int32_t> counts = {1, 2, 4};
    if (info.simulated) CHECK_MESSAGE(info.devices >= 4, "ctest sets MARGINCORE_SIM_DEVICES");
    std::erase_if(counts, [&](int32_t count) { return count > info.devices; });
    body(backend, counts);
  }
}

/// Where a step takes long, on a simulated device, a few heads stand for all.
bool is_one_of_few(const HeadKind& kind) {
  return &kind == &kHeadKinds.front() || kind.name == "arcface, learned" || &kind == &kHeadKinds.back();
}
bool is_simulated(const std::string& backend) { return availability(backend).info.simulated != 0; }

/// And all are tried with two ranks, these few with each count.
std::vector<int32_t> counts_for(const HeadKind& kind, const std::string& backend, const std::vector<int32_t>& counts) {
  return !is_simulated(backend) || is_one_of_few(kind) ? counts : std::vector<int32_t>{2};
}

}  // namespace

TEST_CASE("a batch's rows are divided without gap, and alike to within one") {
  for (const int64_t batch : {1, 2, 7, 8, 128, 1000}) {
    for (const int32_t ranks : {1, 2, 3, 8}) {
      int64_t next = 0, least = batch, most = 0;
      for (int32_t rank = 0; rank < ranks; ++rank) {
        const RowRange rows = rows_of_rank(batch, rank, ranks);
        CHECK(rows.first == next);
        next += rows.count;
        least = std::min(least, rows.count);
        most = std::max(most, rows.count);
      }
      CHECK(next == batch);
      CHECK(most - least <= 1);
      CHECK(most_rows_of_rank(batch, ranks) == most);
    }
  }
}

TEST_CASE("ranks come to the gradients, the losses and the parameters of one process, whatever the head") {
  on_backends({2, 4, 8}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    for (const HeadKind& kind : kHeadKinds) {
      CAPTURE(kind.name);
      const Found one = train(backend, nullptr, kNetwork, kind, 13, 20);
      for (const int32_t ranks : counts_for(kind, backend, counts)) {
        CAPTURE(ranks);
        const auto found = on_ranks<Found>(
            ranks, [&](Communicator& communicator) { return train(backend, &communicator, kNetwork, kind, 13, 20); });
        // Rounding is divided by the deviation of the logits there.
        expect_near(found[0].gradients, one.gradients, kind.spec.scaled_bn ? 2e-6 : 1e-6);
        expect_near(found[0].parameters, one.parameters, 1e-4);
        expect_near(found[0].losses, one.losses, 1e-4);
        expect_near(found[0].gradient_norms, one.gradient_norms, 1e-4);
        for (const Found& other : found) {
          CHECK(other.parameters == found[0].parameters);  // bit for bit
          CHECK(other.losses == found[0].losses);
        }
        if (ranks > 1) continue;
        CHECK(found[0].parameters == one.parameters);
        CHECK(found[0].losses == one.losses);
      }
    }
  });
}

TEST_CASE("ranks that divide the classes come to what one process comes to, whatever the head") {
  // Ten classes: of four ranks and of eight, some have one more.
  on_backends({1, 2, 4, 8}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    for (const HeadKind& kind : kHeadKinds) {
      CAPTURE(kind.name);
      const Found one = train(backend, nullptr, kNetwork, kind, 13, 20);
      for (const int32_t ranks : counts_for(kind, backend, counts)) {
        CAPTURE(ranks);
        const auto found = on_ranks<Found>(ranks, [&](Communicator& communicator) {
          return train(backend, &communicator, kNetwork, kind, 13, 20, Classes::Sharded);
        });
        const double tolerance = kind.spec.scaled_bn ? 2e-6 : 1e-6;
        const Found& first = found[0];
        expect_near(first.gradients, one.gradients, tolerance);
        expect_near(first.losses, one.losses, 1e-4);
        expect_near(first.gradient_norms, one.gradient_norms, 1e-4);
        expect_near(first.logit_gradient_norms, one.logit_gradient_norms, 1e-4);
        CHECK(first.correct == one.correct);
        CHECK(first.past_pi == one.past_pi);
        for (const auto& [values, expected] :
             {std::pair(&first.parameters, &one.parameters), {&first.moments, &one.moments}})
          expect_near(*values, *expected, 1e-4);
        for (const auto& [values, expected] : {std::pair(&first.scores, &one.scores),
                                               {&first.probabilities, &one.probabilities},
                                               {&first.cosines, &one.cosines},
                                               {&first.embeddings, &one.embeddings},
                                               {&first.angles, &one.angles},
                                               {&first.class_norms, &one.class_norms}})
          expect_near(*values, *expected, 1e-4);
        for (const Found& each : found) {
          CHECK(each.parameters == first.parameters);
          CHECK(each.losses == first.losses);
          CHECK(each.scores == first.scores);
          CHECK(each.angles == first.angles);
          CHECK(each.parameters_at_end == first.parameters);  // whole, in all of them
          expect_near(each.scores_at_end, first.scores, 1e-6);
        }
      }
    }
  });
}

TEST_CASE("ranks compare the classes that one process draws, whatever the head, replicated and sharded") {
  on_backends({2, 3, 8}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    const Variant some{.classes = 90, .class_share = 0.5};  // eight blocks of twelve, the last of six
    for (const HeadKind& kind : kHeadKinds) {
      if (is_simulated(backend) && !is_one_of_few(kind)) continue;
      if (kind.spec.scaled_bn || kind.spec.label_smoothing > 0 || kind.spec.fixed_weights) continue;
      CAPTURE(kind.name);
      const Found one = train(backend, nullptr, kNetwork, kind, 13, 20, Classes::Replicated, some);
      for (const Classes classes : {Classes::Replicated, Classes::Sharded}) {
        for (const int32_t ranks : counts) {
          CAPTURE(ranks);
          CAPTURE(static_cast<int>(classes));
          const auto found = on_ranks<Found>(ranks, [&](Communicator& communicator) {
            return train(backend, &communicator, kNetwork, kind, 13, 20, classes, some);
          });
          const Found& first = found[0];
          CHECK(first.correct == one.correct);
          CHECK(first.past_pi == one.past_pi);
          expect_near(first.losses, one.losses, 1e-4);
          expect_near(first.gradient_norms, one.gradient_norms, 1e-4);
          for (const auto& [values, expected] :
               {std::pair(&first.parameters, &one.parameters), {&first.moments, &one.moments}})
            expect_near(*values, *expected, 1e-4);
          expect_near(first.scores_at_end, one.scores_at_end, 1e-4);
          for (const Found& each : found) {
            CHECK(each.parameters == first.parameters);  // bit for bit
            CHECK(each.moments == first.moments);
            CHECK(each.losses == first.losses);
          }
        }
      }
    }
  });
}

TEST_CASE("more ranks than blocks of classes from which some are drawn are refused") {
  if (!is_chosen("cpu")) return;  // another run's
  const auto refused = on_ranks<std::string>(4, [&](Communicator& communicator) -> std::string {
    try {
      train("cpu", &communicator, kNetwork, kHeadKinds.front(), 13, 1, Classes::Sharded,
            {.classes = 9, .class_share = 0.9});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  });
  for (const std::string& message : refused)
    CHECK(message ==
          "sampleClasses: expected at most 3 processes, one for each 4 classes from which some are drawn, but there "
          "are 4");
}

TEST_CASE("with the statistics of all their rows ranks come to one process's step through batch norm as well") {
  on_backends({1, 2, 3, 8}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    const Variant synced{.sync_batch_norm = true};
    for (const HeadKind& kind : {kHeadKinds.front(), kHeadKinds.back()}) {
      CAPTURE(kind.name);
      // The last batch has two images: of three and more ranks some have none.
      const Found one = train(backend, nullptr, kManyBatchNorms, kind, 13, 5);
      for (const int32_t ranks : counts) {
        CAPTURE(ranks);
        const auto found = on_ranks<Found>(ranks, [&](Communicator& communicator) {
          return train(backend, &communicator, kManyBatchNorms, kind, 13, 5, Classes::Replicated, synced);
        });
        const Found& first = found[0];
        expect_near(first.gradients, one.gradients, 1e-6);
        expect_near(first.first_running_mean, one.first_running_mean, 1e-6);
        expect_near(first.parameters, one.parameters, 1e-4);  // running statistics among them
        expect_near(first.losses, one.losses, 1e-4);
        for (const Found& each : found) {
          CHECK(each.parameters == first.parameters);  // bit for bit
          CHECK(each.losses == first.losses);
        }
      }
      // Else each has those of its own rows, and comes to something else.
      if (counts.back() < 2) continue;
      const auto apart = on_ranks<Found>(
          2, [&](Communicator& communicator) { return train(backend, &communicator, kManyBatchNorms, kind, 13, 5); });
      CHECK(largest_difference(apart[0].losses, one.losses) > 1e-3);
    }
  });
}

TEST_CASE("images that are mixed have the partners that they have in one process, of whichever rank these are") {
  on_backends({2, 3, 8}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    for (const bool streamed : {false, true}) {
      const Variant mixed{.augmentation = {.crop_padding = 1, .mixup = 0.5f, .cutmix = 1}, .streamed = streamed};
      for (const HeadKind& kind : kHeadKinds) {
        if (!takes_two_labels(kind.spec) || !is_one_of_few(kind)) continue;
        CAPTURE(kind.name);
        CAPTURE(streamed);
        // The last batch has two images: each of two ranks has the other's partner.
        const Found one = train(backend, nullptr, kNetwork, kind, 13, 10, Classes::Replicated, mixed);
        for (const int32_t ranks : counts) {
          CAPTURE(ranks);
          const auto found = on_ranks<Found>(ranks, [&](Communicator& communicator) {
            return train(backend, &communicator, kNetwork, kind, 13, 10, Classes::Replicated, mixed);
          });
          expect_near(found[0].gradients, one.gradients, 1e-6);
          expect_near(found[0].parameters, one.parameters, 1e-4);
          expect_near(found[0].losses, one.losses, 1e-4);
          CHECK(found[0].correct == one.correct);
          for (const Found& each : found) CHECK(each.parameters == found[0].parameters);  // bit for bit
        }
      }
    }
  });
}

TEST_CASE("in bf16 ranks train as one process does, to the rounding of their gradients, and to the same bits") {
  on_backends({2, 3}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    if (availability(backend).info.bf16 == 0) return;  // refused by name: precision_test.cpp
    const Variant narrow{.precision = Precision::Bf16};
    for (const Classes classes : {Classes::Replicated, Classes::Sharded}) {
      CAPTURE(static_cast<int>(classes));
      const HeadKind kind = kHeadKinds.front();
      const Found one = train(backend, nullptr, kNetwork, kind, 13, 10, Classes::Replicated, narrow);
      for (const int32_t ranks : counts) {
        CAPTURE(ranks);
        const auto found = on_ranks<Found>(ranks, [&](Communicator& communicator) {
          return train(backend, &communicator, kNetwork, kind, 13, 10, classes, narrow);
        });
        // One unit in the last place is 2^-8 of a number.
        expect_near(found[0].gradients, one.gradients, 1e-2);
        expect_near(found[0].losses, one.losses, 1e-2);
        for (const Found& each : found) {
          CHECK(each.parameters == found[0].parameters);
          CHECK(each.losses == found[0].losses);
        }
      }
    }
  });
}

TEST_CASE("running statistics of ranks are the mean of theirs, and the same in all of them") {
  on_backends({4}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    const HeadKind kind = kHeadKinds.front();
    const auto found = on_ranks<Found>(counts.back(), [&](Communicator& communicator) {
      return train(backend, &communicator, kWithBatchNorm, kind, 12, 5);
    });
    for (const Found& other : found) CHECK(other.parameters == found[0].parameters);
    // Ranks have as many rows each in the first step: the mean of their means is that of the batch.
    const Found one = train(backend, nullptr, kWithBatchNorm, kind, 12, 5);
    REQUIRE(one.first_running_mean.size() == 3);
    for (const Found& each : found) expect_near(each.first_running_mean, one.first_running_mean, 1e-5);
  });
}

TEST_CASE("steps of ranks that are given to a device eight at a time come to the bits of steps one by one") {
  on_backends({2}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    for (const Classes classes : {Classes::Replicated, Classes::Sharded}) {
      const auto run = [&](int64_t at_a_time) {
        return on_ranks<Found>(counts.back(), [&](Communicator& communicator) {
          return train(backend, &communicator, kWithBatchNorm, kHeadKinds.front(), 12, 20, classes,
                       {.at_a_time = at_a_time});
        });
      };
      const std::vector<Found> one_by_one = run(1), many = run(20);
      CHECK(many[0].losses == one_by_one[0].losses);
      CHECK(many[0].parameters == one_by_one[0].parameters);
    }
  });
}

TEST_CASE("gradients that are added up in several parts, beside the backward pass, are all there for the update") {
  on_backends({2}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    const HeadKind kind = kHeadKinds.front();
    const Found one = train(backend, nullptr, kLarge, kind, 13, 5);
    const auto found = on_ranks<Found>(
        counts.back(), [&](Communicator& communicator) { return train(backend, &communicator, kLarge, kind, 13, 5); });
    expect_near(found[0].gradients, one.gradients, 1e-6);
    expect_near(found[0].parameters, one.parameters, 1e-4);
    for (const Found& other : found) CHECK(other.parameters == found[0].parameters);
  });
}

TEST_CASE("a rank that waits for another's device in vain says so after the deadline, and goes on to its end") {
  on_backends({}, [](const std::string& backend, const std::vector<int32_t>& counts) {
    if (backend == "cpu" || counts.back() < 2) return;
    const auto said = on_ranks<std::string>(2, [&](Communicator& communicator) -> std::string {
      SessionSpec spec{};
      spec.backend = backend;
      spec.options.device_index = communicator.info().rank;
      spec.network = kNetwork;
      spec.head = arcface(kClasses, 8, 0.3f);
      spec.normalization = {{0.5f}, {0.25f}};
      spec.batch_size = 8;
      static_cast<ThreadRank&>(communicator).set_timeout(5);
      spec.ranks = &communicator;
      Session session(spec);
      session.open();
      const Bytes images(16 * 49, 100);
      const Ints labels(16, 1);
      session.set_training_data({images.data(), labels.data(), 16});
      const std::atomic<bool> never{false};
      const auto steps = [&](int64_t count) {
        StepsRequest request;
        request.batch_size = 8;
        for (int64_t i = 0; i < count * 8; ++i) request.order.push_back(static_cast<int32_t>(i % 16));
        request.values.assign(count, {0.01f, 0, 1});
        session.run_steps(request, never);
      };
      steps(3);
      if (communicator.info().rank == 1) return "";  // its session ends, and waits for nobody
      try {
        steps(2);
      } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::RankFailed);
        CHECK_THROWS_WITH_AS(steps(1), doctest::Contains("an exchange has failed before"), Error);
        return error.what();
      }
      return "it went on";
    });
    CHECK(said[0].find("steps 4 to 5: ") == 0);
    CHECK(said[0].find("another rank was waited for longer than 5 s") != std::string::npos);
  });
}

TEST_CASE("what ranks cannot do is refused by name") {
  const auto refused = [](const SessionSpec& given) {
    return on_ranks<std::string>(1, [&](Communicator& communicator) -> std::string {
      SessionSpec spec = given;
      spec.ranks = &communicator;
      try {
        Session session(spec);
        session.open();
      } catch (const Error& error) {
        return error.what();
      }
      return "";
    })[0];
  };
  for (const std::string& backend : backend_names()) {
    SessionSpec spec{};
    spec.backend = backend;
    spec.network = kNetwork;
    spec.head = arcface(kClasses, 8, 0.3f);
    spec.normalization = {{0.5f}, {0.25f}};
    spec.batch_size = 8;
    if (backend != "cpu" && !find_device_engine().available) {
      CHECK(refused(spec).find("training by several processes on GPUs needs NCCL: looked for libnccl.so.2") == 0);
      continue;
    }
    CHECK(refused(spec) == "");
    spec.augmentation.mixup = 0.2f;
    CHECK(refused(spec) == "");
    spec.shard_classes = true;
    CHECK(refused(spec).find("mixup and cutmix need a head that each process has whole") != std::string::npos);
  }
}

}  // namespace margincore::test
