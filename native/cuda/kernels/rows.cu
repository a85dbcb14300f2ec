// Normalisation of matrix rows, forward and backward: y = s*x/|x|, dx = s/|x| (dy - x^ (x^·dy)). A warp or a block per
// row. Forward moves 8 bytes per element (norms: 4), backward 12: a row that is read again is in the cache by then.
// The part along x is taken away twice: near the class centre it is up to 60 times what remains, and its rounding error
// would be left behind once.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "heads/norm.h"

namespace margincore::cuda {

namespace {

template <class Group>
MARGINCORE_DEVICE float dot(const Group& group, const float* a, const float* b, int64_t count) {
  float sum = 0;
  for (int64_t k = group.first(); k < count; k += group.stride()) sum += a[k] * b[k];
  return group.sum(sum);
}

template <class Group>
MARGINCORE_KERNEL row_norms_kernel(float* norms, const float* x, int64_t rows, int64_t columns) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float* row = x + i * columns;
  const float squares = dot(group, row, row, columns);
  if (group.first() == 0) norms[i] = sqrtf(squares);
}

template <class Group>
MARGINCORE_KERNEL l2_scale_forward_kernel(float* y, const float* x, const float* norms, const float* scale,
                                          int64_t rows, int64_t columns) {
  const Group group{nullptr};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float factor = *scale * inverse_norm(norms[i]);
  for (int64_t k = group.first(); k < columns; k += group.stride()) y[i * columns + k] = factor * x[i * columns + k];
}

template <class Group>
MARGINCORE_KERNEL l2_scale_backward_kernel(float* dx, float* row_dscale, const float* dy, const float* x,
                                           const float* norms, const float* scale, int64_t rows, int64_t columns) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float* row = x + i * columns;
  const float* gradient = dy + i * columns;
  float* out = dx + i * columns;
  const float unit = inverse_norm(norms[i]);
  const float along = dot(group, row, gradient, columns) * unit;  // x^·dy
  if (row_dscale != nullptr && group.first() == 0) row_dscale[i] = along;
  const float factor = *scale * unit, radial = along * unit;
  // Each thread reads again only what it wrote itself, so dx may be dy.
  float again = 0;
  for (int64_t k = group.first(); k < columns; k += group.stride()) {
    const float rest = gradient[k] - radial * row[k];
    out[k] = rest;
    again += row[k] * rest;
  }
  again = group.sum(again) * unit * unit;
  for (int64_t k = group.first(); k < columns; k += group.stride()) out[k] = factor * (out[k] - again * row[k]);
}

template <class Group>
MARGINCORE_KERNEL remove_radial_kernel(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float* row = x + i * columns;
  float* gradient = dx + i * columns;
  const float unit = inverse_norm(norms[i]);
  for (int pass = 0; pass < 2; ++pass) {
    const float radial = dot(group, row, gradient, columns) * unit * unit;
    for (int64_t k = group.first(); k < columns; k += group.stride()) gradient[k] -= radial * row[k];
  }
}

template <class Group>
MARGINCORE_KERNEL add_scaled_rows_kernel(float* y, const float* x, const float* coefficients, int64_t rows,
                                         int64_t columns) {
  const Group group{nullptr};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float coefficient = coefficients[i];
  for (int64_t k = group.first(); k < columns; k += group.stride())
    y[i * columns + k] += coefficient * x[i * columns + k];
}

}  // namespace

void row_norms(float* norms, const float* x, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(row_norms_kernel, rows, columns, stream, norms, x, rows, columns);
}

void l2_scale_forward(float* y, const float* x, const float* norms, const float* scale, int64_t rows, int64_t columns,
                      cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(l2_scale_forward_kernel, rows, columns, stream, y, x, norms, scale, rows, columns);
}

void l2_scale_backward(float* dx, float* row_dscale, const float* dy, const float* x, const float* norms,
                       const float* scale, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(l2_scale_backward_kernel, rows, columns, stream, dx, row_dscale, dy, x, norms, scale, rows,
                      columns);
}

void remove_radial(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(remove_radial_kernel, rows, columns, stream, dx, x, norms, rows, columns);
}

void add_scaled_rows(float* y, const float* x, const float* coefficients, int64_t rows, int64_t columns,
                     cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(add_scaled_rows_kernel, rows, columns, stream, y, x, coefficients, rows, columns);
}

}  // namespace margincore::cuda
