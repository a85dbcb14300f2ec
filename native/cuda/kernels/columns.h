// How the threads of a block share columns of a matrix. A block takes `width` neighbouring columns; its threads stand
// side by side along a row, each with kEach columns (up to what is loaded as 16 bytes, where rows begin at multiples of
// that), and in as many rows as there are threads for. A warp reads whole sectors of 32 bytes even of the narrowest
// width, which is taken where there are too few columns to fill the device otherwise. Every sum has a fixed order.
#pragma once

#include "cuda/kernels/launch.h"
#include "cuda/kernels/walk.h"

namespace margincore::cuda {

inline constexpr int kWideColumns = 32, kNarrowColumns = 8;

/// Columns of a block.
inline int columns_per_block(int64_t columns) {
  return blocks_for(columns, kWideColumns) >= 2 * kMultiprocessors ? kWideColumns : kNarrowColumns;
}

template <int kEach>
struct Columns {
  int64_t index;    // of the thread's first column
  int64_t columns;  // of the matrix
  int across;       // threads along a row

  MARGINCORE_DEVICE Columns(int64_t tile, int width, int64_t columns)
      : index(tile * width + device::thread() % (width / kEach) * kEach), columns(columns), across(width / kEach) {}

  MARGINCORE_DEVICE bool inside() const { return index < columns; }
  MARGINCORE_DEVICE int first_row() const { return device::thread() / across; }
  MARGINCORE_DEVICE int row_stride() const { return device::threads() / across; }

  template <class T>
  MARGINCORE_DEVICE void load(float (&values)[kEach], const T* row) const {
    const auto from = pack<Pack<T, kEach>>(row + index, 0);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) values[e] = widen(from.value[e]);
  }
  template <class T>
  MARGINCORE_DEVICE void store(T* row, const float (&values)[kEach]) const {
    Pack<T, kEach> to;
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) to.value[e] = narrow<T>(values[e]);
    pack<Pack<T, kEach>>(row + index, 0) = to;
  }

  /// Some of the thread's rows, loaded together.
  template <int kCount>
  struct Rows {
    static constexpr int kRows = kCount;
    const Columns& of;
    int64_t first;

    MARGINCORE_DEVICE int64_t row(int k) const { return first + k * of.row_stride(); }
    template <class T>
    MARGINCORE_DEVICE void load(float (&values)[kCount][kEach], const T* matrix) const {
      MARGINCORE_UNROLL
      for (int k = 0; k < kCount; ++k) of.load(values[k], matrix + row(k) * of.columns);
    }
    template <class T>
    MARGINCORE_DEVICE void store(T* matrix, const float (&values)[kCount][kEach]) const {
      MARGINCORE_UNROLL
      for (int k = 0; k < kCount; ++k) of.store(matrix + row(k) * of.columns, values[k]);
    }
  };

  /// body(at) for this thread's rows of [begin, end), kAtOnce at a time as long as there are so many.
  template <int kAtOnce, class Body>
  MARGINCORE_DEVICE void walk_rows(int64_t begin, int64_t end, const Body& body) const {
    if (!inside()) return;
    int64_t i = begin + first_row();
    for (; i + (kAtOnce - 1) * row_stride() < end; i += kAtOnce * row_stride()) body(Rows<kAtOnce>{*this, i});
    if constexpr (kAtOnce > 1)
      for (; i < end; i += row_stride()) body(Rows<1>{*this, i});
  }

  /// Sums over the threads of each column, the same in all of them; every thread of the block takes part. `shared` has
  /// kEach * kBlock floats.
  MARGINCORE_DEVICE void sum(float (&values)[kEach], float* shared) const {
    const int all = device::threads();
    device::sync_block();  // shared may still be read from the call before
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) shared[e * all + device::thread()] = values[e];
    for (int half = all / 2; half >= across; half /= 2) {
      device::sync_block();
      if (device::thread() >= half) continue;
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) shared[e * all + device::thread()] += shared[e * all + device::thread() + half];
    }
    device::sync_block();
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) values[e] = shared[e * all + device::thread() % across];
  }
};

/// Runs kernel<4>(arguments…) where four columns can be loaded at once, kernel<1>(arguments…) elsewhere.
#define MARGINCORE_RUN_COLUMNS(kernel, aligned, grid, stream, ...)             \
  do {                                                                         \
    if (aligned) MARGINCORE_RUN(kernel<4>, grid, kBlock, stream, __VA_ARGS__); \
    else MARGINCORE_RUN(kernel<1>, grid, kBlock, stream, __VA_ARGS__);         \
  } while (false)

}  // namespace margincore::cuda
