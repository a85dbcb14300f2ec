// Sums over many elements in a fixed order, so that the bits do not depend on scheduling: parts first, then their sums
// by the last block (last_block.h). Each element is read once.
#include <algorithm>

#include "base/gradient_clip.h"
#include "cuda/kernels/columns.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/last_block.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"
#include "cuda/kernels/walk.h"

namespace margincore::cuda {

namespace {

using device::block;
using device::blocks;
using device::global_thread;
using device::global_threads;
using device::thread;
using device::threads;

/// How a matrix is divided among blocks: `width` columns of chunk_rows rows for each.
struct SumDivision {
  int64_t rows, columns, chunk_rows;
  int width;

  MARGINCORE_HOST_DEVICE int64_t tiles() const { return (columns + width - 1) / width; }
  MARGINCORE_HOST_DEVICE int64_t chunks() const { return (rows + chunk_rows - 1) / chunk_rows; }
};

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

/// In all threads, the sums of rows [begin, end). position: of max_pool_forward, or null. `shared` has kEach * kBlock
/// floats.
template <int kEach, class T>
MARGINCORE_DEVICE void sum_rows(float (&sum)[kEach], const Columns<kEach>& mine, const T* x, const uint8_t* position,
                                int64_t begin, int64_t end, float* shared) {
  mine.template walk_rows<kEach == 4 ? 4 : 8>(begin, end, [&](const auto at) {
    float values[at.kRows][kEach];
    at.load(values, x);
    if (position != nullptr) leave_out_cut(values, at, position);
    if (position != nullptr) leave_out_cut(values, at, position);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kRows; ++k) {
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) sum[e] += values[k][e];
    }
  });
  mine.sum(sum, shared);
}

/// parts: sums (chunks, columns); not used where there is one chunk.
template <int kEach, class T>
MARGINCORE_DEVICE void sum_columns(float* sums, Parts parts, const T* x, const uint8_t* position, const SumDivision& of,
                                   float* shared) {
  const int64_t tile = block() % of.tiles(), chunk = block() / of.tiles(), chunks = of.chunks();
  const Columns<kEach> mine(tile, of.width, of.columns);
  const bool writes = mine.inside() && mine.first_row() == 0;
  const int64_t begin = chunk * of.chunk_rows, end = begin + of.chunk_rows < of.rows ? begin + of.chunk_rows : of.rows;
  float sum[kEach] = {};
  sum_rows(sum, mine, x, position, begin, end, shared);
  if (chunks > 1) {
    if (writes) mine.store(parts.values + chunk * of.columns, sum);
    if (!is_last_block(parts.counters + tile, chunks)) return;
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) sum[e] = 0;
    sum_rows(sum, mine, parts.values, nullptr, 0, chunks, shared);
  }
  if (writes) mine.store(sums, sum);
}

template <int kEach>
MARGINCORE_KERNEL column_sums_kernel(float* sums, Parts parts, const float* x, const uint8_t* position,
                                     SumDivision of) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  sum_columns<kEach>(sums, parts, x, position, of, shared);
}

template <int kEach>
MARGINCORE_KERNEL column_sums_bf16_kernel(float* sums, Parts parts, const BFloat16* x, const uint8_t* position,
                                          SumDivision of) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  sum_columns<kEach>(sums, parts, x, position, of, shared);
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

template <class T>
MARGINCORE_DEVICE void add_squares(float& sum, const T* x, int64_t count, bool aligned) {
  walk<4>(Grid{}, 0, count, aligned, [&](const auto at) {
    float v[at.kWidth];
    at.load(v, x);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kWidth; ++k) sum += v[k] * v[k];
  });
}

/// Gradients as kernels see them.
struct Squared {
  const BFloat16* bf16;
  int64_t bf16_count;
  const float* f32;
  int64_t f32_count;
  bool aligned;
};

/// Of all blocks one thread is told the sum.
MARGINCORE_DEVICE bool sum_squares(double& sum, Parts parts, const Squared& of) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  MARGINCORE_SHARED(double, shared_of_parts, device::kWarp);
  float squares = 0;
  add_squares(squares, of.bf16, of.bf16_count, of.aligned);
  add_squares(squares, of.f32, of.f32_count, of.aligned);
  squares = block_sum(squares, shared);
  if (thread() == 0) parts.values[block()] = squares;
  if (!is_last_block(parts.counters, blocks())) return false;
  sum = 0;
  for (int64_t i = thread(); i < blocks(); i += threads()) sum += parts.values[i];
  sum = block_sum(sum, shared_of_parts);
  return thread() == 0;
}

MARGINCORE_KERNEL gradient_norm_kernel(StepReport* report, int32_t* halted, float* clip_factor, Parts parts, Squared of,
                                       const StepTotals* totals, double largest, const StepBlock* step) {
  double sum;
  if (!sum_squares(sum, parts, of)) return;
  if (totals != nullptr) sum += totals->gradient_squares;
  const float norm = static_cast<float>(sqrt(sum));
  if (clip_factor != nullptr) *clip_factor = clip_factor_of(sqrt(sum), largest);
  report[step->report_index].gradient_norm = norm;
  if (!(norm - norm == 0)) *halted = 1;
}

MARGINCORE_KERNEL gradient_squares_kernel(StepTotals* totals, Parts parts, Squared of) {
  double sum;
  if (sum_squares(sum, parts, of)) totals->gradient_squares = static_cast<float>(sum);
}

// ---- division of work -----------------------------------------------------------------------------------------------

constexpr int64_t kLeastRows = 256;  // of a chunk: several for each thread

int width_of(int64_t columns) { return columns <= 2 * kNarrowColumns ? kNarrowColumns : kWideColumns; }

SumDivision division_of(int64_t rows, int64_t columns) {
  const int width = width_of(columns);
  const int64_t wanted = wanted_chunks(blocks_for(columns, width));
  return {rows, columns, std::max(blocks_for(rows, wanted), kLeastRows), width};
}

Squared squared(const Gradients& gradients) {
  const BFloat16* bf16 = gradients.bf16.bf16();
  const float* f32 = gradients.f32.f32();
  const int64_t bf16_count = gradients.bf16_count();
  return {bf16, bf16_count, f32, gradients.count() - bf16_count, all_aligned(4, bf16, f32)};
}

int64_t square_blocks(const Gradients& gradients) {
  return std::min<int64_t>(blocks_for(gradients.count() / 4 + 1, kBlock), kNormPartials);
}

}  // namespace

int64_t sum_partials(int64_t rows, int64_t columns) { return division_of(rows, columns).chunks() * columns; }

void column_sums(float* sums, Parts parts, Tensor x, const uint8_t* position, int64_t rows, int64_t columns,
                 cudaStream_t stream) {
  const SumDivision of = division_of(rows, columns);
  const int64_t blocks = of.tiles() * of.chunks();
  const bool aligned = all_aligned(columns, sums, parts.values, x.f32());
  if (x.dtype == DType::BF16)
    MARGINCORE_RUN_COLUMNS(column_sums_bf16_kernel, aligned, blocks, stream, sums, parts, elements<BFloat16>(x),
                           position, of);
  else MARGINCORE_RUN_COLUMNS(column_sums_kernel, aligned, blocks, stream, sums, parts, x.f32(), position, of);
}

void sum(float* total, const float* values, int64_t count, cudaStream_t stream) {
  MARGINCORE_RUN(sum_kernel, 1, kBlock, stream, total, values, count, all_aligned(4, values));
}

void gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Parts parts, const Gradients& gradients,
                   const StepTotals* totals, double largest, const StepBlock* step, cudaStream_t stream) {
  MARGINCORE_RUN(gradient_norm_kernel, square_blocks(gradients), kBlock, stream, report, halted, clip_factor, parts,
                 squared(gradients), totals, largest, step);
}

void gradient_squares(StepTotals* totals, Parts parts, const Gradients& gradients, cudaStream_t stream) {
  MARGINCORE_RUN(gradient_squares_kernel, square_blocks(gradients), kBlock, stream, totals, parts, squared(gradients));
}

}  // namespace margincore::cuda
