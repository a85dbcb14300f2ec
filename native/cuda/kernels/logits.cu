// Plain operations on a matrix of logits (rows = samples, columns = classes), for prediction. scale_logits moves 8
// bytes per logit. softmax moves 12: one sweep sums, the second reads again and writes.
#include <cmath>

#include "cuda/kernels/inverse_norms.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/online_sum.h"
#include "cuda/kernels/walk.h"
#include "heads/norm.h"

namespace margincore::cuda {

namespace {

/// A group per part of a row: one row of many classes is enough to keep the device busy.
template <class Group>
MARGINCORE_KERNEL scale_logits_kernel(float* z, const float* row_norms, const float* column_norms,
                                      const float* column_scale, const float* column_shift, int64_t rows,
                                      int64_t columns, int64_t parts, int64_t part_size, bool aligned) {
  const Group group{nullptr};
  const int64_t i = group.row() / parts;
  if (i >= rows) return;
  float* row = z + i * columns;
  const RowPart part(row, columns, true, group.row() - i * parts, part_size);
  const float row_factor = row_norms != nullptr ? inverse_norm(row_norms[i]) : 1;
  walk_row(group, part, aligned, [&](const auto at) {
    float values[at.kWidth], norm[at.kWidth], scale[at.kWidth], shift[at.kWidth];
    at.load(values, row);
    load_or(at, norm, column_norms, 1);
    load_or(at, scale, column_scale, 1);
    load_or(at, shift, column_shift, 0);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) {
      const float unit = column_norms != nullptr ? quick_inverse_norm(norm[k]) : 1;
      values[k] = values[k] * (row_factor * unit * scale[k]) + shift[k];
    }
    at.store(row, values);
  });
}

template <class Group>
MARGINCORE_KERNEL softmax_kernel(float* probabilities, const float* logits, int64_t rows, int64_t columns,
                                 bool rows_alike) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float* row = logits + i * columns;
  const RowPart whole(row, columns, rows_alike);
  OnlineSum online;
  walk_row<2>(group, whole, [&](const auto at) {
    float z[at.kWidth];
    at.load(z, row);
    online.add(z);
  });
  online = online.whole(group);
  const float factor = 1 / online.sum;
  walk_row<2>(group, whole, [&](const auto at) {
    float z[at.kWidth];
    at.load(z, row);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) z[k] = expf(z[k] - online.max) * factor;
    at.store(probabilities + i * columns, z);
  });
}

constexpr int64_t kPartSize = 4096;  // classes of a part in scale_logits: a multiple of four

}  // namespace

void scale_logits(float* z, const float* row_norms, const float* column_norms, const float* column_scale,
                  const float* column_shift, int64_t rows, int64_t columns, cudaStream_t stream) {
  const int64_t parts = blocks_for(columns, kPartSize);
  MARGINCORE_RUN_ROWS(scale_logits_kernel, rows * parts, columns < kPartSize ? columns : kPartSize, stream, z,
                      row_norms, column_norms, column_scale, column_shift, rows, columns, parts, kPartSize,
                      all_aligned(columns, z, column_norms, column_scale, column_shift));
}

void softmax(float* probabilities, const float* logits, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(softmax_kernel, rows, columns, stream, probabilities, logits, rows, columns,
                      alike(probabilities, logits));
}

}  // namespace margincore::cuda
