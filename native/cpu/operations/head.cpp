#include "cpu/cpu_backend.h"

#include <cmath>

#include "cpu/onednn.h"

namespace margincore {

Status CpuBackend::row_norms(Tensor norms, Tensor x) {
  loops_.row_norms(norms.f32(), x.f32(), x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::l2_scale_forward(Tensor y, Tensor norms, Tensor y_norms, Tensor x, const float* scale) {
  loops_.l2_scale_forward(y.f32(), norms.f32(), y_norms.f32(), x.f32(), *scale, x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::scale_rows(Tensor y, Tensor x, Tensor norms, const float* scale) {
  loops_.scale_rows(y.f32(), x.f32(), norms.f32(), *scale, x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale) {
  return onednn::guarded("l2_scale_backward", [&] {
    const int64_t rows = x.shape[0];
    float* row_dscale = dscale ? static_cast<float*>(scratch_.take(rows * sizeof(float))) : nullptr;
    loops_.l2_scale_backward(dx.f32(), row_dscale, dy.f32(), x.f32(), norms.f32(), *scale, rows, x.shape[1]);
    if (!dscale) return;
    double total = 0;
    for (int64_t i = 0; i < rows; ++i) total += row_dscale[i];
    *dscale.f32() = static_cast<float>(total);
  });
}

Status CpuBackend::remove_radial(Tensor dx, Tensor x, Tensor norms) {
  loops_.remove_radial(dx.f32(), x.f32(), norms.f32(), x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) {
  loops_.add_scaled_rows(y.f32(), x.f32(), coefficients.f32(), x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::gather_rows(Tensor y, Tensor x, Tensor rows) {
  loops_.gather_rows(y.f32(), x.f32(), rows.i32(), rows.count(), x.shape.row_count());
  return Status::success();
}

Status CpuBackend::scatter_rows(Tensor y, Tensor x, Tensor rows) {
  loops_.scatter_rows(y.f32(), x.f32(), rows.i32(), rows.count(), x.shape.row_count());
  return Status::success();
}

Status CpuBackend::draw_classes(Tensor drawn, Tensor places, Tensor labels, ClassDraw draw, const StepBlock* step) {
  return onednn::guarded("draw_classes", [&] {
    auto* keys = static_cast<uint32_t*>(scratch_.take(draw.count * sizeof(uint32_t)));
    loops_.draw_classes(drawn.i32(), places.i32(), keys, labels.i32(), labels.count(), draw, *step);
  });
}

Status CpuBackend::margin_softmax(MarginSoftmaxOperands operands, MarginSoftmax head) {
  const bool mixed = static_cast<bool>(operands.mixed_labels);
  if (mixed && operands.target_terms)
    return Status::failure(ErrorCode::Unsupported, "margin_softmax: rows with two labels have no target_terms");
  return onednn::guarded("margin_softmax", [&] {
    (mixed ? loops_.mixed_margin_softmax : loops_.margin_softmax)(softmax_rows(operands, head));
  });
}

MarginSoftmaxRows CpuBackend::softmax_rows(const MarginSoftmaxOperands& operands, const MarginSoftmax& head) {
  MarginSoftmaxRows work{};
  work.rows = operands.logits.shape[0];
  work.classes = operands.logits.shape[1];
  work.embedding_size = operands.features.shape[1];
  work.operands = operands;
  work.head = head;
  const bool factors = head.normalize_weights || operands.class_scale;
  const int64_t radials = operands.mixed_labels ? 2 : 1;
  const size_t needed = (2 + radials) * work.rows + (factors ? work.classes : 0);
  work.row_losses = static_cast<float*>(scratch_.take(needed * sizeof(float)));
  work.row_squares = work.row_losses + work.rows;
  work.row_radial = work.row_squares + work.rows;
  work.class_factors = factors ? work.row_radial + radials * work.rows : nullptr;
  return work;
}

Status CpuBackend::margin_softmax_sums(RowParts parts, MarginSoftmaxOperands operands, MarginSoftmax head) {
  if (operands.mixed_labels)
    return Status::failure(ErrorCode::Unsupported, "margin_softmax_sums: rows of sharded classes have one label");
  return onednn::guarded("margin_softmax_sums", [&] {
    MarginSoftmaxRows work = softmax_rows(operands, head);
    work.parts = parts;
    loops_.margin_softmax_sums(work);
  });
}

Status CpuBackend::margin_softmax_rebase(RowParts parts) {
  loops_.margin_softmax_rebase(parts);
  return Status::success();
}

Status CpuBackend::margin_softmax_gradients(StepTotals* totals, RowParts parts, MarginSoftmaxOperands operands,
                                            MarginSoftmax head, AllClasses all) {
  return onednn::guarded("margin_softmax_gradients", [&] {
    MarginSoftmaxRows work = softmax_rows(operands, head);
    work.parts = parts;
    work.totals = totals;
    loops_.margin_softmax_gradients(work, all);
  });
}

Status CpuBackend::finish_report(StepReport* report, int32_t* halted, const StepTotals* totals, const StepBlock* step) {
  StepReport& entry = report[step->report_index];
  entry.logit_gradient_norm = std::sqrt(totals->logit_squares);
  entry.loss += totals->center_loss;
  if (!std::isfinite(entry.loss)) *halted = 1;
  return Status::success();
}

Status CpuBackend::scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                                Tensor column_shift) {
  loops_.scale_logits(z.f32(), row_norms.f32(), column_norms.f32(), column_scale.f32(), column_shift.f32(), z.shape[0],
                      z.shape[1]);
  return Status::success();
}

Status CpuBackend::softmax(Tensor probabilities, Tensor logits) {
  loops_.softmax(probabilities.f32(), logits.f32(), logits.shape[0], logits.shape[1]);
  return Status::success();
}

Status CpuBackend::column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms) {
  loops_.column_stats(mean.f32(), variance.f32(), p.f32(), column_norms.f32(), p.shape[0], p.shape[1]);
  return Status::success();
}

Status CpuBackend::scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance, ScaledBn norm) {
  loops_.scaled_bn_fold(class_scale.f32(), class_shift.f32(), mean.f32(), variance.f32(), mean.count(), norm);
  return Status::success();
}

Status CpuBackend::scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean,
                                      Tensor variance, Tensor column_norms, ScaledBn norm) {
  loops_.scaled_bn_backward(dp.f32(), p.f32(), labels.i32(), target_terms.f32(), mean.f32(), variance.f32(),
                            column_norms.f32(), p.shape[0], p.shape[1], norm);
  return Status::success();
}

Status CpuBackend::running_average(Tensor running, Tensor current, float momentum, float factor,
                                   const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.running_average(running.f32(), current.f32(), running.count(), momentum, factor);
  return Status::success();
}

Status CpuBackend::center_loss(Tensor dx, StepTotals* totals, StepReport* report, int32_t* halted, Tensor x,
                               Tensor centers, Tensor labels, float weight, const StepBlock* step) {
  return onednn::guarded("center_loss", [&] {
    const int64_t rows = x.shape[0];
    auto* squares = static_cast<float*>(scratch_.take(rows * sizeof(float)));
    const auto loss = static_cast<float>(loops_.center_loss(dx.f32(), squares, x.f32(), centers.f32(), centers.shape[0],
                                                            labels.i32(), rows, x.shape[1], weight));
    if (totals != nullptr) {
      totals->center_loss = loss;
      return;
    }
    StepReport& entry = report[step->report_index];
    entry.loss += loss;
    if (!std::isfinite(entry.loss)) *halted = 1;
  });
}

Status CpuBackend::center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.center_update(centers.f32(), centers.shape[0], x.f32(), labels.i32(), x.shape[0], x.shape[1], rate);
  return Status::success();
}

}  // namespace margincore
