// What a head keeps beside its weights: running statistics, centres, fixed centroids.
#include <doctest/doctest.h>

#include "nn/centroids.h"
#include "reference/centers.h"
#include "reference/scaled_bn.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/session_run.h"

namespace margincore::test {

TEST_CASE("running statistics and centres follow each batch as the reference does") {
  const HeadSpec head = arcface_with_state();
  for (const std::string& name : backend_names()) {
    const BackendPtr backend = open_backend(name, {});
    SessionRun run(name, OptimizerSpec::Type::Adam, head);
    const auto read = [&](const char* parameter) {
      return to_doubles(run.session().parameters().read_value(parameter));
    };
    CHECK(read("head.centers") == Doubles(4 * 8, 0));
    CHECK(read("head.runningMean") == Doubles(4, 0));
    CHECK(read("head.runningVariance") == Doubles(4, 1));
    // The sizes that come again are replayed; a batch of one has no variance, and nothing to correct it by.
    const Ints kOrders[] = {
        {0, 1, 2, 3, 4, 5, 6, 7},  {8, 9, 10, 11, 12, 13, 14, 15}, {3, 3, 16, 4, 19, 7, 0, 11}, {17, 18, 19}, {5},
        {1, 0, 2, 9, 9, 13, 10, 6}};
    uint64_t step = 0;
    for (const Ints& order : kOrders) {
      CAPTURE(step);
      // This step's embeddings, with its dropout, from the parameters before it.
      const auto rows = static_cast<int64_t>(order.size());
      Model model(*backend, kRunNetwork, head, rows, kRunSeed);
      for (const auto& entry : model.table().entries()) {
        const Floats values = run.session().parameters().read_value(entry.spec.name);
        model.parameters().write_value(entry.spec.name, values.data(), static_cast<int64_t>(values.size()));
      }
      StepBlock block{};
      block.seed = kRunSeed;
      block.step = step++;
      const Doubles x = to_doubles(model.embed(run.images(order), block));
      const Doubles unit = reference::unit_rows(x, rows, 8), weights = read("head.weight");
      const Doubles products =
          reference::linear_forward(reference::l2_scale_forward(x, head.scale, rows, 8), weights, {}, rows, 8, 4);
      const auto stats = reference::column_stats(products, reference::row_norms(weights, 4, 8), rows, 4);
      const double unbiased = rows > 1 ? static_cast<double>(rows) / static_cast<double>(rows - 1) : 1;
      const Doubles mean = reference::running_average(read("head.runningMean"), stats.mean, 0.1, 1);
      const Doubles variance = reference::running_average(read("head.runningVariance"), stats.variance, 0.1, unbiased);
      const Doubles centers = reference::center_update(read("head.centers"), unit, run.labels(order), 0.25, 8);

      REQUIRE(run.steps(order, rows).non_finite == "");
      expect_close(Op::ColumnMean, to_floats(read("head.runningMean")), mean);
      expect_close(Op::ColumnVariance, to_floats(read("head.runningVariance")), variance);
      expect_close(Op::CenterUpdate, to_floats(read("head.centers")), centers);
    }
  }
}

TEST_CASE("fixed centroids stay as they are while the network comes to them") {
  for (const std::string& backend : backend_names()) {
    for (const auto optimizer : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::AdamW}) {
      SessionRun run(backend, optimizer, pedcc(4));
      const Floats expected = centroids(4, 8, kRunSeed);
      expect_same(run.session().parameters().read_value("head.weight"), expected);
      const StepsResult result = run.steps(first(50 * kRunBatch), kRunBatch);
      CHECK(result.reports.back().loss < 0.7f * result.reports.front().loss);
      expect_same(run.session().parameters().read_value("head.weight"), expected);
    }
  }
}

}  // namespace margincore::test
