// What every kernel file needs: grid sizes, groups of threads that share a row, and the check after a launch.
#pragma once

#include "cuda/check.h"
#include "cuda/device.h"

namespace margincore::cuda {

inline constexpr int kBlock = 256;                // threads; enough to hide memory latency with few registers
inline constexpr int64_t kMultiprocessors = 132;  // of an H100; others are served by the same division of work
inline constexpr int64_t kMaxBlocks =
    kMultiprocessors * 16;  // of a loop in strides of the grid: some for every multiprocessor

inline int64_t blocks_for(int64_t items, int64_t per_block) { return (items + per_block - 1) / per_block; }

/// Blocks of a kernel that walks `items` in strides of the grid.
inline int64_t striding_blocks(int64_t items) {
  const int64_t blocks = blocks_for(items, kBlock);
  return blocks < 1 ? 1 : blocks > kMaxBlocks ? kMaxBlocks : blocks;
}

/// Threads of a block that takes a line of so many packs.
inline int64_t line_threads(int64_t packs) {
  const int64_t warps = blocks_for(packs, device::kWarp);
  return device::kWarp * (warps < kBlock / device::kWarp ? warps : kBlock / device::kWarp);
}

/// Launches; an error names the kernel.
#define MARGINCORE_RUN(kernel, grid, block, stream, ...)                   \
  do {                                                                     \
    MARGINCORE_LAUNCH(kernel, grid, block, stream, __VA_ARGS__);           \
    ::margincore::cuda::check_queued(#kernel, stream, __FILE__, __LINE__); \
  } while (false)

// ---- groups of threads that work on one row together ---------------------------------------------------------------

template <class T>
MARGINCORE_DEVICE T warp_sum(T value) {
  for (int mask = device::kWarp / 2; mask > 0; mask /= 2) value += device::shuffle_xor(value, mask);
  return value;
}

MARGINCORE_DEVICE float warp_max(float value) {
  for (int mask = device::kWarp / 2; mask > 0; mask /= 2) {
    const float other = device::shuffle_xor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

/// Sum over the block, the same in every thread; `shared` has kWarp elements. The order is fixed.
template <class T>
MARGINCORE_DEVICE T block_sum(T value, T* shared) {
  const int warps = device::threads() / device::kWarp;
  value = warp_sum(value);
  device::sync_block();  // shared may still be read from the call before
  if (device::lane() == 0) shared[device::warp()] = value;
  device::sync_block();
  return warp_sum(device::lane() < warps ? shared[device::lane()] : T(0));
}

MARGINCORE_DEVICE float block_max(float value, float* shared) {
  const int warps = device::threads() / device::kWarp;
  value = warp_max(value);
  device::sync_block();  // shared may still be read from the call before
  if (device::lane() == 0) shared[device::warp()] = value;
  device::sync_block();
  return warp_max(device::lane() < warps ? shared[device::lane()] : shared[0]);
}

inline constexpr int64_t kWarpColumns = 512;  // 16 for each lane: what it can keep in registers

/// A warp per row: for rows of up to kWarpColumns columns.
struct WarpPerRow {
  static constexpr int kThreads = kBlock;
  static int64_t grid(int64_t rows) { return blocks_for(rows, kThreads / device::kWarp); }

  float* shared;  // not used
  MARGINCORE_DEVICE int64_t row() const {
    return device::block() * (device::threads() / device::kWarp) + device::warp();
  }
  MARGINCORE_DEVICE int first() const { return device::lane(); }
  MARGINCORE_DEVICE int stride() const { return device::kWarp; }
  MARGINCORE_DEVICE float sum(float value) const { return warp_sum(value); }
  MARGINCORE_DEVICE float max(float value) const { return warp_max(value); }
};

/// A block per row, with a warp for as many columns as WarpPerRow gives one.
struct BlockPerRow {
  static constexpr int kMostWarps = 16;
  static int64_t grid(int64_t rows) { return rows; }
  static int threads(int64_t columns) {
    const int64_t warps = blocks_for(columns, kWarpColumns);
    return device::kWarp * static_cast<int>(warps < 4 ? 4 : warps > kMostWarps ? kMostWarps : warps);
  }

  float* shared;
  MARGINCORE_DEVICE int64_t row() const { return device::block(); }
  MARGINCORE_DEVICE int first() const { return device::thread(); }
  MARGINCORE_DEVICE int stride() const { return device::threads(); }
  MARGINCORE_DEVICE float sum(float value) const { return block_sum(value, shared); }
  MARGINCORE_DEVICE float max(float value) const { return block_max(value, shared); }
};

/// Runs kernel<Group>(arguments…) with a warp or a block per row, by the length of the rows.
#define MARGINCORE_RUN_ROWS(kernel, rows, columns, stream, ...)                                              \
  do {                                                                                                       \
    using namespace ::margincore::cuda;                                                                      \
    if ((columns) <= kWarpColumns)                                                                           \
      MARGINCORE_RUN(kernel<WarpPerRow>, WarpPerRow::grid(rows), WarpPerRow::kThreads, stream, __VA_ARGS__); \
    else                                                                                                     \
      MARGINCORE_RUN(kernel<BlockPerRow>, BlockPerRow::grid(rows), BlockPerRow::threads(columns), stream,    \
                     __VA_ARGS__);                                                                           \
  } while (false)

}  // namespace margincore::cuda
