// Mean and variance per channel of x (rows, channels), for batch norm and for that of logits. Each element is read
// once.
#include "base/batch_norm.h"
#include "cuda/kernels/batch_norm_division.h"
#include "cuda/kernels/kernels.h"
#include "heads/norm.h"

namespace margincore::cuda {

namespace {

/// Number of rows, and of each of kEach channels the mean and the sum of squares about it, joined as by Chan et al.
/// 1979. They are those of x - shift, with an element of the channel for a shift, or the mean of some: so means have
/// digits beside a small deviation, too, and nothing cancels however far x is from 0.
template <int kEach>
struct Moments {
  float count = 0, mean[kEach] = {}, squares[kEach] = {};

  MARGINCORE_DEVICE void join(float other_count, const float (&other_mean)[kEach],
                              const float (&other_squares)[kEach]) {
    if (other_count == 0) return;
    const float share = other_count / (count + other_count);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) {
      const float difference = other_mean[e] - mean[e];
      mean[e] += difference * share;
      squares[e] += other_squares[e] + difference * difference * share * count;
    }
    count += other_count;
  }

  /// Over the threads of each column: then those of the first row have the result. All threads take part.
  MARGINCORE_DEVICE void join_threads(int across, float* shared) {
    float* counts = shared + 2 * kEach * kBlock;
    const int self = device::thread();
    device::sync_block();  // shared may still be read
    put(self, counts, shared);
    for (int half = device::threads() / 2; half >= across; half /= 2) {
      device::sync_block();
      if (self >= half) continue;
      float other_mean[kEach], other_squares[kEach];
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) {
        other_mean[e] = shared[2 * e * kBlock + self + half];
        other_squares[e] = shared[(2 * e + 1) * kBlock + self + half];
      }
      join(counts[self + half], other_mean, other_squares);
      put(self, counts, shared);
    }
  }

 private:
  MARGINCORE_DEVICE void put(int self, float* counts, float* shared) const {
    counts[self] = count;
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) {
      shared[2 * e * kBlock + self] = mean[e];
      shared[(2 * e + 1) * kBlock + self] = squares[e];
    }
  }
};

/// The channels' first elements.
template <class T, int kEach>
struct Shift {
  float value[kEach] = {};

  MARGINCORE_DEVICE Shift(const Columns<kEach>& mine, const T* x) {
    if (mine.inside()) mine.load(value, x);
  }

  /// Now the mean of as many rows as the block's threads stand in: so close to that of all that only few digits are
  /// lost where the mean is small. All threads take part.
  MARGINCORE_DEVICE void average(const Columns<kEach>& mine, const T* x, int64_t rows, float* shared) {
    const int64_t row = mine.first_row(), count = rows < mine.row_stride() ? rows : mine.row_stride();
    if (mine.inside() && row > 0 && row < count) mine.load(value, x + row * mine.columns);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) value[e] = row < count ? value[e] : 0;
    mine.sum(value, shared);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) value[e] /= static_cast<float>(count);
  }
};

struct StatsOutputs {
  float *mean, *variance, *unbiased_variance;  // the last or null
  const float* norms;                          // (channels), by which x is to be divided, or null

  template <class T, int kEach>
  MARGINCORE_DEVICE void write(const Columns<kEach>& mine, Moments<kEach>& moments,
                               const Shift<T, kEach>& shift) const {
    if (!mine.inside() || mine.first_row() != 0) return;
    float biased[kEach], unbiased[kEach];
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) {
      const float unit = norms != nullptr ? inverse_norm(norms[mine.index + e]) : 1;
      moments.mean[e] = (moments.mean[e] + shift.value[e]) * unit;
      moments.squares[e] *= unit * unit;
      biased[e] = moments.squares[e] / moments.count;
      unbiased[e] = moments.squares[e] / (moments.count > 1 ? moments.count - 1 : 1);  // of a single row: 0
    }
    mine.store(mean, moments.mean);
    mine.store(variance, biased);
    if (unbiased_variance != nullptr) mine.store(unbiased_variance, unbiased);
  }
};

/// Joins what batch_norm_stats_kernel left of the chunks of its division `of`.
template <class T, int kEach>
MARGINCORE_DEVICE void join_chunks(const Columns<kEach>& mine, const StatsOutputs& out, const float* partial,
                                   const T* x, const BatchNormDivision& of, float* shared) {
  Moments<kEach> moments;
  const int64_t chunks = of.chunks();
  mine.template walk_rows<1>(0, chunks, [&](const auto at) {
    float mean[1][kEach], squares[1][kEach];
    at.load(mean, partial);
    at.load(squares, partial + chunks * of.channels);
    const int64_t rest = of.rows - at.row(0) * of.chunk_rows;
    moments.join(static_cast<float>(rest < of.chunk_rows ? rest : of.chunk_rows), mean[0], squares[0]);
  });
  moments.join_threads(mine.across, shared);
  out.write(mine, moments, Shift<T, kEach>(mine, x));
}

/// parts: means (chunks, channels), then sums of squares; null where there is one chunk, whose results are final.
/// Rows that are loaded together are joined first: two walks over registers.
template <class T, int kEach>
MARGINCORE_KERNEL batch_norm_stats_kernel(StatsOutputs out, Parts parts, const T* x, BatchNormDivision of) {
  MARGINCORE_SHARED(float, shared, (2 * kEach + 1) * kBlock);
  const BatchNormShare<kEach> share(of, device::block());
  const Columns<kEach>& mine = share.mine;
  Shift<T, kEach> shift(mine, x);
  if (parts.values == nullptr) shift.average(mine, x, of.rows, shared);
  Moments<kEach> moments;
  mine.template walk_rows<kRowsAtOnce<kEach, 16>>(share.begin, share.end, [&](const auto at) {
    float values[at.kRows][kEach], mean[kEach] = {}, squares[kEach] = {};
    at.load(values, x);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) {
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kRows; ++k) {
        values[k][e] -= shift.value[e];
        mean[e] += values[k][e];
      }
      mean[e] *= 1.0f / at.kRows;
      MARGINCORE_UNROLL
      for (int k = 0; k < at.kRows; ++k) squares[e] += (values[k][e] - mean[e]) * (values[k][e] - mean[e]);
    }
    moments.join(at.kRows, mean, squares);
  });
  moments.join_threads(mine.across, shared);
  if (parts.values == nullptr) return out.write(mine, moments, shift);
  if (mine.inside() && mine.first_row() == 0) {
    mine.store(parts.values + share.chunk * of.channels, moments.mean);
    mine.store(parts.values + (of.chunks() + share.chunk) * of.channels, moments.squares);
  }
  if (is_last_block(parts.counters + share.tile, of.chunks())) join_chunks(mine, out, parts.values, x, of, shared);
}

/// A thread for each channel.
MARGINCORE_KERNEL batch_norm_merge_kernel(StatsOutputs out, const float* parts, int32_t ranks, int64_t channels,
                                          int64_t batch, int64_t pixels) {
  const int64_t j = device::global_thread();
  if (j >= channels) return;
  const BatchMoments merged = merge_moments(parts + j, ranks, channels, batch, pixels);
  out.mean[j] = merged.mean;
  out.variance[j] = merged.variance;
  out.unbiased_variance[j] = merged.unbiased_variance;
}

}  // namespace

void batch_norm_merge(float* mean, float* variance, float* unbiased_variance, const float* parts, int32_t ranks,
                      int64_t channels, int64_t batch, int64_t pixels, cudaStream_t stream) {
  const StatsOutputs out{mean, variance, unbiased_variance, nullptr};
  MARGINCORE_RUN(batch_norm_merge_kernel, blocks_for(channels, kBlock), kBlock, stream, out, parts, ranks, channels,
                 batch, pixels);
}

void batch_norm_stats(float* mean, float* variance, float* unbiased_variance, Parts parts, Tensor x, int64_t channels,
                      cudaStream_t stream) {
  const StatsOutputs out{mean, variance, unbiased_variance, nullptr};
  with_summed_columns(x.dtype, channels, [&](auto element, auto each) {
    using T = decltype(element);
    constexpr int kEach = each.value;
    const BatchNormDivision of = division_of(x, channels, kEach);
    MARGINCORE_RUN((batch_norm_stats_kernel<T, kEach>), grid_of(of), kBlock, stream, out,
                   of.chunks() == 1 ? Parts{} : parts, elements<T>(x), of);
  });
}

void column_stats(float* mean, float* variance, const float* p, const float* column_norms, int64_t rows,
                  int64_t columns, cudaStream_t stream) {
  const StatsOutputs out{mean, variance, nullptr, column_norms};
  const BatchNormDivision of{rows, columns, rows, columns_per_block(columns)};
  if (all_aligned(columns, p, mean, variance))
    MARGINCORE_RUN((batch_norm_stats_kernel<float, 4>), grid_of(of), kBlock, stream, out, Parts{}, p, of);
  else MARGINCORE_RUN((batch_norm_stats_kernel<float, 1>), grid_of(of), kBlock, stream, out, Parts{}, p, of);
}

}  // namespace margincore::cuda
