#include <algorithm>
#include <chrono>
#include <cmath>

#include "data/permutation.h"
#include "jobs.h"
#include "specs.h"

namespace margincore::jobs {

namespace {

const std::atomic<bool> kNotCancelled{false};

double mean_loss(const StepsResult& result) {
  double sum = 0;
  for (const StepReport& report : result.reports) sum += report.loss;
  return sum / static_cast<double>(result.reports.size());
}

int64_t count_correct(const std::vector<float>& scores, const std::vector<int32_t>& labels, int64_t classes) {
  int64_t correct = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto row = scores.begin() + static_cast<int64_t>(i) * classes;
    correct += std::max_element(row, row + classes) - row == labels[i];
  }
  return correct;
}

}  // namespace

/// Whole shuffled batches, the learning rate falling to 0 along a cosine.
Answer epochs(const Job& job) {
  const SessionSpec spec = session_of(job);
  Session session(spec);
  const Samples& data = samples(job.text("images"), job.text("labels"));
  const Samples& test = samples(job.text("testImages"), job.text("testLabels"));
  const int64_t count = static_cast<int64_t>(data.labels.size()), per_epoch = count / spec.batch_size;
  const int64_t epochs = job.integer("epochs"), total = epochs * per_epoch;
  const double rate = job.number("learningRate");
  const std::string out = job.text("out");
  job.expect_all_read();

  session.open();
  session.set_training_data(data.data());
  std::vector<double> losses, seconds;
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    StepsRequest request;
    request.epoch = static_cast<uint32_t>(epoch);
    request.order = permutation(spec.seed, request.epoch, count);
    request.order.resize(per_epoch * spec.batch_size);
    request.batch_size = spec.batch_size;
    for (int64_t step = epoch * per_epoch; step < (epoch + 1) * per_epoch; ++step) {
      const double share = static_cast<double>(step) / static_cast<double>(total);
      request.values.push_back({static_cast<float>(rate * 0.5 * (1 + std::cos(std::acos(-1.0) * share))), 0, 1});
    }
    const auto started = std::chrono::steady_clock::now();
    const StepsResult result = session.run_steps(request, kNotCancelled);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
    expect_finite(result);
    losses.push_back(mean_loss(result));
  }

  const int64_t tested = static_cast<int64_t>(test.labels.size());
  std::vector<float> scores(tested * session.head().num_classes()),
      embeddings(tested * session.head().embedding_size());
  PredictRequest request;
  request.images = test.images.data();
  request.count = tested;
  request.scores = scores.data();
  request.embeddings = embeddings.data();
  session.predict(request, kNotCancelled);
  const int64_t correct = count_correct(scores, test.labels, session.head().num_classes());

  ArrayFile arrays;
  arrays.add("embeddings", std::move(embeddings));
  Answer answer;
  answer.add("losses", losses).add("seconds", seconds);
  answer.add("accuracy", static_cast<double>(correct) / static_cast<double>(tested));
  arrays.write(out, answer);
  return answer;
}

}  // namespace margincore::jobs
