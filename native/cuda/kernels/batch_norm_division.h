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

  /// Whether any row is this thread's: not of a short matrix.
  MARGINCORE_DEVICE bool has_rows() const { return mine.inside() && begin + mine.first_row() < end; }
};

/// The block's number from the last on: for a pass over what another one has just read. What that read last is still in
/// the L2 cache.
MARGINCORE_DEVICE int64_t block_from_last() { return device::blocks() - 1 - device::block(); }

/// Rows of a thread that are loaded together: `floats` of one operand, as many as fit into 64 registers with the rest.
template <int kEach, int floats>
inline constexpr int kRowsAtOnce = floats / kEach > 8 ? 8 : floats / kEach;

// ---- sizes, on the host ---------------------------------------------------------------------------------------------

/// Of a block. A single one reads what all chunks of its tile have left, which falls with the square of the width, for
/// there are fewer chunks, too. 32 channels are whole sectors of a row, in bf16 two.
inline constexpr int kMostChannels = 32;
inline constexpr int64_t kLeastWalks = 4;  // rows of each thread of a chunk

/// of_each: columns of a thread.
inline int width_of(int64_t channels, int of_each) {
  int width = of_each;
  while (width < kMostChannels && width < channels) width *= 2;
  return width;
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
