// Rows with two labels y and y' (mixup, cutmix): loss_i = (1 - s_i) L(i, y) + s_i L(i, y'), where L is the row's loss with
// the margin on that label alone. A block does a row, of however many classes. Each label has a first sweep of its
// own, one after the other, so that registers are those of one; they share the second. A row's part of a loss and of its gradients is in proportion to the
// batch's normaliser: the share goes in there.
#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_softmax/finish_row.h"
#include "cuda/kernels/margin_softmax/sweeps.h"

namespace margincore::cuda::margin_softmax_kernels {

namespace {

/// What the second sweep needs of a label.
struct LabelGradient {
  int32_t target;
  float dz;  // of the target's logit
  RowGradient<float> gradient;
};

/// Second sweep: writes the sum of both labels' gradients; returns the sum of the squares of the logits' own.
MARGINCORE_DEVICE float write_mixed(const BlockPerRow& group, const Problem& p, const Tile<1>& tile,
                                    const LabelGradient (&labels)[2]) {
  const bool smoothing = p.head.label_smoothing > 0;
  const PlainClasses classes{p};
  float squares = 0;
  classes.walk(group, tile.part, [&](const auto at) {
    float z[at.kWidth], factor[at.kWidth], shift[at.kWidth], weight[at.kWidth] = {};
    at.load(z, tile.logits[0]);
    classes.load(at, factor, shift);
    if (smoothing) classes.load_weights(at, weight);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) {
      z[k] = z[k] * factor[k] + shift[k];
      shift[k] = z[k];  // from here on what is shown
      float others = 0, own = 0, written = 0;
      MARGINCORE_UNROLL
      for (int label = 0; label < 2; ++label) {
        const RowGradient<float>& row = labels[label].gradient;
        if (at.offset(k) == labels[label].target - static_cast<int>(at.first)) {
          shift[k] = row.target_logit;
          own += labels[label].dz;
          written += row.target;
        } else {
          others += device::exponential(z[k] - row.max) * row.per_exponent - row.smooth * weight[k];
        }
      }
      squares += (others + own) * (others + own);
      z[k] = others * factor[k] + written;
    }
    if (p.margin_logits != nullptr) at.store(p.margin_logits + tile.first_row * p.classes, shift);
    at.store(tile.logits[0], z);
  });
  return group.sum(squares);
}

MARGINCORE_KERNEL mixed_rows_kernel(MixedProblem m) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Problem& p = m.p;
  clear_class_radial(p);
  const BlockPerRow group{shared};
  const int64_t i = group.row();
  Tile<1> tile(p, i, 0);
  float loss = 0, feature_radial = 0;
  LabelGradient labels[2];
  MARGINCORE_UNROLL
  for (int label = 0; label < 2; ++label) {
    if (label == 1) tile.target[0] = m.labels[i];
    PartSums sums[1];
    sum_tile(sums, group, p, PlainClasses{p}, tile);
    const float share = label == 0 ? 1 - m.share[i] : m.share[i];
    BatchTerms<float> terms = batch_terms(p);
    terms.normalizer *= share;
    const HeadRow<float> row = row_with(group, p, terms, i, tile.target[0], sums[0]);
    loss += row.loss;
    feature_radial += row.feature_radial;
    labels[label] = {tile.target[0], row.dz, row.gradient};
    if (group.first() != 0) continue;
    if (p.class_radial != nullptr) (label == 0 ? p.work.row_radial : m.row_radial)[i] = row.class_radial;
    if (label == 0 || share > 0.5f) p.work.row_verdicts[i] = verdict_of(row);
  }
  if (group.first() == 0) {
    p.work.row_losses[i] = loss;
    p.work.row_target_squares[i] = 0;  // among those of all
    if (p.feature_radial != nullptr) p.feature_radial[i] = feature_radial;
  }
  const float squares = write_mixed(group, p, tile, labels);
  if (group.first() == 0) p.work.squares[i] = squares;
}

}  // namespace

void mixed_rows(const MixedProblem& m, cudaStream_t stream) {
  MARGINCORE_RUN(mixed_rows_kernel, BlockPerRow::grid(m.p.rows), BlockPerRow::threads(m.p.classes), stream, m);
}

}  // namespace margincore::cuda::margin_softmax_kernels
