// Normalisation of matrix rows, forward and backward: y = s*x/|x|, dx = s/|x| (dy - x^ (x^·dy)). A warp or a block per
// row. Forward moves 8 bytes per element (norms: 4) and reads the row again while it is in the cache, backward 12: a
// thread keeps its share of a row in registers, so that the row is read once although it is needed three times. Only
// rows too long for that are read again.
// The part along x is taken away twice: near the class centre it is up to 60 times what remains, and its rounding error
// would be left behind once.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/walk.h"
#include "heads/norm.h"

namespace margincore::cuda {

namespace {

template <class Group>
MARGINCORE_DEVICE float dot(const Group& group, const float* a, const float* b, int64_t count, bool aligned) {
  float sum = 0;
  walk<2>(group, 0, count, aligned, [&](const auto at) {
    float left[at.kWidth], right[at.kWidth];
    at.load(left, a);
    at.load(right, b);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) sum += left[k] * right[k];
  });
  return group.sum(sum);
}

template <class Group>
MARGINCORE_DEVICE float norm(const Group& group, const float* row, int64_t columns, bool aligned) {
  float squares = 0;
  walk<4>(group, 0, columns, aligned, [&](const auto at) {
    float values[at.kWidth];
    at.load(values, row);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) squares += values[k] * values[k];
  });
  return sqrtf(group.sum(squares));
}

/// y = factor * x; returns this thread's share of |y|^2.
template <class Group>
MARGINCORE_DEVICE float scale_row(const Group& group, float* y, const float* x, float factor, int64_t columns,
                                  bool aligned) {
  float squares = 0;
  walk<4>(group, 0, columns, aligned, [&](const auto at) {
    float values[at.kWidth];
    at.load(values, x);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) {
      values[k] *= factor;
      squares += values[k] * values[k];
    }
    at.store(y, values);
  });
  return squares;
}

template <class Group>
MARGINCORE_KERNEL row_norms_kernel(float* norms, const float* x, int64_t rows, int64_t columns, bool aligned) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float length = norm(group, x + i * columns, columns, aligned);
  if (group.first() == 0) norms[i] = length;
}

template <class Group>
MARGINCORE_KERNEL l2_scale_forward_kernel(float* y, float* norms, float* y_norms, const float* x, const float* scale,
                                          int64_t rows, int64_t columns, bool aligned) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float length = norm(group, x + i * columns, columns, aligned);
  if (group.first() == 0) norms[i] = length;
  const float squares =
      scale_row(group, y + i * columns, x + i * columns, *scale * inverse_norm(length), columns, aligned);
  if (y_norms == nullptr) return;
  const float scaled = sqrtf(group.sum(squares));
  if (group.first() == 0) y_norms[i] = scaled;
}

template <class Group>
MARGINCORE_KERNEL scale_rows_kernel(float* y, const float* x, const float* norms, const float* scale, int64_t rows,
                                    int64_t columns, bool aligned) {
  const Group group{nullptr};
  const int64_t i = group.row();
  if (i >= rows) return;
  scale_row(group, y + i * columns, x + i * columns, *scale * inverse_norm(norms[i]), columns, aligned);
}

// ---- taking the part along x away -----------------------------------------------------------------------------------

constexpr int kKept = 16;  // elements of a row that a thread keeps in registers

/// This thread's share of a row of up to kKept elements per thread; 0 beyond its end.
template <class Group>
MARGINCORE_DEVICE void load_row(float (&values)[kKept], const Group& group, const float* row, int columns,
                                bool aligned) {
  if (aligned) {
    MARGINCORE_UNROLL
    for (int k = 0; k < kKept; k += 4) {
      const int at = 4 * group.first() + k * group.stride();
      device::Float4 four{0, 0, 0, 0};
      if (at < columns) four = *reinterpret_cast<const device::Float4*>(row + at);
      values[k] = four.x;
      values[k + 1] = four.y;
      values[k + 2] = four.z;
      values[k + 3] = four.w;
    }
  } else {
    MARGINCORE_UNROLL
    for (int k = 0; k < kKept; ++k) {
      const int at = group.first() + k * group.stride();
      values[k] = at < columns ? row[at] : 0;
    }
  }
}

template <class Group>
MARGINCORE_DEVICE void store_row(float* row, const float (&values)[kKept], const Group& group, int columns,
                                 bool aligned) {
  if (aligned) {
    MARGINCORE_UNROLL
    for (int k = 0; k < kKept; k += 4) {
      const int at = 4 * group.first() + k * group.stride();
      if (at < columns)
        *reinterpret_cast<device::Float4*>(row + at) = {values[k], values[k + 1], values[k + 2], values[k + 3]};
    }
  } else {
    MARGINCORE_UNROLL
    for (int k = 0; k < kKept; ++k) {
      const int at = group.first() + k * group.stride();
      if (at < columns) row[at] = values[k];
    }
  }
}

/// out = factor * (gradient - x^ (x^·gradient)), unit = 1/|x|; returns x^·gradient. `out` may be `gradient`.
template <class Group>
MARGINCORE_DEVICE float project_kept(const Group& group, float* out, const float* gradient, const float* x, float unit,
                                     float factor, int columns, bool aligned) {
  float direction[kKept], rest[kKept];
  load_row(direction, group, x, columns, aligned);
  load_row(rest, group, gradient, columns, aligned);
  float along = 0;
  for (int pass = 0; pass < 2; ++pass) {
    float sum = 0;
    MARGINCORE_UNROLL
    for (int k = 0; k < kKept; ++k) sum += direction[k] * rest[k];
    sum = group.sum(sum) * unit;
    if (pass == 0) along = sum;
    const float radial = sum * unit, last = pass == 0 ? 1 : factor;
    MARGINCORE_UNROLL
    for (int k = 0; k < kKept; ++k) rest[k] = last * (rest[k] - radial * direction[k]);
  }
  store_row(out, rest, group, columns, aligned);
  return along;
}

/// The same for rows of any length. Each thread reads again only what it wrote itself.
template <class Group>
MARGINCORE_DEVICE float project_long(const Group& group, float* out, const float* gradient, const float* x, float unit,
                                     float factor, int64_t columns, bool aligned) {
  const float along = dot(group, x, gradient, columns, aligned) * unit;
  for (int pass = 0; pass < 2; ++pass) {
    const float* from = pass == 0 ? gradient : out;
    const float radial = (pass == 0 ? along : dot(group, x, out, columns, aligned) * unit) * unit;
    const float last = pass == 0 ? 1 : factor;
    walk<1>(group, 0, columns, aligned, [&](const auto at) {
      float direction[at.kWidth], rest[at.kWidth];
      at.load(direction, x);
      at.load(rest, from);
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kWidth; ++k) rest[k] = last * (rest[k] - radial * direction[k]);
      at.store(out, rest);
    });
  }
  return along;
}

template <class Group>
MARGINCORE_DEVICE float project(const Group& group, float* out, const float* gradient, const float* x, float unit,
                                float factor, int64_t columns, bool aligned) {
  return columns <= kKept * group.stride()
             ? project_kept(group, out, gradient, x, unit, factor, static_cast<int>(columns), aligned)
             : project_long(group, out, gradient, x, unit, factor, columns, aligned);
}

template <class Group>
MARGINCORE_KERNEL l2_scale_backward_kernel(float* dx, float* row_dscale, const float* dy, const float* x,
                                           const float* norms, const float* scale, int64_t rows, int64_t columns,
                                           bool aligned) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float unit = inverse_norm(norms[i]);
  const float along =
      project(group, dx + i * columns, dy + i * columns, x + i * columns, unit, *scale * unit, columns, aligned);
  if (row_dscale != nullptr && group.first() == 0) row_dscale[i] = along;
}

template <class Group>
MARGINCORE_KERNEL remove_radial_kernel(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns,
                                       bool aligned) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  float* gradient = dx + i * columns;
  project(group, gradient, gradient, x + i * columns, inverse_norm(norms[i]), 1, columns, aligned);
}

template <class Group>
MARGINCORE_KERNEL add_scaled_rows_kernel(float* y, const float* x, const float* coefficients, int64_t rows,
                                         int64_t columns, bool aligned) {
  const Group group{nullptr};
  const int64_t i = group.row();
  if (i >= rows) return;
  const float coefficient = coefficients[i];
  walk<2>(group, 0, columns, aligned, [&](const auto at) {
    float sum[at.kWidth], values[at.kWidth];
    at.load(sum, y + i * columns);
    at.load(values, x + i * columns);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) sum[k] += coefficient * values[k];
    at.store(y + i * columns, sum);
  });
}

template <class Group>
MARGINCORE_DEVICE void copy_row(const Group& group, float* to, const float* from, int64_t columns, bool aligned) {
  walk<2>(group, 0, columns, aligned, [&](const auto at) {
    float values[at.kWidth];
    at.load(values, from);
    at.store(to, values);
  });
}

template <class Group>
MARGINCORE_KERNEL gather_rows_kernel(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns,
                                     bool aligned) {
  const Group group{nullptr};
  const int64_t i = group.row();
  if (i < count) copy_row(group, y + i * columns, x + rows[i] * columns, columns, aligned);
}

template <class Group>
MARGINCORE_KERNEL scatter_rows_kernel(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns,
                                      bool aligned) {
  const Group group{nullptr};
  const int64_t i = group.row();
  if (i < count) copy_row(group, y + rows[i] * columns, x + i * columns, columns, aligned);
}

}  // namespace

void row_norms(float* norms, const float* x, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(row_norms_kernel, rows, columns, stream, norms, x, rows, columns, all_aligned(columns, x));
}

void l2_scale_forward(float* y, float* norms, float* y_norms, const float* x, const float* scale, int64_t rows,
                      int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(l2_scale_forward_kernel, rows, columns, stream, y, norms, y_norms, x, scale, rows, columns,
                      all_aligned(columns, y, x));
}

void scale_rows(float* y, const float* x, const float* norms, const float* scale, int64_t rows, int64_t columns,
                cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(scale_rows_kernel, rows, columns, stream, y, x, norms, scale, rows, columns,
                      all_aligned(columns, y, x));
}

void l2_scale_backward(float* dx, float* row_dscale, const float* dy, const float* x, const float* norms,
                       const float* scale, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(l2_scale_backward_kernel, rows, columns, stream, dx, row_dscale, dy, x, norms, scale, rows,
                      columns, all_aligned(columns, dx, dy, x));
}

void remove_radial(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(remove_radial_kernel, rows, columns, stream, dx, x, norms, rows, columns,
                      all_aligned(columns, dx, x));
}

void add_scaled_rows(float* y, const float* x, const float* coefficients, int64_t rows, int64_t columns,
                     cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(add_scaled_rows_kernel, rows, columns, stream, y, x, coefficients, rows, columns,
                      all_aligned(columns, y, x));
}

void gather_rows(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(gather_rows_kernel, count, columns, stream, y, x, rows, count, columns,
                      all_aligned(columns, y, x));
}

void scatter_rows(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns, cudaStream_t stream) {
  MARGINCORE_RUN_ROWS(scatter_rows_kernel, count, columns, stream, y, x, rows, count, columns,
                      all_aligned(columns, y, x));
}

}  // namespace margincore::cuda
