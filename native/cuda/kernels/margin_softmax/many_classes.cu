// Rows of many classes are cut into parts, so that a few rows fill the device. Four launches: what belongs to a class is
// computed, tiles are summed, a row's parts are put together and finished, tiles are written. A tile is a part of
// kTileRows rows, which a block takes together:
//   - what belongs to a class is read once for all of its rows;
//   - where the number of classes is no multiple of four, rows begin anywhere between multiples of 16 bytes: the rows of
//     a tile begin alike, and of each 16 bytes are loaded at a time;
//   - the second sweep goes from the end of the matrix to its beginning: what the first one read last, as much as the
//     L2 cache holds, is not read from memory again.
#include <algorithm>

#include "cuda/kernels/launch.h"
#include "cuda/kernels/margin_softmax/finish_row.h"
#include "cuda/kernels/margin_softmax/sweeps.h"

namespace margincore::cuda::margin_softmax_kernels {

namespace {

using device::global_thread;
using device::global_threads;
using device::thread;

constexpr int kTileRows = 2;  // where rows are cut into parts; with more, registers would leave room for fewer threads

/// What belongs to a class, from the copy for the tile's rows.
struct ClassCopy {
  const float *factor, *shift, *weights;

  MARGINCORE_DEVICE ClassCopy(const PreparedClasses& all, int64_t copy, const float* row) {
    const int64_t first = PreparedClasses::first(copy, all.copy_size, before_aligned(row));
    factor = all.factor != nullptr ? all.factor + first : nullptr;
    shift = all.shift != nullptr ? all.shift + first : nullptr;
    weights = all.weights != nullptr ? all.weights + first : nullptr;
  }

  template <class Group, class Body>
  MARGINCORE_DEVICE void walk(const Group& group, const RowPart& part, const Body& body) const {
    walk_row<1>(group, part, body);
  }
  template <class At>
  MARGINCORE_DEVICE void load(const At& at, float (&f)[At::kWidth], float (&s)[At::kWidth]) const {
    load_alike_or(at, f, factor, 1);
    load_alike_or(at, s, shift, 0);
  }
  template <class At>
  MARGINCORE_DEVICE void load_weights(const At& at, float (&w)[At::kWidth]) const {
    load_alike_or(at, w, weights, 1);
  }
};

/// The tile of a block's number.
MARGINCORE_DEVICE Tile<kTileRows> tile_of(const Problem& p, int64_t block) {
  const int64_t rows = block / p.division.parts, row_step = p.division.row_step;
  return {p, rows / row_step * kTileRows * row_step + rows % row_step, block % p.division.parts};
}

MARGINCORE_DEVICE ClassCopy classes_of(const Problem& p, const Tile<kTileRows>& tile) {
  return {p.work.prepared, tile.first_row % tile.row_step, tile.logits[0]};
}

MARGINCORE_KERNEL prepare_classes_kernel(Problem p) {
  clear_class_radial(p);
  const PreparedClasses& to = p.work.prepared;
  for (int64_t j = global_thread(); j < p.classes; j += global_threads()) {
    float factor[1], shift[1];
    load_classes(Singles<1>{j, 0}, factor, shift, p);
    for (int64_t copy = 0; copy < p.division.row_step; ++copy) {
      const int64_t at = j + PreparedClasses::first(copy, to.copy_size, before_aligned(p.logits + copy * p.classes));
      if (to.factor != nullptr) to.factor[at] = factor[0];
      if (to.shift != nullptr) to.shift[at] = shift[0];
      if (to.weights != nullptr) to.weights[at] = weight_of(p, j);
    }
  }
}

MARGINCORE_KERNEL sum_tiles_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Tile<kTileRows> tile = tile_of(p, device::block());
  PartSums sums[kTileRows];
  sum_tile(sums, BlockPerRow{shared}, p, classes_of(p, tile), tile);
  if (thread() != 0) return;
  const int64_t part = device::block() % p.division.parts;
  MARGINCORE_UNROLL
  for (int r = 0; r < kTileRows; ++r)
    if (r < tile.rows) p.work.part_sums[tile.row(r) * p.division.parts + part] = sums[r];
}

/// A warp per row.
MARGINCORE_KERNEL finish_rows_kernel(Problem p) {
  const WarpPerRow group{nullptr};
  const int64_t i = group.row();
  if (i >= p.rows) return;
  const RowGradient<float> gradient = finish_row(group, p, i, whole_row(group, p, i));
  if (group.first() == 0) p.work.row_gradients[i] = gradient;
}

MARGINCORE_KERNEL write_tiles_kernel(Problem p) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Tile<kTileRows> tile = tile_of(p, device::blocks() - 1 - device::block());
  RowGradient<float> gradients[kTileRows];
  MARGINCORE_UNROLL
  for (int r = 0; r < kTileRows; ++r) gradients[r] = p.work.row_gradients[tile.row(r)];
  const float squares = write_tile(BlockPerRow{shared}, p, classes_of(p, tile), tile, gradients);
  if (thread() == 0) p.work.squares[device::block()] = squares;
}

}  // namespace

Division cut_rows(int64_t rows, int64_t classes) {
  const int row_step = classes % 4 == 0 ? 1 : classes % 2 == 0 ? 2 : 4;
  constexpr int64_t kTiles = kMultiprocessors * 4 * 2;  // at least: two rounds of four blocks per multiprocessor
  constexpr int64_t kTurn = 4 * kBlock;                 // classes that a block takes at a time: of a part, some such
  constexpr int64_t kLargestPart = 8192;                // so that the last round of blocks is short
  const int64_t whole = rows / (kTileRows * row_step), rest = rows % (kTileRows * row_step);
  const int64_t row_tiles = whole * row_step + std::min<int64_t>(rest, row_step);
  const int64_t wanted = std::max(blocks_for(kTiles, row_tiles), blocks_for(classes, kLargestPart));
  const int64_t size = blocks_for(blocks_for(classes, wanted), kTurn) * kTurn;
  const int64_t parts = blocks_for(classes, size);
  return {true, parts, size, row_tiles * parts, row_step};
}

void prepare_classes(const Problem& p, cudaStream_t stream) {
  const PreparedClasses& to = p.work.prepared;
  if (to.factor == nullptr && to.shift == nullptr && to.weights == nullptr && p.class_radial == nullptr) return;
  MARGINCORE_RUN(prepare_classes_kernel, striding_blocks(p.classes), kBlock, stream, p);
}

void sum_tiles(const Problem& p, cudaStream_t stream) {
  MARGINCORE_RUN(sum_tiles_kernel, p.division.squares, kBlock, stream, p);
}

void write_tiles(const Problem& p, cudaStream_t stream) {
  MARGINCORE_RUN(write_tiles_kernel, p.division.squares, kBlock, stream, p);
}

void many_classes(const Problem& p, cudaStream_t stream) {
  prepare_classes(p, stream);
  sum_tiles(p, stream);
  MARGINCORE_RUN(finish_rows_kernel, WarpPerRow::grid(p.rows), WarpPerRow::kThreads, stream, p);
  write_tiles(p, stream);
}

}  // namespace margincore::cuda::margin_softmax_kernels
