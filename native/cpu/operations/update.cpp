#include "cpu/cpu_backend.h"

#include <cmath>

#include "base/gradient_clip.h"
#include "cpu/onednn.h"

namespace margincore {

namespace {

float factor_or_one(const float* clip_factor) { return clip_factor == nullptr ? 1 : *clip_factor; }

}  // namespace

Status CpuBackend::gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) {
  return done_on(batch, [&](const auto& a) {
    const auto run = mixes_images(gather.augmentation) ? a.gather_mixed : a.gather_images;
    run(a.elements(batch), batch_labels.i32(), gather, batch.shape[0], step);
  });
}

Status CpuBackend::sgd(Tensor parameters, Tensor bf16_twin, Tensor velocity, Tensor gradients, const float* clip_factor,
                       Sgd options, const StepBlock* step, const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.sgd(parameters.f32(), bf16_twin.bf16(), velocity.f32(), gradients.f32(), factor_or_one(clip_factor),
             parameters.count(), options, step->learning_rate * options.rate_multiplier, step->momentum);
  return Status::success();
}

Status CpuBackend::adam(Tensor parameters, Tensor bf16_twin, Tensor first_moment, Tensor second_moment,
                        Tensor gradients, const float* clip_factor, Adam options, const StepBlock* step,
                        const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.adam(parameters.f32(), bf16_twin.bf16(), first_moment.f32(), second_moment.f32(), gradients.f32(),
              factor_or_one(clip_factor), parameters.count(), options, step->learning_rate * options.rate_multiplier,
              step->momentum, step->step + 1);
  return Status::success();
}

Status CpuBackend::gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Tensor gradients,
                                 double largest, const StepBlock* step) {
  return onednn::guarded("gradient_norm", [&] {
    const int64_t blocks = (gradients.count() + kSumBlock - 1) / kSumBlock;
    auto* sums = static_cast<double*>(scratch_.take(blocks * sizeof(double)));
    const double norm = std::sqrt(loops_.sum_of_squares(gradients.f32(), gradients.count(), sums));
    report[step->report_index].gradient_norm = static_cast<float>(norm);
    if (clip_factor != nullptr) *clip_factor = clip_factor_of(norm, largest);
    if (!std::isfinite(norm)) *halted = 1;
  });
}

}  // namespace margincore
