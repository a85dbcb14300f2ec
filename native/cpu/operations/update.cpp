#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>

#include "base/gradient_clip.h"
#include "cpu/onednn.h"

namespace margincore {

namespace {

/// run(group) for one after another, unless training is halted.
template <class Run>
void for_each_group(const UpdateOperands& operands, const Run& run) {
  if (*operands.halted != 0) return;
  const int64_t twins = operands.bf16_twin ? operands.bf16_twin.count() : 0;
  int64_t begin = 0;
  for (const UpdateGroup* group = operands.groups; begin < operands.parameters.count(); begin = group++->end)
    run(UpdateRange{.parameters = operands.parameters.f32() + begin,
                    .bf16_twin = begin < twins ? operands.bf16_twin.bf16() + begin : nullptr,
                    .first_moment = operands.first_moment.f32() + begin,
                    .second_moment = operands.second_moment ? operands.second_moment.f32() + begin : nullptr,
                    .gradients = operands.gradients.f32.f32() + begin,
                    .count = group->end - begin,
                    .clip = operands.clip_factor == nullptr ? 1 : *operands.clip_factor,
                    .rate = operands.step->learning_rate * group->rate_multiplier,
                    .weight_decay = group->weight_decay});
}

}  // namespace

Status CpuBackend::gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) {
  return done_on(batch, [&](const auto& a) {
    const auto run = mixes_images(gather.augmentation) ? a.gather_mixed : a.gather_images;
    run(a.elements(batch), batch_labels.i32(), gather, batch.shape[0], step);
  });
}

Status CpuBackend::shift_labels(Tensor own, Tensor labels, int32_t first) {
  std::transform(labels.i32(), labels.i32() + labels.count(), own.i32(),
                 [first](int32_t label) { return label - first; });
  return Status::success();
}

Status CpuBackend::sgd(UpdateOperands operands, Sgd options) {
  for_each_group(operands, [&](const UpdateRange& range) { loops_.sgd(range, options, operands.step->momentum); });
  return Status::success();
}

Status CpuBackend::adam(UpdateOperands operands, Adam options) {
  const StepBlock& step = *operands.step;
  for_each_group(operands,
                 [&](const UpdateRange& range) { loops_.adam(range, options, step.momentum, step.step + 1); });
  return Status::success();
}

double CpuBackend::squares_of(const Gradients& gradients) {
  const int64_t count = gradients.count(), blocks = (count + kSumBlock - 1) / kSumBlock;
  auto* sums = static_cast<double*>(scratch_.take(blocks * sizeof(double)));
  return loops_.sum_of_squares(gradients.f32.f32(), count, sums);
}

Status CpuBackend::gradient_squares(StepTotals* totals, Gradients gradients) {
  return onednn::guarded("gradient_squares",
                         [&] { totals->gradient_squares = static_cast<float>(squares_of(gradients)); });
}

Status CpuBackend::gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Gradients gradients,
                                 const StepTotals* totals, double largest, const StepBlock* step) {
  return onednn::guarded("gradient_norm", [&] {
    const double elsewhere = totals != nullptr ? totals->gradient_squares : 0;
    const double norm = std::sqrt(squares_of(gradients) + elsewhere);
    report[step->report_index].gradient_norm = static_cast<float>(norm);
    if (clip_factor != nullptr) *clip_factor = clip_factor_of(norm, largest);
    if (!std::isfinite(norm)) *halted = 1;
  });
}

}  // namespace margincore
