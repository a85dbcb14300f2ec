#include <chrono>

#include "data/permutation.h"
#include "kinds.h"
#include "specs.h"

namespace margincore::jobs {

namespace {

const std::atomic<bool> kNotCancelled{false};

struct Open {
  std::unique_ptr<Session> session;
  uint32_t epoch = 0;
};

std::map<std::string, Open>& sessions() {
  static std::map<std::string, Open> open;
  return open;
}

}  // namespace

/// Whole shuffled batches. The clock runs over all of an epoch: its order is made and uploaded, its reports fetched.
Answer training(const Job& job) {
  const SessionSpec spec = session_of(job);
  const Samples& data = samples(job.text("images"), job.text("labels"));
  const int64_t count = static_cast<int64_t>(data.labels.size()), steps = count / spec.batch_size;
  const int64_t epochs = job.integer("epochs");
  const StepValues values{static_cast<float>(job.number("learningRate")), 0, 1};
  job.expect_all_read();

  Open& open = sessions()[format("%s %lld %d", job.text("network", "").c_str(), static_cast<long long>(spec.batch_size),
                                 static_cast<int>(spec.options.precision))];
  if (!open.session) {
    auto session = std::make_unique<Session>(spec);
    session->open();
    session->set_training_data(data.data());
    open.session = std::move(session);
  }
  double loss = 0;
  const auto started = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < epochs; ++i) {
    StepsRequest request;
    request.epoch = open.epoch++;
    request.order = permutation(spec.seed, request.epoch, count);
    request.order.resize(steps * spec.batch_size);
    request.batch_size = spec.batch_size;
    request.values.assign(steps, values);
    const StepsResult result = open.session->run_steps(request, kNotCancelled);
    expect_finite(result);
    loss = result.reports.back().loss;
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  Answer answer;
  answer.add("seconds", elapsed.count()).add("images", static_cast<double>(epochs * steps * spec.batch_size));
  answer.add("steps", static_cast<double>(epochs * steps)).add("loss", loss);
  answer.add("parameters", static_cast<double>(open.session->table().parameter_count()));
  return answer;
}

Answer parameters(const Job& job) {
  return Answer().add("parameters", static_cast<double>(Session(session_of(job)).table().parameter_count()));
}

Answer close_sessions(const Job&) {
  sessions().clear();
  return {};
}

}  // namespace margincore::jobs
