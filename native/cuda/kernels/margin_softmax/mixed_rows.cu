// Rows with two labels y and y' (mixup, cutmix): loss_i = (1 - s_i) L(i, y) + s_i L(i, y'), where L is the row's loss with
// the margin on that label alone. A warp or a block does a row, of however many classes. To the first sweep the row is a tile
// of two: itself with one label, and with the other. A row's part of a loss and of its gradients is in proportion to the
// batch's normaliser: the share goes in there.
#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_softmax/finish_row.h"
#include "cuda/kernels/margin_softmax/sweeps.h"

namespace margincore::cuda::margin_softmax_kernels {

namespace {

/// Second sweep: writes the sum of both labels' gradients; returns the sum of the squares of the logits' own.
template <class Group>
MARGINCORE_DEVICE float write_mixed(const Group& group, const Problem& p, const Tile<2>& tile,
                                    const HeadRow<float> (&parts)[2]) {
  const bool smoothing = p.head.label_smoothing > 0;
  const PlainClasses classes{p};
  float squares = 0;
  classes.walk(group, tile.part, [&](const auto at) {
    float z[at.kWidth], factor[at.kWidth], shift[at.kWidth], weight[at.kWidth] = {};
    float shown[at.kWidth], counted[at.kWidth] = {}, written[at.kWidth] = {};
    at.load(z, tile.logits[0]);
    classes.load(at, factor, shift);
    if (smoothing) classes.load_weights(at, weight);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) shown[k] = z[k] = z[k] * factor[k] + shift[k];
    MARGINCORE_UNROLL
    for (int label = 0; label < 2; ++label) {
      const RowGradient<float>& row = parts[label].gradient;
      const int target = tile.target[label] - static_cast<int>(at.first);
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) {
        if (at.offset(k) == target) {
          shown[k] = row.target_logit;
          counted[k] += parts[label].dz;
          written[k] += row.target;
        } else {
          const float gradient = device::exponential(z[k] - row.max) * row.per_exponent - row.smooth * weight[k];
          counted[k] += gradient;
          written[k] += gradient * factor[k];
        }
      }
    }
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) squares += counted[k] * counted[k];
    if (p.margin_logits != nullptr) at.store(p.margin_logits + tile.first_row * p.classes, shown);
    at.store(tile.logits[0], written);
  });
  return group.sum(squares);
}

template <class Group>
MARGINCORE_KERNEL mixed_rows_kernel(MixedProblem m) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Problem& p = m.p;
  clear_class_radial(p);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  Tile<2> tile(p, i, 0);
  tile.target[1] = m.labels[i];
  tile.logits[1] = tile.logits[0];
  PartSums sums[2];
  sum_tile(sums, group, p, PlainClasses{p}, tile);
  const BatchTerms<float> batch = batch_terms(p);
  const float share[2] = {1 - m.share[i], m.share[i]};
  HeadRow<float> parts[2];
  MARGINCORE_UNROLL
  for (int label = 0; label < 2; ++label) {
    BatchTerms<float> terms = batch;
    terms.normalizer *= share[label];
    parts[label] = row_with(group, p, terms, i, tile.target[label], sums[label]);
  }
  const float squares = write_mixed(group, p, tile, parts);
  if (group.first() != 0) return;
  p.work.row_losses[i] = parts[0].loss + parts[1].loss;
  p.work.squares[i] = squares;
  p.work.row_target_squares[i] = 0;  // among those
  p.work.row_verdicts[i] = verdict_of(share[1] > 0.5f ? parts[1] : parts[0]);
  if (p.feature_radial != nullptr) p.feature_radial[i] = parts[0].feature_radial + parts[1].feature_radial;
  if (p.class_radial == nullptr) return;
  p.work.row_radial[i] = parts[0].class_radial;
  m.row_radial[i] = parts[1].class_radial;
}

}  // namespace

void mixed_rows(const MixedProblem& m, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(mixed_rows_kernel, m.p.rows, m.p.classes, stream, m);
}

}  // namespace margincore::cuda::margin_softmax_kernels
