// Sums over many elements in a fixed order: parts first, one block then adds them up. No atomic operation, so the bits
// do not depend on scheduling. Each element is read once.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

using device::Float4;
using device::block;
using device::blocks;
using device::global_thread;
using device::global_threads;
using device::thread;
using device::threads;

// A block adds up kTileRows rows of kTileColumns neighbouring columns, with kBlock/kTileColumns threads per column.
constexpr int kTileColumns = 32, kTileRows = 1024;
constexpr int kRowThreads = kBlock / kTileColumns;

/// partial (chunks, columns)
template <class T>
MARGINCORE_KERNEL column_partials_kernel(float* partial, const T* x, int64_t rows, int64_t columns,
                                         int64_t column_tiles) {
  MARGINCORE_SHARED(float, shared, kBlock);
  const int64_t chunk = block() / column_tiles, column = block() % column_tiles * kTileColumns + thread() % kTileColumns;
  const int64_t begin = chunk * kTileRows, end = begin + kTileRows < rows ? begin + kTileRows : rows;
  float sum = 0;
  if (column < columns)
    for (int64_t i = begin + thread() / kTileColumns; i < end; i += kRowThreads) sum += widen(x[i * columns + column]);
  shared[thread()] = sum;
  device::sync_block();
  if (thread() >= kTileColumns || column >= columns) return;
  for (int k = 1; k < kRowThreads; ++k) sum += shared[thread() + k * kTileColumns];
  partial[chunk * columns + column] = sum;
}

MARGINCORE_KERNEL add_partials_kernel(float* sums, const float* partial, int64_t chunks, int64_t columns) {
  for (int64_t j = global_thread(); j < columns; j += global_threads()) {
    float sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partial[chunk * columns + j];
    sums[j] = sum;
  }
}

/// One block.
MARGINCORE_KERNEL sum_kernel(float* total, const float* values, int64_t count) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float sum = 0;
  for (int64_t i = thread(); i < count; i += threads()) sum += values[i];
  sum = block_sum(sum, shared);
  if (thread() == 0) *total = sum;
}

MARGINCORE_KERNEL squares_kernel(float* partial, const float* x, int64_t count) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float sum = 0;
  const int64_t fours = count / 4;
  for (int64_t i = global_thread(); i < fours; i += global_threads()) {
    const Float4 v = reinterpret_cast<const Float4*>(x)[i];
    sum += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
  }
  for (int64_t i = 4 * fours + global_thread(); i < count; i += global_threads()) sum += x[i] * x[i];
  sum = block_sum(sum, shared);
  if (thread() == 0) partial[block()] = sum;
}

/// One block.
MARGINCORE_KERNEL norm_kernel(StepReport* report, int32_t* halted, const float* partial, int count,
                              const StepBlock* step) {
  MARGINCORE_SHARED(double, shared, kBlock);
  double sum = 0;
  for (int i = thread(); i < count; i += threads()) sum += partial[i];
  shared[thread()] = sum;
  device::sync_block();
  if (thread() != 0) return;
  for (int k = 1; k < threads(); ++k) sum += shared[k];
  const float norm = static_cast<float>(sqrt(sum));
  report[step->report_index].gradient_norm = norm;
  if (!(norm - norm == 0)) *halted = 1;
}

int64_t chunks_of(int64_t rows) { return blocks_for(rows, kTileRows); }

}  // namespace

int64_t sum_partials(int64_t rows, int64_t columns) { return chunks_of(rows) * columns; }

void column_sums(float* sums, float* partial, Tensor x, int64_t rows, int64_t columns, cudaStream_t stream) {
  const int64_t tiles = blocks_for(columns, kTileColumns), chunks = chunks_of(rows);
  float* target = chunks == 1 ? sums : partial;
  with_element(x.dtype, [&](auto element) {
    using T = decltype(element);
    MARGINCORE_RUN(column_partials_kernel<T>, tiles * chunks, kBlock, stream, target, elements<T>(x), rows, columns,
                   tiles);
  });
  if (chunks > 1)
    MARGINCORE_RUN(add_partials_kernel, striding_blocks(columns), kBlock, stream, sums, partial, chunks, columns);
}

void sum(float* total, const float* values, int64_t count, cudaStream_t stream) {
  MARGINCORE_RUN(sum_kernel, 1, kBlock, stream, total, values, count);
}

void gradient_norm(StepReport* report, int32_t* halted, float* partial, const float* gradients, int64_t count,
                   const StepBlock* step, cudaStream_t stream) {
  const int64_t wanted = blocks_for(count / 4 + 1, kBlock);
  const int parts = static_cast<int>(wanted < kNormPartials ? wanted : kNormPartials);
  MARGINCORE_RUN(squares_kernel, parts, kBlock, stream, partial, gradients, count);
  MARGINCORE_RUN(norm_kernel, 1, kBlock, stream, report, halted, partial, parts, step);
}

}  // namespace margincore::cuda
