#include "cuda/cuda_backend.h"

#include "cuda/guard.h"
#include "cuda/kernels/kernels.h"

namespace margincore {

using cuda::guarded;

Status CudaBackend::gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) {
  return guarded("gather_images", [&] { cuda::gather_images(batch, batch_labels.i32(), gather, step, stream_); });
}

Status CudaBackend::shift_labels(Tensor own, Tensor labels, int32_t first) {
  return guarded("shift_labels", [&] { cuda::shift_labels(own, labels, first, stream_); });
}

Status CudaBackend::sgd(UpdateOperands operands, Sgd options) {
  return guarded("sgd", [&] { cuda::sgd(operands, options, stream_); });
}

Status CudaBackend::adam(UpdateOperands operands, Adam options) {
  return guarded("adam", [&] { cuda::adam(operands, options, stream_); });
}

Status CudaBackend::gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Gradients gradients,
                                  const StepTotals* totals, double largest, const StepBlock* step) {
  return guarded("gradient_norm", [&] {
    cuda::gradient_norm(report, halted, clip_factor, parts(cuda::kNormPartials), gradients, totals, largest, step,
                        stream_);
  });
}

Status CudaBackend::gradient_squares(StepTotals* totals, Gradients gradients) {
  return guarded("gradient_squares",
                 [&] { cuda::gradient_squares(totals, parts(cuda::kNormPartials), gradients, stream_); });
}

}  // namespace margincore
