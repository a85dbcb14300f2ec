// Batch norm per channel of x (rows, channels). A block takes some neighbouring channels of a chunk of the rows, its
// threads up to 16 bytes of each row (columns.h). Sums are those of each chunk, then of the chunks, both in a fixed
// order; a matrix of one chunk needs no second launch. Bound by memory, in elements moved per element: statistics 1,
// application 2 and one for the residual; the gradient 5, one or two more for a y that tells where the ReLU let pass,
// and 1 for dresidual, which the second pass reads in place of dy and y.
#include <algorithm>
#include <type_traits>

#include "base/batch_norm.h"
#include "cuda/kernels/columns.h"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

/// How rows and channels are divided among blocks; the same for all kernels here.
struct Division {
  int64_t rows, channels, chunk_rows;
  int width;  // channels of a block

  MARGINCORE_HOST_DEVICE int64_t tiles() const { return (channels + width - 1) / width; }
  MARGINCORE_HOST_DEVICE int64_t chunks() const { return (rows + chunk_rows - 1) / chunk_rows; }
};

/// What one thread has to do.
template <int kEach>
struct Share {
  Columns<kEach> mine;
  int64_t chunk, begin, end;

  MARGINCORE_DEVICE explicit Share(const Division& of)
      : mine(device::block() % of.tiles(), of.width, of.channels), chunk(device::block() / of.tiles()) {
    begin = chunk * of.chunk_rows;
    end = begin + of.chunk_rows < of.rows ? begin + of.chunk_rows : of.rows;
  }
};

/// Rows of a thread that are loaded together: `floats` of one operand, as many as fit into 64 registers with the rest.
template <int kEach, int floats>
inline constexpr int kRowsAtOnce = floats / kEach > 8 ? 8 : floats / kEach;

// ---- statistics -----------------------------------------------------------------------------------------------------

/// Number of rows, and of each of kEach channels the mean and the sum of squares about it, joined as by Chan et al.
/// 1979. They are those of x - shift, with the channel's first element for a shift: so means have digits beside a small
/// deviation, too, and nothing cancels however far x is from 0.
template <int kEach>
struct Moments {
  float count = 0, mean[kEach] = {}, squares[kEach] = {};

  MARGINCORE_DEVICE void join(float other_count, const float (&other_mean)[kEach],
                              const float (&other_squares)[kEach]) {
    if (other_count == 0) return;
    const float share = other_count / (count + other_count);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) {
      const float apart = other_mean[e] - mean[e];
      mean[e] += apart * share;
      squares[e] += other_squares[e] + apart * apart * share * count;
    }
    count += other_count;
  }

  /// Over the threads of each column: then those of the first row have the result. All threads take part.
  MARGINCORE_DEVICE void join_threads(int across, float* shared) {
    float* counts = shared + 2 * kEach * kBlock;
    const int self = device::thread();
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
};

struct StatsOutputs {
  float *mean, *variance, *unbiased_variance;  // the last or null

  template <class T, int kEach>
  MARGINCORE_DEVICE void write(const Columns<kEach>& mine, Moments<kEach>& moments,
                               const Shift<T, kEach>& shift) const {
    if (!mine.inside() || mine.first_row() != 0) return;
    float biased[kEach], unbiased[kEach];
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) {
      moments.mean[e] += shift.value[e];
      biased[e] = moments.squares[e] / moments.count;
      unbiased[e] = moments.squares[e] / (moments.count > 1 ? moments.count - 1 : 1);  // of a single row: 0
    }
    mine.store(mean, moments.mean);
    mine.store(variance, biased);
    if (unbiased_variance != nullptr) mine.store(unbiased_variance, unbiased);
  }
};

/// partial: means (chunks, channels), then sums of squares; null where there is one chunk, whose results are final.
/// Rows that are loaded together are joined first: two walks over registers.
template <class T, int kEach>
MARGINCORE_KERNEL batch_norm_stats_kernel(StatsOutputs out, float* partial, const T* x, Division of) {
  MARGINCORE_SHARED(float, shared, (2 * kEach + 1) * kBlock);
  const Share<kEach> share(of);
  const Columns<kEach>& mine = share.mine;
  const Shift<T, kEach> shift(mine, x);
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
  if (partial == nullptr) return out.write(mine, moments, shift);
  if (!mine.inside() || mine.first_row() != 0) return;
  mine.store(partial + share.chunk * of.channels, moments.mean);
  mine.store(partial + (of.chunks() + share.chunk) * of.channels, moments.squares);
}

/// over: (chunks, channels) as one chunk. of: how `partial` was made of x.
template <class T, int kEach>
MARGINCORE_KERNEL batch_norm_join_kernel(StatsOutputs out, const float* partial, const T* x, Division over,
                                         Division of) {
  MARGINCORE_SHARED(float, shared, (2 * kEach + 1) * kBlock);
  const Share<kEach> share(over);
  const Columns<kEach>& mine = share.mine;
  Moments<kEach> moments;
  mine.template walk_rows<1>(0, over.rows, [&](const auto at) {
    float mean[1][kEach], squares[1][kEach];
    at.load(mean, partial);
    at.load(squares, partial + over.rows * over.channels);
    const int64_t rest = of.rows - at.row(0) * of.chunk_rows;
    moments.join(static_cast<float>(rest < of.chunk_rows ? rest : of.chunk_rows), mean[0], squares[0]);
  });
  moments.join_threads(mine.across, shared);
  out.write(mine, moments, Shift<T, kEach>(mine, x));
}

// ---- application ----------------------------------------------------------------------------------------------------

/// Of the thread's channels.
template <int kEach>
struct Normalizing {
  float mean[kEach] = {}, gain[kEach] = {}, beta[kEach] = {};

  MARGINCORE_DEVICE Normalizing(const Columns<kEach>& mine, const BatchNormParameters& p) {
    if (!mine.inside()) return;
    float variance[kEach];
    mine.load(mean, p.mean);
    mine.load(variance, p.variance);
    mine.load(gain, p.gamma);
    mine.load(beta, p.beta);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) gain[e] *= inverse_deviation(variance[e], p.norm.epsilon);
  }

  MARGINCORE_DEVICE float apply(float x, int e) const { return batch_normalized(x, mean[e], gain[e], beta[e]); }
};

/// residual: or null.
template <class T, int kEach>
MARGINCORE_KERNEL batch_norm_apply_kernel(T* y, const T* x, const T* residual, BatchNormParameters p, Division of) {
  const Share<kEach> share(of);
  const Normalizing<kEach> normalizing(share.mine, p);
  share.mine.template walk_rows<kRowsAtOnce<kEach, 8>>(share.begin, share.end, [&](const auto at) {
    float values[at.kRows][kEach], others[at.kRows][kEach] = {};
    at.load(values, x);
    if (residual != nullptr) at.load(others, residual);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kRows; ++k) {
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) {
        const float value = normalizing.apply(values[k][e], e) + others[k][e];
        values[k][e] = p.norm.relu != 0 && value < 0 ? 0 : value;  // so that a NaN stays one
      }
    }
    at.store(y, values);
  });
}

// ---- gradient -------------------------------------------------------------------------------------------------------

/// Where a ReLU lets a gradient pass: everywhere (there is none), where y is above 0, or where y, computed from x, is.
enum class Pass { All, ByOutput, ByInput };

/// gradients := what passes of dy, and values := x, of the rows `at`.
template <Pass kPass, class T, int kEach, class At, int kRows>
MARGINCORE_DEVICE void load_gradients(float (&gradients)[kRows][kEach], float (&values)[kRows][kEach], const At& at,
                                      const T* dy, const T* x, const T* y, const Normalizing<kEach>& normalizing) {
  at.load(gradients, dy);
  at.load(values, x);
  if constexpr (kPass != Pass::All) {
    float outputs[kRows][kEach];
    if constexpr (kPass == Pass::ByOutput) at.load(outputs, y);
    MARGINCORE_UNROLL
    for (int k = 0; k < kRows; ++k) {
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) {
        if constexpr (kPass == Pass::ByInput) outputs[k][e] = normalizing.apply(values[k][e], e);
        gradients[k][e] = outputs[k][e] > 0 ? gradients[k][e] : 0;
      }
    }
  }
}

struct ParameterGradients {
  float *dgamma, *dbeta;

  /// along: sums of gradient * (x - mean).
  template <int kEach>
  MARGINCORE_DEVICE void write(const Columns<kEach>& mine, const float (&sum)[kEach], float (&along)[kEach],
                               const BatchNormParameters& p) const {
    if (!mine.inside() || mine.first_row() != 0) return;
    float variance[kEach];
    mine.load(variance, p.variance);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) along[e] *= inverse_deviation(variance[e], p.norm.epsilon);
    mine.store(dbeta, sum);
    mine.store(dgamma, along);
  }
};

/// partial: sums of the gradients (chunks, channels), then of gradient * (x - mean); null where there is one chunk.
/// dresidual: or null.
template <Pass kPass, class T, int kEach>
MARGINCORE_KERNEL batch_norm_sums_kernel(ParameterGradients out, T* dresidual, float* partial, const T* dy, const T* x,
                                         const T* y, BatchNormParameters p, Division of) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  const Share<kEach> share(of);
  const Columns<kEach>& mine = share.mine;
  const Normalizing<kEach> normalizing(mine, p);
  float sum[kEach] = {}, along[kEach] = {};
  mine.template walk_rows<kRowsAtOnce<kEach, kPass == Pass::ByInput ? 4 : 8>>(
      share.begin, share.end, [&](const auto at) {
        float gradients[at.kRows][kEach], values[at.kRows][kEach];
        load_gradients<kPass>(gradients, values, at, dy, x, y, normalizing);
        if (dresidual != nullptr) at.store(dresidual, gradients);
        MARGINCORE_UNROLL
        for (int k = 0; k < at.kRows; ++k) {
          MARGINCORE_UNROLL
          for (int e = 0; e < kEach; ++e) {
            sum[e] += gradients[k][e];
            along[e] += gradients[k][e] * (values[k][e] - normalizing.mean[e]);
          }
        }
      });
  mine.sum(sum, shared);
  mine.sum(along, shared);
  if (partial == nullptr) return out.write(mine, sum, along, p);
  if (!mine.inside() || mine.first_row() != 0) return;
  mine.store(partial + share.chunk * of.channels, sum);
  mine.store(partial + (of.chunks() + share.chunk) * of.channels, along);
}

/// over: (chunks, channels) as one chunk.
template <int kEach>
MARGINCORE_KERNEL batch_norm_add_kernel(ParameterGradients out, const float* partial, BatchNormParameters p,
                                        Division over) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  const Share<kEach> share(over);
  const Columns<kEach>& mine = share.mine;
  float sum[kEach] = {}, along[kEach] = {};
  mine.template walk_rows<1>(0, over.rows, [&](const auto at) {
    float sums[1][kEach], alongs[1][kEach];
    at.load(sums, partial);
    at.load(alongs, partial + over.rows * over.channels);
    MARGINCORE_UNROLL
    for (int e = 0; e < kEach; ++e) {
      sum[e] += sums[0][e];
      along[e] += alongs[0][e];
    }
  });
  mine.sum(sum, shared);
  mine.sum(along, shared);
  out.write(mine, sum, along, p);
}

template <Pass kPass, class T, int kEach>
MARGINCORE_KERNEL batch_norm_dx_kernel(T* dx, const T* dy, const T* x, const T* y, const float* dgamma,
                                       const float* dbeta, BatchNormParameters p, Division of) {
  const Share<kEach> share(of);
  const Columns<kEach>& mine = share.mine;
  if (!mine.inside()) return;
  const Normalizing<kEach> normalizing(mine, p);
  float mean_gradient[kEach], slope[kEach], variance[kEach];
  mine.load(mean_gradient, dbeta);
  mine.load(slope, dgamma);
  mine.load(variance, p.variance);
  const float per_row = 1 / static_cast<float>(of.rows);
  MARGINCORE_UNROLL
  for (int e = 0; e < kEach; ++e) {
    mean_gradient[e] *= per_row;
    slope[e] *= per_row * inverse_deviation(variance[e], p.norm.epsilon);
  }
  mine.template walk_rows<kRowsAtOnce<kEach, 8>>(share.begin, share.end, [&](const auto at) {
    float gradients[at.kRows][kEach], values[at.kRows][kEach];
    load_gradients<kPass>(gradients, values, at, dy, x, y, normalizing);
    MARGINCORE_UNROLL
    for (int k = 0; k < at.kRows; ++k) {
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e)
        gradients[k][e] = batch_norm_gradient(gradients[k][e], values[k][e], normalizing.mean[e], normalizing.gain[e],
                                              mean_gradient[e], slope[e]);
    }
    at.store(dx, gradients);
  });
}

// ---- division of work -----------------------------------------------------------------------------------------------

constexpr int kMostAcross = 32;     // threads along a row
constexpr int64_t kLeastWalks = 4;  // rows of each thread of a chunk

/// of_each: columns of a thread.
int width_of(int64_t channels, int of_each) {
  int across = 1;
  while (across < kMostAcross && across * of_each < channels) across *= 2;
  return across * of_each;
}

Division division_of(const Tensor& x, int64_t channels, int of_each) {
  const int64_t rows = x.count() / channels;
  const int width = width_of(channels, of_each);
  const int64_t wanted = blocks_for(kMultiprocessors * 8, blocks_for(channels, width));
  const int64_t least = kLeastWalks * kBlock / (width / of_each);
  return {rows, channels, std::max(blocks_for(rows, wanted), least), width};
}

int64_t grid_of(const Division& division) { return division.tiles() * division.chunks(); }

/// Of results of chunks: a block takes 32 bytes of their rows, so that as many blocks as possible take part.
Division over_chunks(const Division& of) {
  return {of.chunks(), of.channels, of.chunks(), static_cast<int>(std::min<int64_t>(of.width, 8))};
}

/// run(T{}, std::integral_constant<int, columns of a thread>) for sums over activations of that type: four columns, for
/// several sums and parameters of more would not leave enough registers to fill a multiprocessor.
constexpr int kSummed = 4;

template <class Run>
void with_summed_columns(DType dtype, int64_t channels, const Run& run) {
  with_element(dtype, [&](auto element) {
    if (channels % kSummed == 0) run(element, std::integral_constant<int, kSummed>{});
    else run(element, std::integral_constant<int, 1>{});
  });
}

template <Pass kPass, class T, int kEach>
void run_dx(Tensor dx, const T* dy, const T* x, const T* y, const ParameterGradients& sums,
            const BatchNormParameters& p, const Division& of, cudaStream_t stream) {
  MARGINCORE_RUN((batch_norm_dx_kernel<kPass, T, kEach>), grid_of(of), kBlock, stream, elements<T>(dx), dy, x, y,
                 sums.dgamma, sums.dbeta, p, of);
}

template <Pass kPass, class T, int kEach>
void run_backward(Tensor dx, const ParameterGradients& out, Tensor dresidual, float* partial, Tensor dy, Tensor x,
                  Tensor y, const BatchNormParameters& p, const Division& of, cudaStream_t stream) {
  const bool whole = of.chunks() == 1;
  MARGINCORE_RUN((batch_norm_sums_kernel<kPass, T, kEach>), grid_of(of), kBlock, stream, out, elements<T>(dresidual),
                 whole ? nullptr : partial, elements<T>(dy), elements<T>(x), elements<T>(y), p, of);
  if (!whole) {
    const Division over = over_chunks(of);
    MARGINCORE_RUN(batch_norm_add_kernel<kEach>, grid_of(over), kBlock, stream, out, partial, p, over);
  }
  if (dresidual) run_dx<Pass::All, T, kEach>(dx, elements<T>(dresidual), elements<T>(x), nullptr, out, p, of, stream);
  else run_dx<kPass, T, kEach>(dx, elements<T>(dy), elements<T>(x), elements<T>(y), out, p, of, stream);
}

}  // namespace

int64_t batch_norm_partials(const Tensor& x, int64_t channels) {
  return 2 * division_of(x, channels, channels % kSummed == 0 ? kSummed : 1).chunks() * channels;
}

void batch_norm_stats(float* mean, float* variance, float* unbiased_variance, float* partial, Tensor x,
                      int64_t channels, cudaStream_t stream) {
  const StatsOutputs out{mean, variance, unbiased_variance};
  with_summed_columns(x.dtype, channels, [&](auto element, auto each) {
    using T = decltype(element);
    constexpr int kEach = each.value;
    const Division of = division_of(x, channels, kEach);
    const bool whole = of.chunks() == 1;
    MARGINCORE_RUN((batch_norm_stats_kernel<T, kEach>), grid_of(of), kBlock, stream, out, whole ? nullptr : partial,
                   elements<T>(x), of);
    if (whole) return;
    const Division over = over_chunks(of);
    MARGINCORE_RUN((batch_norm_join_kernel<T, kEach>), grid_of(over), kBlock, stream, out, partial, elements<T>(x),
                   over, of);
  });
}

void batch_norm_apply(Tensor y, Tensor x, Tensor residual, int64_t channels, const BatchNormParameters& parameters,
                      cudaStream_t stream) {
  with_pack(x.dtype, channels, [&](auto packed) {
    using T = typename decltype(packed)::Element;
    constexpr int kEach = packed.kCount;
    const Division of = division_of(x, channels, kEach);
    MARGINCORE_RUN((batch_norm_apply_kernel<T, kEach>), grid_of(of), kBlock, stream, elements<T>(y), elements<T>(x),
                   elements<T>(residual), parameters, of);
  });
}

void batch_norm_backward(Tensor dx, float* dgamma, float* dbeta, Tensor dresidual, float* partial, Tensor dy, Tensor x,
                         Tensor y, int64_t channels, const BatchNormParameters& parameters, cudaStream_t stream) {
  const ParameterGradients out{dgamma, dbeta};
  with_summed_columns(x.dtype, channels, [&](auto element, auto each) {
    using T = decltype(element);
    constexpr int kEach = each.value;
    const Division of = division_of(x, channels, kEach);
    if (parameters.norm.relu == 0)
      run_backward<Pass::All, T, kEach>(dx, out, dresidual, partial, dy, x, y, parameters, of, stream);
    else if (y) run_backward<Pass::ByOutput, T, kEach>(dx, out, dresidual, partial, dy, x, y, parameters, of, stream);
    else run_backward<Pass::ByInput, T, kEach>(dx, out, dresidual, partial, dy, x, y, parameters, of, stream);
  });
}

}  // namespace margincore::cuda
