#include "jobs.h"
#include "specs.h"
#include "train/head_loss.h"

namespace margincore::jobs {

Answer head(const Job& job) {
  HeadLossRequest request;
  request.backend = backend_of(job);
  request.options = options_of(job);
  request.head = head_of(job);
  request.embedding_size = job.integer("embedding");
  request.lambda = static_cast<float>(job.number("lambda", 0));
  request.features = read_values<float>(job.text("features"));
  request.weights = read_values<float>(job.text("weights"));
  request.labels = read_values<int32_t>(job.text("labels"));
  if (job.has("biasValues")) request.bias = read_values<float>(job.text("biasValues"));
  if (job.has("centers")) request.centers = read_values<float>(job.text("centers"));
  const std::string out = job.text("out");
  job.expect_all_read();

  HeadLossResult result = head_loss(request);
  ArrayFile arrays;
  arrays.add("loss", {result.loss});
  arrays.add("logits", std::move(result.logits));
  arrays.add("scores", std::move(result.scores));
  arrays.add("cosTheta", std::move(result.cosines));
  arrays.add("dFeatures", std::move(result.dfeatures));
  arrays.add("dWeights", std::move(result.dweights));
  // Without a bias given there is no gradient of one, as in headLoss() of lib/.
  if (!result.dbias.empty()) arrays.add("dBias", std::move(result.dbias));
  if (!result.dscale.empty()) arrays.add("dScale", std::move(result.dscale));
  if (!result.dcenters.empty()) arrays.add("dCenters", std::move(result.dcenters));
  Answer answer;
  arrays.write(out, answer);
  return answer;
}

}  // namespace margincore::jobs
