// Backward pooling, without two threads that write one place: a thread writes a cell, stride x stride neighbouring
// elements of dx of which the first, where it is inside of the image, is that of a window. Where windows do not overlap
// a cell lies in no other one; else an element asks all that are over it, in a fixed order.
#pragma once

#include "base/window.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/pixels.h"

namespace margincore::cuda {

MARGINCORE_DEVICE Windows<int> rows_of(const PoolSizes& s, const Pool2d& pool) {
  return {s.height, s.out_height, pool.kernel, pool.stride, pool.padding};
}
MARGINCORE_DEVICE Windows<int> columns_of(const PoolSizes& s, const Pool2d& pool) {
  return {s.width, s.out_width, pool.kernel, pool.stride, pool.padding};
}

/// Of a pixel's pack among those of the images.
MARGINCORE_DEVICE int64_t place_of(int64_t image, int row, int column, int height, int width, int groups, int group) {
  return ((image * height + row) * width + column) * groups + group;
}

/// Cells of dx; groups: packs of a pixel.
inline Pixels cells_of(const PoolSizes& s, const Pool2d& pool, int64_t groups) {
  return {s.batch, blocks_for(s.height + pool.padding, pool.stride), blocks_for(s.width + pool.padding, pool.stride),
          groups};
}

inline bool windows_overlap(const Pool2d& pool) { return pool.kernel > pool.stride; }

MARGINCORE_DEVICE bool has_window(const Pixel& cell, const PoolSizes& s) {
  return cell.row < s.out_height && cell.column < s.out_width;
}

/// body(row, column, r, k) for the elements of a cell that are in the image; r and k are their places in the cell.
template <class Body>
MARGINCORE_DEVICE void each_element(const Pixel& cell, const PoolSizes& s, const Pool2d& pool, const Body& body) {
  MARGINCORE_ROLL
  for (int r = 0; r < pool.stride; ++r) {
    const int row = cell.row * pool.stride - pool.padding + r;
    if (row < 0 || row >= s.height) continue;
    MARGINCORE_ROLL
    for (int k = 0; k < pool.stride; ++k) {
      const int column = cell.column * pool.stride - pool.padding + k;
      if (column >= 0 && column < s.width) body(row, column, r, k);
    }
  }
}

/// body(p, q, place) for the windows over element (r, k) of a cell; place is the element's in the window.
template <class Body>
MARGINCORE_DEVICE void each_window_over(const Pixel& cell, int r, int k, const PoolSizes& s, const Pool2d& pool,
                                        const Body& body) {
  for (int p = cell.row, down = r; down < pool.kernel && p >= 0; --p, down += pool.stride) {
    for (int q = cell.column, along = k; along < pool.kernel && q >= 0; --q, along += pool.stride)
      if (p < s.out_height && q < s.out_width) body(p, q, down * pool.kernel + along);
  }
}

}  // namespace margincore::cuda
