#include "cuda/cuda_backend.h"

#include "cuda/guard.h"
#include "cuda/kernels/kernels.h"

namespace margincore {

using cuda::guarded;

Status CudaBackend::gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) {
  return guarded("gather_images", [&] { cuda::gather_images(batch, batch_labels.i32(), gather, step, stream_); });
}

Status CudaBackend::sgd(Tensor parameters, Tensor bf16_twin, Tensor velocity, Tensor gradients,
                        const float* clip_factor, Sgd options, const StepBlock* step, const int32_t* halted) {
  return guarded("sgd", [&] {
    cuda::sgd(parameters.f32(), bf16_twin.bf16(), velocity.f32(), gradients.f32(), clip_factor, parameters.count(),
              options, step, halted, stream_);
  });
}

Status CudaBackend::adam(Tensor parameters, Tensor bf16_twin, Tensor first_moment, Tensor second_moment,
                         Tensor gradients, const float* clip_factor, Adam options, const StepBlock* step,
                         const int32_t* halted) {
  return guarded("adam", [&] {
    cuda::adam(parameters.f32(), bf16_twin.bf16(), first_moment.f32(), second_moment.f32(), gradients.f32(),
               clip_factor, parameters.count(), options, step, halted, stream_);
  });
}

Status CudaBackend::gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Tensor gradients,
                                  double largest, const StepBlock* step) {
  return guarded("gradient_norm", [&] {
    cuda::gradient_norm(report, halted, clip_factor, floats(cuda::kNormPartials), gradients.f32(), gradients.count(),
                        largest, step, stream_);
  });
}

}  // namespace margincore
