#include "cuda/cuda_backend.h"

#include "cuda/guard.h"
#include "cuda/kernels/kernels.h"

namespace margincore {

using cuda::guarded;

Status CudaBackend::row_norms(Tensor norms, Tensor x) {
  return guarded("row_norms", [&] { cuda::row_norms(norms.f32(), x.f32(), x.shape[0], x.shape[1], stream_); });
}

Status CudaBackend::l2_scale_forward(Tensor y, Tensor norms, Tensor y_norms, Tensor x, const float* scale) {
  return guarded("l2_scale_forward", [&] {
    cuda::l2_scale_forward(y.f32(), norms.f32(), y_norms.f32(), x.f32(), scale, x.shape[0], x.shape[1], stream_);
  });
}

Status CudaBackend::scale_rows(Tensor y, Tensor x, Tensor norms, const float* scale) {
  return guarded("scale_rows",
                 [&] { cuda::scale_rows(y.f32(), x.f32(), norms.f32(), scale, x.shape[0], x.shape[1], stream_); });
}

Status CudaBackend::l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale) {
  return guarded("l2_scale_backward", [&] {
    const int64_t rows = x.shape[0];
    float* row_dscale = dscale ? floats(rows) : nullptr;
    cuda::l2_scale_backward(dx.f32(), row_dscale, dy.f32(), x.f32(), norms.f32(), scale, rows, x.shape[1], stream_);
    if (dscale) cuda::sum(dscale.f32(), row_dscale, rows, stream_);
  });
}

Status CudaBackend::remove_radial(Tensor dx, Tensor x, Tensor norms) {
  return guarded("remove_radial",
                 [&] { cuda::remove_radial(dx.f32(), x.f32(), norms.f32(), x.shape[0], x.shape[1], stream_); });
}

Status CudaBackend::add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) {
  return guarded("add_scaled_rows",
                 [&] { cuda::add_scaled_rows(y.f32(), x.f32(), coefficients.f32(), x.shape[0], x.shape[1], stream_); });
}

Status CudaBackend::gather_rows(Tensor y, Tensor x, Tensor rows) {
  return guarded("gather_rows",
                 [&] { cuda::gather_rows(y.f32(), x.f32(), rows.i32(), rows.count(), x.shape.row_count(), stream_); });
}

Status CudaBackend::scatter_rows(Tensor y, Tensor x, Tensor rows) {
  return guarded("scatter_rows",
                 [&] { cuda::scatter_rows(y.f32(), x.f32(), rows.i32(), rows.count(), x.shape.row_count(), stream_); });
}

Status CudaBackend::draw_classes(Tensor drawn, Tensor places, Tensor labels, ClassDraw draw, const StepBlock* step) {
  return guarded("draw_classes", [&] {
    cuda::draw_classes(drawn.i32(), places.i32(), labels.i32(), labels.count(), draw, step, stream_);
  });
}

Status CudaBackend::margin_softmax(MarginSoftmaxOperands operands, MarginSoftmax head) {
  if (operands.mixed_labels && operands.target_terms)
    return Status::failure(ErrorCode::Unsupported, "margin_softmax: rows with two labels have no target_terms");
  return guarded("margin_softmax", [&] {
    const size_t bytes = cuda::margin_softmax_workspace(operands, head);
    cuda::margin_softmax(operands, head, workspace_.take(bytes), stream_);
  });
}

Status CudaBackend::margin_softmax_sums(RowParts parts, MarginSoftmaxOperands operands, MarginSoftmax head) {
  if (operands.mixed_labels)
    return Status::failure(ErrorCode::Unsupported, "margin_softmax_sums: rows of sharded classes have one label");
  return guarded("margin_softmax_sums", [&] {
    const size_t bytes = cuda::sharded_softmax_workspace(operands, head);
    cuda::margin_softmax_sums(parts, operands, head, workspace_.take(bytes), stream_);
  });
}

Status CudaBackend::margin_softmax_rebase(RowParts parts) {
  return guarded("margin_softmax_rebase", [&] { cuda::margin_softmax_rebase(parts, stream_); });
}

Status CudaBackend::margin_softmax_gradients(StepTotals* totals, RowParts parts, MarginSoftmaxOperands operands,
                                             MarginSoftmax head, AllClasses all) {
  return guarded("margin_softmax_gradients", [&] {
    const size_t bytes = cuda::sharded_softmax_workspace(operands, head);
    cuda::margin_softmax_gradients(totals, parts, operands, head, all, workspace_.take(bytes), stream_);
  });
}

Status CudaBackend::finish_report(StepReport* report, int32_t* halted, const StepTotals* totals,
                                  const StepBlock* step) {
  return guarded("finish_report", [&] { cuda::finish_report(report, halted, totals, step, stream_); });
}

Status CudaBackend::scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                                 Tensor column_shift) {
  return guarded("scale_logits", [&] {
    cuda::scale_logits(z.f32(), row_norms.f32(), column_norms.f32(), column_scale.f32(), column_shift.f32(), z.shape[0],
                       z.shape[1], stream_);
  });
}

Status CudaBackend::softmax(Tensor probabilities, Tensor logits) {
  return guarded("softmax",
                 [&] { cuda::softmax(probabilities.f32(), logits.f32(), logits.shape[0], logits.shape[1], stream_); });
}

Status CudaBackend::column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms) {
  return guarded("column_stats", [&] {
    cuda::column_stats(mean.f32(), variance.f32(), p.f32(), column_norms.f32(), p.shape[0], p.shape[1], stream_);
  });
}

Status CudaBackend::scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance,
                                   ScaledBn norm) {
  return guarded("scaled_bn_fold", [&] {
    cuda::scaled_bn_fold(class_scale.f32(), class_shift.f32(), mean.f32(), variance.f32(), mean.count(), norm, stream_);
  });
}

Status CudaBackend::scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean,
                                       Tensor variance, Tensor column_norms, ScaledBn norm) {
  return guarded("scaled_bn_backward", [&] {
    cuda::scaled_bn_backward(dp.f32(), p.f32(), labels.i32(), target_terms.f32(), mean.f32(), variance.f32(),
                             column_norms.f32(), p.shape[0], p.shape[1], norm, stream_);
  });
}

Status CudaBackend::running_average(Tensor running, Tensor current, float momentum, float factor,
                                    const int32_t* halted) {
  return guarded("running_average", [&] {
    cuda::running_average(running.f32(), current.f32(), running.count(), momentum, factor, halted, stream_);
  });
}

Status CudaBackend::center_loss(Tensor dx, StepTotals* totals, StepReport* report, int32_t* halted, Tensor x,
                                Tensor centers, Tensor labels, float weight, const StepBlock* step) {
  return guarded("center_loss", [&] {
    const int64_t rows = x.shape[0];
    cuda::center_loss(dx.f32(), totals, report, halted, floats(rows), x.f32(), centers.f32(), centers.shape[0],
                      labels.i32(), rows, x.shape[1], weight, step, stream_);
  });
}

Status CudaBackend::center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted) {
  return guarded("center_update", [&] {
    cuda::center_update(centers.f32(), centers.shape[0], x.f32(), labels.i32(), x.shape[0], x.shape[1], rate, halted,
                        stream_);
  });
}

}  // namespace margincore
