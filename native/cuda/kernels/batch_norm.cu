// Batch norm's application and gradient. Bound by memory, in elements moved per element: application 2 and one for the
// residual; the gradient 5, two more for a y that tells where the ReLU let pass. dresidual is written by the first
// pass, and read by the second in place of dy and y. A mask in place of y is a quarter of a byte an element.
#include "base/batch_norm.h"
#include "cuda/kernels/batch_norm_division.h"
#include "cuda/kernels/kernels.h"

namespace margincore::cuda {

namespace {

// ---- application ----------------------------------------------------------------------------------------------------

/// Of the thread's channels.
template <int kEach>
struct Normalizing {
  float mean[kEach] = {}, gain[kEach] = {}, beta[kEach] = {};

  MARGINCORE_DEVICE Normalizing(const BatchNormShare<kEach>& share, const BatchNormParameters& p) {
    if (!share.has_rows()) return;
    const Columns<kEach>& mine = share.mine;
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

/// The byte of a mask for the thread's channels of one row.
template <int kEach>
MARGINCORE_DEVICE int64_t mask_byte(const Columns<kEach>& mine, int64_t row) {
  static_assert(kEach == kMaskedChannels);
  return (row * mine.columns + mine.index) / kEach;
}

/// residual: or null. Beside a mask fewer rows are loaded at once: there are no registers for more.
template <class T, int kEach, bool kMasked>
MARGINCORE_KERNEL batch_norm_apply_kernel(T* y, uint8_t* mask, const T* x, const T* residual, BatchNormParameters p,
                                          BatchNormDivision of) {
  const BatchNormShare<kEach> share(of, block_from_last());
  const Normalizing<kEach> normalizing(share, p);
  share.mine.template walk_rows<kRowsAtOnce<kEach, kMasked ? 8 : 32 / sizeof(T)>>(
      share.begin, share.end, [&](const auto at) {
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
        if constexpr (kMasked) {
          MARGINCORE_UNROLL
          for (int k = 0; k < at.kRows; ++k) {
            unsigned passed = 0;
            MARGINCORE_UNROLL
            for (int e = 0; e < kEach; ++e) passed |= (values[k][e] > 0 ? 1u : 0u) << e;
            mask[mask_byte(share.mine, at.row(k))] = static_cast<uint8_t>(passed);
          }
        }
      });
}

// ---- gradient -------------------------------------------------------------------------------------------------------

/// Where a ReLU lets a gradient pass: everywhere (there is none), where y is above 0, where its mask says so, or where y,
/// computed from x, is.
enum class Pass { All, ByOutput, ByMask, ByInput };

/// What y is given as.
template <Pass kPass, class T>
using Told = std::conditional_t<kPass == Pass::ByMask, uint8_t, T>;

/// gradients := what passes of dy, and values := x, of the rows `at`.
template <Pass kPass, class T, int kEach, class At, int kRows>
MARGINCORE_DEVICE void load_gradients(float (&gradients)[kRows][kEach], float (&values)[kRows][kEach], const At& at,
                                      const T* dy, const T* x, const Told<kPass, T>* y,
                                      const Normalizing<kEach>& normalizing) {
  at.load(gradients, dy);
  at.load(values, x);
  if constexpr (kPass == Pass::ByMask) {
    MARGINCORE_UNROLL
    for (int k = 0; k < kRows; ++k) {
      const unsigned passed = y[mask_byte(at.of, at.row(k))];
      MARGINCORE_UNROLL
      for (int e = 0; e < kEach; ++e) gradients[k][e] = (passed >> e & 1) != 0 ? gradients[k][e] : 0;
    }
  } else if constexpr (kPass != Pass::All) {
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

/// Adds up what batch_norm_sums_kernel left of the chunks of its division `of`.
template <int kEach>
MARGINCORE_DEVICE void add_chunks(const Columns<kEach>& mine, const ParameterGradients& out, const float* partial,
                                  const BatchNormParameters& p, const BatchNormDivision& of, float* shared) {
  const int64_t chunks = of.chunks();
  float sum[kEach] = {}, along[kEach] = {};
  mine.template walk_rows<1>(0, chunks, [&](const auto at) {
    float sums[1][kEach], alongs[1][kEach];
    at.load(sums, partial);
    at.load(alongs, partial + chunks * of.channels);
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

/// parts: sums of the gradients (chunks, channels), then of gradient * (x - mean); null where there is one chunk.
/// dresidual: or null.
template <Pass kPass, class T, int kEach>
MARGINCORE_KERNEL batch_norm_sums_kernel(ParameterGradients out, T* dresidual, Parts parts, const T* dy, const T* x,
                                         const Told<kPass, T>* y, BatchNormParameters p, BatchNormDivision of) {
  MARGINCORE_SHARED(float, shared, kEach* kBlock);
  const BatchNormShare<kEach> share(of, device::block());
  const Columns<kEach>& mine = share.mine;
  const Normalizing<kEach> normalizing(share, p);
  float sum[kEach] = {}, along[kEach] = {};
  mine.template walk_rows<kRowsAtOnce<kEach, kPass == Pass::ByInput ? 16 / sizeof(T) : 8>>(
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
  if (parts.values == nullptr) return out.write(mine, sum, along, p);
  if (mine.inside() && mine.first_row() == 0) {
    mine.store(parts.values + share.chunk * of.channels, sum);
    mine.store(parts.values + (of.chunks() + share.chunk) * of.channels, along);
  }
  if (is_last_block(parts.counters + share.tile, of.chunks())) add_chunks(mine, out, parts.values, p, of, shared);
}

template <Pass kPass, class T, int kEach>
MARGINCORE_KERNEL batch_norm_dx_kernel(T* dx, const T* dy, const T* x, const Told<kPass, T>* y, const float* dgamma,
                                       const float* dbeta, BatchNormParameters p, BatchNormDivision of) {
  const BatchNormShare<kEach> share(of, block_from_last());
  if (!share.has_rows()) return;
  const Columns<kEach>& mine = share.mine;
  const Normalizing<kEach> normalizing(share, p);
  float mean_gradient[kEach], slope[kEach], variance[kEach];
  mine.load(mean_gradient, dbeta);
  mine.load(slope, dgamma);
  mine.load(variance, p.variance);
  const float per_row = 1 / static_cast<float>(p.norm.all_rows > 0 ? p.norm.all_rows : of.rows);
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

// ---- launches -------------------------------------------------------------------------------------------------------

template <Pass kPass, class T, int kEach>
void run_dx(Tensor dx, const T* dy, const T* x, const Told<kPass, T>* y, const ParameterGradients& sums,
            const BatchNormParameters& p, const BatchNormDivision& of, cudaStream_t stream) {
  MARGINCORE_RUN((batch_norm_dx_kernel<kPass, T, kEach>), grid_of(of), kBlock, stream, elements<T>(dx), dy, x, y,
                 sums.dgamma, sums.dbeta, p, of);
}

template <Pass kPass, class T, int kEach>
void run_backward(Tensor dx, const ParameterGradients& out, Tensor dresidual, Parts parts, Tensor dy, Tensor x,
                  Tensor y, const BatchNormParameters& p, const BatchNormDivision& of, cudaStream_t stream) {
  const auto* told = elements<Told<kPass, T>>(y);
  if (p.norm.all_rows == 0)
    MARGINCORE_RUN((batch_norm_sums_kernel<kPass, T, kEach>), grid_of(of), kBlock, stream, out, elements<T>(dresidual),
                   of.chunks() == 1 ? Parts{} : parts, elements<T>(dy), elements<T>(x), told, p, of);
  if (!dx) return;
  if (dresidual) run_dx<Pass::All, T, kEach>(dx, elements<T>(dresidual), elements<T>(x), nullptr, out, p, of, stream);
  else run_dx<kPass, T, kEach>(dx, elements<T>(dy), elements<T>(x), told, out, p, of, stream);
}

}  // namespace

int64_t batch_norm_partials(const Tensor& x, int64_t channels) {
  return 2 * division_of(x, channels, channels % kSummed == 0 ? kSummed : 1).chunks() * channels;
}

void batch_norm_apply(Tensor y, uint8_t* mask, Tensor x, Tensor residual, int64_t channels,
                      const BatchNormParameters& parameters, cudaStream_t stream) {
  with_summed_columns(x.dtype, channels, [&](auto element, auto each) {
    using T = decltype(element);
    constexpr int kEach = each.value;
    const BatchNormDivision of = division_of(x, channels, kEach);
    const auto run = [&](auto masked) {
      MARGINCORE_RUN((batch_norm_apply_kernel<T, kEach, masked.value>), grid_of(of), kBlock, stream, elements<T>(y),
                     mask, elements<T>(x), elements<T>(residual), parameters, of);
    };
    if constexpr (kEach == kMaskedChannels)
      if (mask != nullptr) return run(std::true_type{});
    run(std::false_type{});
  });
}

void batch_norm_backward(Tensor dx, float* dgamma, float* dbeta, Tensor dresidual, Parts parts, Tensor dy, Tensor x,
                         Tensor y, int64_t channels, const BatchNormParameters& parameters, cudaStream_t stream) {
  const ParameterGradients out{dgamma, dbeta};
  with_summed_columns(x.dtype, channels, [&](auto element, auto each) {
    using T = decltype(element);
    constexpr int kEach = each.value;
    const BatchNormDivision of = division_of(x, channels, kEach);
    const auto run = [&](auto pass) {
      run_backward<pass.value, T, kEach>(dx, out, dresidual, parts, dy, x, y, parameters, of, stream);
    };
    if (parameters.norm.relu == 0) return run(std::integral_constant<Pass, Pass::All>{});
    if (!y) return run(std::integral_constant<Pass, Pass::ByInput>{});
    if constexpr (kEach == kMaskedChannels)
      if (y.dtype == DType::U8) return run(std::integral_constant<Pass, Pass::ByMask>{});
    run(std::integral_constant<Pass, Pass::ByOutput>{});
  });
}

}  // namespace margincore::cuda
