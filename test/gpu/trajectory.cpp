#include <numeric>

#include "jobs.h"
#include "specs.h"

namespace margincore::jobs {

namespace {

const std::atomic<bool> kNotCancelled{false};

void add_predictions(ArrayFile& arrays, const std::string& when, Session& session, const Samples& data, int64_t count) {
  std::vector<float> scores(count * session.head().num_classes()), embeddings(count * session.head().embedding_size());
  PredictRequest request;
  request.images = data.images.data();
  request.count = count;
  request.scores = scores.data();
  request.embeddings = embeddings.data();
  session.predict(request, kNotCancelled);
  arrays.add(when + "/scores", std::move(scores));
  arrays.add(when + "/embeddings", std::move(embeddings));
}

void add_parameters(ArrayFile& arrays, const std::string& when, Session& session) {
  for (const ParameterTable::Entry& entry : session.table().entries())
    arrays.add(when + "/" + entry.spec.name, session.parameters().read_value(entry.spec.name));
}

void add_gradients(ArrayFile& arrays, Session& session) {
  for (const ParameterTable::Entry& entry : session.table().entries())
    if (entry.spec.group != ParameterGroup::State)
      arrays.add("gradients/" + entry.spec.name, session.parameters().read_gradient(entry.spec.name));
}

}  // namespace

Answer trajectory(const Job& job) {
  Session session(session_of(job));
  const Samples& data = samples(job.text("images"), job.text("labels"));
  const int64_t batch = job.integer("batch"), steps = job.integer("steps");
  const StepValues values{static_cast<float>(job.number("learningRate")), static_cast<float>(job.number("lambda", 0)),
                          1};
  const std::string out = job.text("out"), centroids = job.text("centroids", "");
  job.expect_all_read();

  session.open();
  session.set_training_data(data.data());
  if (!centroids.empty()) {
    const std::vector<float> rows = read_values<float>(centroids);
    session.parameters().write_value("head.weight", rows.data(), static_cast<int64_t>(rows.size()));
  }
  ArrayFile arrays;
  add_parameters(arrays, "initial", session);
  add_predictions(arrays, "before", session, data, batch);
  std::vector<float> losses;
  for (int64_t step = 0; step < steps; ++step) {
    StepsRequest request;
    request.order.resize(batch);
    std::iota(request.order.begin(), request.order.end(), static_cast<int32_t>(step * batch));
    request.batch_size = batch;
    request.values = {values};
    const StepsResult result = session.run_steps(request, kNotCancelled);
    expect_finite(result);
    losses.push_back(result.reports[0].loss);
    if (step == 0) add_gradients(arrays, session);
  }
  add_parameters(arrays, "final", session);
  add_predictions(arrays, "after", session, data, batch);
  Answer answer;
  answer.add("losses", losses);
  arrays.write(out, answer);
  return answer;
}

}  // namespace margincore::jobs
