// How a grid shares the channels of an image. A thread keeps one pack of channels and walks pixels, so that what
// belongs to a channel is loaded once and no index is divided; neighbouring threads move neighbouring addresses. A
// block takes some neighbouring pixels, with all of their channels where it has threads enough. Every sum has a fixed
// order.
#pragma once

#include "cuda/kernels/launch.h"

namespace margincore::cuda {

struct ChannelShare {
  int64_t pixels, chunk;  // of the image, and of a block
  int groups;             // packs of a pixel
  int across, tiles;      // packs side by side in a block, and blocks side by side for all of a pixel's

  int64_t chunks() const { return blocks_for(pixels, chunk); }
  int64_t blocks() const { return chunks() * tiles; }
};

/// Depends on sizes alone. Each thread takes `least` pixels, where there are so many.
inline ChannelShare share_channels(int64_t pixels, int64_t groups, int64_t least = 1) {
  const int64_t tiles = blocks_for(groups, kBlock), across = blocks_for(groups, tiles), at_once = kBlock / across;
  const int64_t wanted = blocks_for(pixels, blocks_for(kMaxBlocks, tiles)), each = blocks_for(wanted, at_once);
  return {pixels, at_once * (each < least ? least : each), static_cast<int>(groups), static_cast<int>(across),
          static_cast<int>(tiles)};
}

/// What this thread does of a share: of pixels begin, begin + stride, … below end it has pack number `group`.
struct ChannelWalk {
  int chunk, group, stride, across;
  int64_t begin, end;

  MARGINCORE_DEVICE ChannelWalk(const ChannelShare& s, int block)
      : chunk(block / s.tiles), stride(device::threads() / s.across), across(s.across) {
    const int row = device::thread() / across;
    group = (block - chunk * s.tiles) * across + device::thread() - row * across;
    begin = chunk * s.chunk + row;
    end = (chunk + 1) * s.chunk < s.pixels ? (chunk + 1) * s.chunk : s.pixels;
    if (row >= stride || group >= s.groups) end = 0;  // a thread too many
  }

  MARGINCORE_DEVICE bool idle() const { return end == 0; }
  MARGINCORE_DEVICE bool first() const { return device::thread() < across && !idle(); }

  /// Sums over the block's threads with the same pack, complete in those that are `first`. Every thread of the block
  /// takes part; `shared` has kCount * kBlock floats, and is used once.
  template <int kCount>
  MARGINCORE_DEVICE void sum(float (&values)[kCount], float* shared) const {
    const int row = device::thread() / across;
    float* mine = shared + device::thread();
    MARGINCORE_UNROLL
    for (int c = 0; c < kCount; ++c) mine[c * kBlock] = values[c];
    for (int rows = stride, half; rows > 1; rows = half) {
      half = (rows + 1) / 2;
      device::sync_block();
      if (row + half >= rows) continue;
      MARGINCORE_UNROLL
      for (int c = 0; c < kCount; ++c) mine[c * kBlock] += mine[c * kBlock + half * across];
    }
    MARGINCORE_UNROLL
    for (int c = 0; c < kCount; ++c) values[c] = mine[c * kBlock];
  }
};

}  // namespace margincore::cuda
