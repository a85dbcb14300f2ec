// Plain operations on a matrix of logits (rows = samples, columns = classes), for prediction. scale_logits moves 8
// bytes per logit, softmax 16: it reads a row twice and writes it once, beside one reading of its own result.
#include <cmath>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "heads/norm.h"

namespace margincore::cuda {

namespace {

using device::global_thread;
using device::global_threads;

MARGINCORE_KERNEL scale_logits_kernel(float* z, const float* row_norms, const float* column_norms,
                                      const float* column_scale, const float* column_shift, int64_t count,
                                      int64_t columns) {
  for (int64_t k = global_thread(); k < count; k += global_threads()) {
    const int64_t i = k / columns, j = k % columns;
    float factor = row_norms != nullptr ? inverse_norm(row_norms[i]) : 1;
    if (column_norms != nullptr) factor *= inverse_norm(column_norms[j]);
    if (column_scale != nullptr) factor *= column_scale[j];
    z[k] = z[k] * factor + (column_shift != nullptr ? column_shift[j] : 0);
  }
}

template <class Group>
MARGINCORE_KERNEL softmax_kernel(float* probabilities, const float* logits, int64_t rows, int64_t columns) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float* z = logits + i * columns;
  float* p = probabilities + i * columns;
  float max = -INFINITY, sum = 0;
  for (int64_t j = group.first(); j < columns; j += group.stride()) max = z[j] > max ? z[j] : max;
  max = group.max(max);
  for (int64_t j = group.first(); j < columns; j += group.stride()) {
    p[j] = expf(z[j] - max);
    sum += p[j];
  }
  const float factor = 1 / group.sum(sum);
  for (int64_t j = group.first(); j < columns; j += group.stride()) p[j] *= factor;
}

}  // namespace

void scale_logits(float* z, const float* row_norms, const float* column_norms, const float* column_scale,
                  const float* column_shift, int64_t rows, int64_t columns, cudaStream_t stream) {
  const int64_t count = rows * columns;
  MARGINCORE_RUN(scale_logits_kernel, striding_blocks(count), kBlock, stream, z, row_norms, column_norms, column_scale,
                 column_shift, count, columns);
}

void softmax(float* probabilities, const float* logits, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(softmax_kernel, rows, columns, stream, probabilities, logits, rows, columns);
}

}  // namespace margincore::cuda
