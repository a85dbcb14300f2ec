// The common case: rows of few classes. A warp or a block does a row, both sweeps in one launch; the second reads from
// the caches.
#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_softmax/finish_row.h"
#include "cuda/kernels/margin_softmax/sweeps.h"

namespace margincore::cuda::margin_softmax_kernels {

namespace {

template <class Group>
MARGINCORE_KERNEL whole_rows_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  clear_class_radial(p);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const Tile<1> tile(p, i, 0);
  PartSums sums[1];
  sum_tile(sums, group, p, PlainClasses{p}, tile);
  const RowGradient<float> gradient[1] = {finish_row(group, p, i, sums[0])};
  const float squares = write_tile(group, p, PlainClasses{p}, tile, gradient);
  if (group.first() == 0) p.work.squares[i] = squares;
}

}  // namespace

void few_classes(const Problem& p, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(whole_rows_kernel, p.rows, p.classes, stream, p);
}

}  // namespace margincore::cuda::margin_softmax_kernels
