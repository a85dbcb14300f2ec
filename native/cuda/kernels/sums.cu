// Sums over many elements in a fixed order: parts first, then their sums. No atomic operation, so the bits do not
// depend on scheduling. Each element is read once.
#include <algorithm>

#include "base/gradient_clip.h"
#include "cuda/kernels/columns.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"
#include "cuda/kernels/walk.h"

namespace margincore::cuda {

namespace {

using device::block;
using device::global_thread;
using device::global_threads;
using device::thread;
using device::threads;

/// 0 for what a ReLU cut off.
template <int kRows, int kEach, class At>
MARGINCORE_DEVICE void leave_out_cut(float (&values)[kRows][kEach], const At& at, const uint8_t* position) {
  MARGINCORE_UNROLL
  for (int k = 0; k < kRows; ++k) {
    const auto places = pack<Pack<uint8_t, kEach>>(position + at.row(k) * at.of.columns + at.of.index, 0);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) values[k][e] = places.value[e] == kNoPosition ? 0 : values[k][e];
  }
}

/// sums (chunks, columns), each of chunk_rows rows. position: of max_pool_forward, or null: what a ReLU cut off does not
/// count. `shared` has kEach * kBlock floats.
template <int kEach, class T>
MARGINCORE_DEVICE void sum_columns(float* sums, const T* x, const uint8_t* position, int64_t rows, int64_t columns,
                                   int64_t chunk_rows, int width, float* shared) {
  const int64_t tiles = (columns + width - 1) / width, chunk = block() / tiles;
  const Columns<kEach> mine(block() % tiles, width, columns);
  const int64_t begin = chunk * chunk_rows, end = begin + chunk_rows < rows ? begin + chunk_rows : rows;
  float sum[kEach] = {};
  mine.template walk_rows<kEach == 4 ? 4 : 8>(begin, end, [&](const auto at) {
    float values[at.kRows][kEach];
    at.load(values, x);
    if (position != nullptr) leave_out_cut(values, at, position);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kRows; ++k) {
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) sum[e] += values[k][e];
    }
  });
  mine.sum(sum, shared);
  if (mine.inside() && mine.first_row() == 0) mine.store(sums + chunk * columns, sum);
}

template <int kEach>
MARGINCORE_KERNEL column_sums_kernel(float* sums, const float* x, const uint8_t* position, int64_t rows,
                                     int64_t columns, int64_t chunk_rows, int width) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  sum_columns<kEach>(sums, x, position, rows, columns, chunk_rows, width, shared);
}

template <int kEach>
MARGINCORE_KERNEL column_sums_bf16_kernel(float* sums, const BFloat16* x, const uint8_t* position, int64_t rows,
                                          int64_t columns, int64_t chunk_rows, int width) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  sum_columns<kEach>(sums, x, position, rows, columns, chunk_rows, width, shared);
}

/// Threads that walk along an array together.
struct Block {
  MARGINCORE_DEVICE int first() const { return thread(); }
  MARGINCORE_DEVICE int stride() const { return threads(); }
};
struct Grid {
  MARGINCORE_DEVICE int first() const { return static_cast<int>(global_thread()); }
  MARGINCORE_DEVICE int stride() const { return static_cast<int>(global_threads()); }
};

/// One block.
MARGINCORE_KERNEL sum_kernel(float* total, const float* values, int64_t count, bool aligned) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float sum = 0;
  walk<4>(Block{}, 0, count, aligned, [&](const auto at) {
    float v[at.kWidth];
    at.load(v, values);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) sum += v[k];
  });
  sum = block_sum(sum, shared);
  if (thread() == 0) *total = sum;
}

MARGINCORE_KERNEL squares_kernel(float* partial, const float* x, int64_t count, bool aligned) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float sum = 0;
  walk<4>(Grid{}, 0, count, aligned, [&](const auto at) {
    float v[at.kWidth];
    at.load(v, x);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) sum += v[k] * v[k];
  });
  sum = block_sum(sum, shared);
  if (thread() == 0) partial[block()] = sum;
}

/// One block.
MARGINCORE_KERNEL norm_kernel(StepReport* report, int32_t* halted, float* clip_factor, const float* partial, int count,
                              double largest, const StepBlock* step) {
  MARGINCORE_SHARED(double, shared, device::kWarp);
  double sum = 0;
  for (int i = thread(); i < count; i += threads()) sum += partial[i];
  sum = block_sum(sum, shared);
  if (thread() != 0) return;
  const float norm = static_cast<float>(sqrt(sum));
  if (clip_factor != nullptr) *clip_factor = clip_factor_of(sqrt(sum), largest);
  report[step->report_index].gradient_norm = norm;
  if (!(norm - norm == 0)) *halted = 1;
}

// ---- division of work -----------------------------------------------------------------------------------------------

constexpr int64_t kLeastRows = 256;  // of a chunk: several for each thread

int width_of(int64_t columns) { return columns <= 2 * kNarrowColumns ? kNarrowColumns : kWideColumns; }

int64_t chunk_rows_of(int64_t rows, int64_t columns) {
  const int64_t tiles = blocks_for(columns, width_of(columns)), wanted = blocks_for(kMultiprocessors * 8, tiles);
  return std::max(blocks_for(rows, wanted), kLeastRows);
}

int64_t chunks_of(int64_t rows, int64_t columns) { return blocks_for(rows, chunk_rows_of(rows, columns)); }

void run_column_sums(float* sums, Tensor x, const uint8_t* position, int64_t rows, int64_t columns, int64_t chunk_rows,
                     cudaStream_t stream) {
  const int width = width_of(columns);
  const int64_t blocks = blocks_for(columns, width) * blocks_for(rows, chunk_rows);
  const bool aligned = all_aligned(columns, sums, x.f32());
  if (x.dtype == DType::BF16)
    MARGINCORE_RUN_COLUMNS(column_sums_bf16_kernel, aligned, blocks, stream, sums, elements<BFloat16>(x), position,
                           rows, columns, chunk_rows, width);
  else
    MARGINCORE_RUN_COLUMNS(column_sums_kernel, aligned, blocks, stream, sums, x.f32(), position, rows, columns,
                           chunk_rows, width);
}

}  // namespace

int64_t sum_partials(int64_t rows, int64_t columns) { return chunks_of(rows, columns) * columns; }

void column_sums(float* sums, float* partial, Tensor x, const uint8_t* position, int64_t rows, int64_t columns,
                 cudaStream_t stream) {
  const int64_t chunks = chunks_of(rows, columns);
  if (chunks == 1) return run_column_sums(sums, x, position, rows, columns, rows, stream);
  run_column_sums(partial, x, position, rows, columns, chunk_rows_of(rows, columns), stream);
  run_column_sums(sums, Tensor(partial, {chunks, columns}), nullptr, chunks, columns, chunks, stream);
}

void sum(float* total, const float* values, int64_t count, cudaStream_t stream) {
  MARGINCORE_RUN(sum_kernel, 1, kBlock, stream, total, values, count, all_aligned(4, values));
}

void gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, float* partial, const float* gradients,
                   int64_t count, double largest, const StepBlock* step, cudaStream_t stream) {
  const int64_t wanted = blocks_for(count / 4 + 1, kBlock);
  const int parts = static_cast<int>(wanted < kNormPartials ? wanted : kNormPartials);
  MARGINCORE_RUN(squares_kernel, parts, kBlock, stream, partial, gradients, count, all_aligned(4, gradients));
  MARGINCORE_RUN(norm_kernel, 1, kBlock, stream, report, halted, clip_factor, partial, parts, largest, step);
}

}  // namespace margincore::cuda
