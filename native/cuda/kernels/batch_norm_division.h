// How the three operations of batch norm divide x (rows, channels) among blocks. A block takes some neighbouring
// channels of a chunk of the rows, its threads up to 16 bytes of each row (columns.h). Sums are those of each chunk,
// then of the chunks, both in a fixed order: of each tile of channels the last block joins the chunks (last_block.h).
#pragma once

#include <algorithm>
#include <type_traits>

#include "cuda/kernels/columns.h"
#include "cuda/kernels/last_block.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

/// How rows and channels are divided among blocks; the same for all kernels here.
struct BatchNormDivision {
  int64_t rows, channels, chunk_rows;
  int width;  // channels of a block

  MARGINCORE_HOST_DEVICE int64_t tiles() const { return (channels + width - 1) / width; }
  MARGINCORE_HOST_DEVICE int64_t chunks() const { return (rows + chunk_rows - 1) / chunk_rows; }
};

/// What one thread of a block has to do.
template <int kEach>
struct BatchNormShare {
  int64_t tile, chunk, begin, end;
  Columns<kEach> mine;

  MARGINCORE_DEVICE BatchNormShare(const BatchNormDivision& of, int64_t block)
      : tile(block % of.tiles()), chunk(block / of.tiles()), mine(tile, of.width, of.channels) {
    begin = chunk * of.chunk_rows;
    end = begin + of.chunk_rows < of.rows ? begin + of.chunk_rows : of.rows;
  }
};

/// join(mine) in the last block of a tile: of each 32 bytes of the chunks' results, for more threads in a row of them.
template <int kEach, class Join>
MARGINCORE_DEVICE void in_last_block(const BatchNormShare<kEach>& share, const BatchNormDivision& of,
                                     unsigned* counters, const Join& join) {
  constexpr int kWidth = 8;
  if (!is_last_block(counters + share.tile, of.chunks())) return;
  if (of.width < kWidth) return join(share.mine);
  const int64_t first = share.tile * of.width / kWidth;
  MARGINCORE_ROLL
  for (int k = 0; k < of.width / kWidth; ++k) join(Columns<kEach>(first + k, kWidth, of.channels));
}

/// The block's number from the last on: for a pass over what another one has just read. What that read last is still in
/// the L2 cache.
MARGINCORE_DEVICE int64_t block_from_last() { return device::blocks() - 1 - device::block(); }

/// Rows of a thread that are loaded together: `floats` of one operand, as many as fit into 64 registers with the rest.
template <int kEach, int floats>
inline constexpr int kRowsAtOnce = floats / kEach > 8 ? 8 : floats / kEach;

// ---- sizes, on the host ---------------------------------------------------------------------------------------------

inline constexpr int kMostAcross = 32;     // threads along a row
inline constexpr int64_t kLeastWalks = 4;  // rows of each thread of a chunk

/// of_each: columns of a thread.
inline int width_of(int64_t channels, int of_each) {
  int across = 1;
  while (across < kMostAcross && across * of_each < channels) across *= 2;
  return across * of_each;
}

inline BatchNormDivision division_of(const Tensor& x, int64_t channels, int of_each) {
  const int64_t rows = x.count() / channels;
  const int width = width_of(channels, of_each);
  const int64_t wanted = wanted_chunks(blocks_for(channels, width));
  const int64_t least = kLeastWalks * kBlock / (width / of_each);
  return {rows, channels, std::max(blocks_for(rows, wanted), least), width};
}

inline int64_t grid_of(const BatchNormDivision& division) { return division.tiles() * division.chunks(); }

/// run(T{}, std::integral_constant<int, columns of a thread>) for sums over activations of that type: four columns, for
/// several sums and parameters of more would not leave enough registers to fill a multiprocessor.
inline constexpr int kSummed = 4;

template <class Run>
void with_summed_columns(DType dtype, int64_t channels, const Run& run) {
  with_element(dtype, [&](auto element) {
    if (channels % kSummed == 0) run(element, std::integral_constant<int, kSummed>{});
    else run(element, std::integral_constant<int, 1>{});
  });
}

}  // namespace margincore::cuda
