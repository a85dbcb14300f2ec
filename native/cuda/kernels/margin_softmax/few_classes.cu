// The common case: rows of few classes. A warp or a block does a row, both sweeps in one launch; the second reads from
// the caches.
#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_softmax/finish_row.h"
#include "cuda/kernels/margin_softmax/sweeps.h"

namespace margincore::cuda::margin_softmax_kernels {

namespace {

/// What belongs to a class is read and computed by each row.
struct PlainClasses {
  const Problem& p;

  template <class Group, class Body>
  MARGINCORE_DEVICE void walk(const Group& group, const RowPart& part, const Body& body) const {
    walk_row(group, part, p.aligned, body);
  }
  template <class At>
  MARGINCORE_DEVICE void load(const At& at, float (&factor)[At::kWidth], float (&shift)[At::kWidth]) const {
    load_classes(at, factor, shift, p);
  }
  template <class At>
  MARGINCORE_DEVICE void load_weights(const At& at, float (&weight)[At::kWidth]) const {
    load_or(at, weight, p.loss_weights, 1);
  }
};

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
