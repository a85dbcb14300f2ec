// Batch norm over a matrix (rows, channels), bound by memory: statistics and application walk it once, the gradient
// twice. The matrix is divided into parts by its sizes alone; sums of the parts are added in their order, so that
// results have the same bits for any number of threads.
//
// Rows that are short are walked in bundles, as if several were one of up to kBundle elements: loops along memory stay
// long and without remainders whatever the number of channels. What belongs to a channel is repeated for each row of a
// bundle ("lanes"), and sums over lanes are folded afterwards.
#pragma once

#include <algorithm>

#include "base/batch_norm.h"
#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

inline constexpr int64_t kBundle = 512;            // lanes at most
inline constexpr int64_t kPartElements = 1 << 15;  // 128 KB: a part that is walked twice comes from memory once

/// How a matrix is divided: into parts of a range of rows and up to kBundle channels.
struct BatchNormParts {
  int64_t rows, channels;
  int64_t bundle;     // rows walked as one; 1 where there are several blocks of channels
  int64_t width;      // channels of a block
  int64_t part_rows;  // a multiple of bundle
  int64_t ranges;     // of rows
  int64_t blocks;     // of channels

  [[gnu::always_inline]] BatchNormParts(int64_t rows, int64_t channels) : rows(rows), channels(channels) {
    blocks = (channels + kBundle - 1) / kBundle;
    width = blocks == 1 ? channels : ((channels + blocks - 1) / blocks + 15) / 16 * 16;
    bundle = std::min(std::max<int64_t>(kBundle / channels, 1), rows);
    part_rows = std::max<int64_t>(kPartElements / (bundle * width), 1) * bundle;
    ranges = (rows + part_rows - 1) / part_rows;
  }

  /// Elements of an array with an entry per lane, of all blocks.
  int64_t lanes() const { return bundle * channels; }
};

/// Places of the first elements of neighbouring bundles. Lanes of a bundle begin at its first channel.
template <int kCount>
struct Bundles {
  static constexpr int kBundles = kCount;
  int64_t first, stride;

  [[gnu::always_inline]] int64_t at(int bundle) const { return first + bundle * stride; }
};

/// Rows [begin, end) and channels [first, first + width).
struct BatchNormPart {
  const BatchNormParts& of;
  int64_t range, begin, end, first, width;

  int64_t rows() const { return end - begin; }

  /// body(bundles, number of elements of each) for neighbouring bundles: kAtOnce as long as there are so many, then 1.
  /// Several at once, so that lanes are loaded and stored less often.
  template <int kAtOnce, class Body>
  [[gnu::always_inline]] void walk(const Body& body) const {
    const int64_t stride = of.bundle * of.channels;
    int64_t row = begin;
    for (; row + kAtOnce * of.bundle <= end; row += kAtOnce * of.bundle)
      body(Bundles<kAtOnce>{row * of.channels + first, stride}, of.bundle * width);
    for (; row < end; row += of.bundle)
      body(Bundles<1>{row * of.channels + first, stride}, std::min(of.bundle, end - row) * width);
  }

  /// Sums over the rows of a bundle, in place: then the first `width` lanes hold the channels' sums. By halves:
  /// elements in bf16 have few values, so that the rounding of a long sum would always go to the same side.
  [[gnu::always_inline]] void fold(float* lanes) const {
    for (int64_t left = of.bundle; left > 1; left -= left / 2) {
      const int64_t count = left / 2 * width, from = left * width - count;
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) lanes[j] += lanes[from + j];
    }
  }
};

template <class Body>
[[gnu::always_inline]] inline void parallel_parts(const BatchNormParts& parts, const Body& body) {
  parallel_rows(parts.ranges * parts.blocks, parts.part_rows * parts.width, [&](int64_t index) {
    const int64_t range = index / parts.blocks, begin = range * parts.part_rows;
    const int64_t first = index % parts.blocks * parts.width;
    body(BatchNormPart{parts, range, begin, std::min(begin + parts.part_rows, parts.rows), first,
                       std::min(parts.width, parts.channels - first)});
  });
}

/// What a call keeps in scratch: two numbers per range of rows and channel, and up to kLaneArrays arrays of lanes.
inline constexpr int64_t kLaneArrays = 5;

static int64_t batch_norm_scratch(int64_t rows, int64_t channels) {
  const BatchNormParts parts(rows, channels);
  return 2 * parts.ranges * channels * static_cast<int64_t>(sizeof(double)) +
         kLaneArrays * parts.lanes() * static_cast<int64_t>(sizeof(float));
}

struct BatchNormScratch {
  double* first;   // (ranges, channels)
  double* second;  // (ranges, channels)
  float* lanes[kLaneArrays];

  [[gnu::always_inline]] BatchNormScratch(const BatchNormParts& parts, void* memory) {
    first = static_cast<double*>(memory);
    second = first + parts.ranges * parts.channels;
    lanes[0] = reinterpret_cast<float*>(second + parts.ranges * parts.channels);
    for (int64_t k = 1; k < kLaneArrays; ++k) lanes[k] = lanes[k - 1] + parts.lanes();
  }
};

/// Repeats the first `channels` lanes for the other rows of a bundle.
[[gnu::always_inline]] inline void repeat(float* lanes, int64_t channels, int64_t bundle) {
  for (int64_t i = channels; i < bundle * channels; ++i) lanes[i] = lanes[i - channels];
}

/// The lanes of the parameters, from which the normalised element is computed.
struct NormalizingLanes {
  float *mean, *gain, *beta;

  [[gnu::always_inline]] NormalizingLanes(const BatchNormParts& parts, const BatchNormScratch& scratch,
                                          const BatchNormParameters& p)
      : mean(scratch.lanes[0]), gain(scratch.lanes[1]), beta(scratch.lanes[2]) {
    for (int64_t j = 0; j < parts.channels; ++j) {
      mean[j] = p.mean[j];
      gain[j] = p.gamma[j] * inverse_deviation(p.variance[j], p.norm.epsilon);
      beta[j] = p.beta[j];
    }
    for (float* lanes : {mean, gain, beta}) repeat(lanes, parts.channels, parts.bundle);
  }
};

// ---- statistics -----------------------------------------------------------------------------------------------------

/// Of each part the mean and the sum of squares about it; two walks, the second from the cache. The second sums the
/// distances from the mean, too: what rounding has left of them is the mean's error, which both results are rid of.
template <class T>
static void batch_norm_stats(float* mean, float* variance, float* unbiased_variance, const T* x, int64_t rows,
                             int64_t channels, void* memory) {
  const BatchNormParts parts(rows, channels);
  const BatchNormScratch scratch(parts, memory);
  parallel_parts(parts, [&](const BatchNormPart& part) {
    float center[kBundle] = {}, distances[kBundle] = {}, squares[kBundle] = {};
    part.walk<4>([&](const auto bundles, int64_t count) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        float sum = 0;
        for (int k = 0; k < bundles.kBundles; ++k) sum += widen(x[bundles.at(k) + j]);
        center[j] += sum;
      }
    });
    part.fold(center);
    const auto count_here = static_cast<float>(part.rows());
    for (int64_t j = 0; j < part.width; ++j) center[j] /= count_here;
    repeat(center, part.width, parts.bundle);
    part.walk<4>([&](const auto bundles, int64_t count) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        float sum = 0, square = 0;
        for (int k = 0; k < bundles.kBundles; ++k) {
          const float distance = widen(x[bundles.at(k) + j]) - center[j];
          sum += distance;
          square += distance * distance;
        }
        distances[j] += sum;
        squares[j] += square;
      }
    });
    part.fold(distances);
    part.fold(squares);
    double* means = scratch.first + part.range * channels + part.first;
    double* sums = scratch.second + part.range * channels + part.first;
    for (int64_t j = 0; j < part.width; ++j) {
      const double error = distances[j] / static_cast<double>(part.rows()), rest = squares[j] - error * distances[j];
      means[j] = center[j] + error;
      sums[j] = rest < 0 ? 0 : rest;  // where there is nothing but rounding
    }
  });

  // The mean of the parts' means; and the squares about it, of the parts and of their means.
  const auto rows_of = [&](int64_t range) {
    return static_cast<double>(std::min(parts.part_rows, rows - range * parts.part_rows));
  };
  for (int64_t begin = 0; begin < channels; begin += kBundle) {
    const int64_t width = std::min(kBundle, channels - begin);
    double total[kBundle] = {}, squares[kBundle] = {};
    for (int64_t range = 0; range < parts.ranges; ++range) {
      const double count = rows_of(range);
      const double* means = scratch.first + range * channels + begin;
      for (int64_t j = 0; j < width; ++j) total[j] += count * means[j];
    }
    for (int64_t j = 0; j < width; ++j) total[j] /= static_cast<double>(rows);
    for (int64_t range = 0; range < parts.ranges; ++range) {
      const double count = rows_of(range);
      const double *means = scratch.first + range * channels + begin, *sums = means + (scratch.second - scratch.first);
      for (int64_t j = 0; j < width; ++j) squares[j] += sums[j] + count * (means[j] - total[j]) * (means[j] - total[j]);
    }
    for (int64_t j = 0; j < width; ++j) {
      mean[begin + j] = static_cast<float>(total[j]);
      variance[begin + j] = static_cast<float>(squares[j] / static_cast<double>(rows));
      if (unbiased_variance != nullptr)  // of a single row: 0
        unbiased_variance[begin + j] =
            static_cast<float>(squares[j] / static_cast<double>(std::max<int64_t>(rows - 1, 1)));
    }
  }
}

// ---- application ----------------------------------------------------------------------------------------------------

template <bool kResidual, bool kRelu, class T>
[[gnu::always_inline]] inline void apply_parts(T* y, const T* x, const T* residual, const BatchNormParts& parts,
                                               const NormalizingLanes& lanes) {
  parallel_parts(parts, [&](const BatchNormPart& part) {
    const float *mean = lanes.mean + part.first, *gain = lanes.gain + part.first, *beta = lanes.beta + part.first;
    part.walk<1>([&](const auto bundle, int64_t count) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        const int64_t at = bundle.first + j;
        float value = batch_normalized(widen(x[at]), mean[j], gain[j], beta[j]);
        if constexpr (kResidual) value += widen(residual[at]);
        if constexpr (kRelu) value = value < 0 ? 0 : value;  // so that a NaN stays one
        y[at] = narrow<T>(value);
      }
    });
  });
}

template <class T>
static void batch_norm_apply(T* y, const T* x, const T* residual, int64_t rows, int64_t channels,
                             const BatchNormParameters& parameters, void* memory) {
  const BatchNormParts parts(rows, channels);
  const NormalizingLanes lanes(parts, BatchNormScratch(parts, memory), parameters);
  const bool relu = parameters.norm.relu != 0;
  if (residual != nullptr && relu) apply_parts<true, true>(y, x, residual, parts, lanes);
  else if (residual != nullptr) apply_parts<true, false>(y, x, residual, parts, lanes);
  else if (relu) apply_parts<false, true>(y, x, residual, parts, lanes);
  else apply_parts<false, false>(y, x, residual, parts, lanes);
}

// ---- gradient -------------------------------------------------------------------------------------------------------

/// Where a ReLU lets a gradient pass: everywhere (there is none), where y is above 0, or where y, computed from x, is.
enum class Pass { All, ByOutput, ByInput };

template <Pass kPass, class T>
struct PassedGradient {
  const T *dy, *x, *y;
  const float *mean, *gain, *beta;  // lanes

  [[gnu::always_inline]] float operator()(int64_t at, int64_t lane) const {
    const float g = widen(dy[at]);  // loaded in any case: a loop without branches
    if constexpr (kPass == Pass::All) return g;
    else if constexpr (kPass == Pass::ByOutput) return widen(y[at]) > 0 ? g : 0;
    else return batch_normalized(widen(x[at]), mean[lane], gain[lane], beta[lane]) > 0 ? g : 0;
  }
  [[gnu::always_inline]] float x_at(int64_t at) const { return widen(x[at]); }
};

/// Of each part the sums of the gradient and of gradient * (x - mean); dresidual on the way, or none.
template <bool kResidual, Pass kPass, class T>
[[gnu::always_inline]] inline void sum_parts(T* dresidual, const PassedGradient<kPass, T>& gradient,
                                             const BatchNormParts& parts, const BatchNormScratch& scratch) {
  parallel_parts(parts, [&](const BatchNormPart& part) {
    float sum[kBundle] = {}, along[kBundle] = {};
    part.walk<2>([&](const auto bundles, int64_t count) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        float sum_here = 0, along_here = 0;
        for (int k = 0; k < bundles.kBundles; ++k) {
          const int64_t at = bundles.at(k) + j;
          const float g = gradient(at, part.first + j);
          if constexpr (kResidual) dresidual[at] = narrow<T>(g);
          sum_here += g;
          along_here += g * (gradient.x_at(at) - gradient.mean[part.first + j]);
        }
        sum[j] += sum_here;
        along[j] += along_here;
      }
    });
    part.fold(sum);
    part.fold(along);
    const int64_t to = part.range * parts.channels + part.first;
    std::copy(sum, sum + part.width, scratch.first + to);
    std::copy(along, along + part.width, scratch.second + to);
  });
}

template <Pass kPass, class T>
[[gnu::always_inline]] inline void write_dx(T* dx, const PassedGradient<kPass, T>& gradient, const float* mean_gradient,
                                            const float* slope, const BatchNormParts& parts) {
  parallel_parts(parts, [&](const BatchNormPart& part) {
    part.walk<1>([&](const auto bundle, int64_t count) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        const int64_t at = bundle.first + j, lane = part.first + j;
        dx[at] = narrow<T>(batch_norm_gradient(gradient(at, lane), gradient.x_at(at), gradient.mean[lane],
                                               gradient.gain[lane], mean_gradient[lane], slope[lane]));
      }
    });
  });
}

/// dgamma and dbeta, and what dx takes of them.
template <Pass kPass, class T>
[[gnu::always_inline]] inline void sum_gradients(const BatchNormGradients<T>& out,
                                                 const PassedGradient<kPass, T>& gradient, const BatchNormParts& parts,
                                                 const BatchNormParameters& parameters, const BatchNormScratch& scratch,
                                                 float* mean_gradient, float* slope) {
  if (out.dresidual != nullptr) sum_parts<true>(out.dresidual, gradient, parts, scratch);
  else sum_parts<false>(out.dresidual, gradient, parts, scratch);
  const int64_t channels = parts.channels;
  for (int64_t range = 1; range < parts.ranges; ++range) {
    for (int64_t j = 0; j < channels; ++j) scratch.first[j] += scratch.first[range * channels + j];
    for (int64_t j = 0; j < channels; ++j) scratch.second[j] += scratch.second[range * channels + j];
  }
  const double share = 1 / static_cast<double>(parts.rows);
  for (int64_t j = 0; j < channels; ++j) {
    const double inverse = inverse_deviation(parameters.variance[j], parameters.norm.epsilon);
    out.dbeta[j] = static_cast<float>(scratch.first[j]);
    out.dgamma[j] = static_cast<float>(scratch.second[j] * inverse);
    mean_gradient[j] = static_cast<float>(scratch.first[j] * share);
    slope[j] = static_cast<float>(scratch.second[j] * share * inverse * inverse);
  }
}

/// Of sums that ranks have put together.
template <class T>
[[gnu::always_inline]] inline void take_sums(const BatchNormGradients<T>& out, const BatchNormParts& parts,
                                             const BatchNormParameters& parameters, float* mean_gradient,
                                             float* slope) {
  const double share = 1 / static_cast<double>(parameters.norm.all_rows);
  for (int64_t j = 0; j < parts.channels; ++j) {
    const double inverse = inverse_deviation(parameters.variance[j], parameters.norm.epsilon);
    mean_gradient[j] = static_cast<float>(out.dbeta[j] * share);
    slope[j] = static_cast<float>(out.dgamma[j] * share * inverse);
  }
}

template <Pass kPass, class T>
static void batch_norm_backward_by(const BatchNormGradients<T>& out, const T* dy, const T* x, const T* y,
                                   const BatchNormParts& parts, const BatchNormParameters& parameters, void* memory) {
  const BatchNormScratch scratch(parts, memory);
  const NormalizingLanes lanes(parts, scratch, parameters);
  const PassedGradient<kPass, T> gradient{dy, x, y, lanes.mean, lanes.gain, lanes.beta};
  float *mean_gradient = scratch.lanes[3], *slope = scratch.lanes[4];
  if (parameters.norm.all_rows == 0) sum_gradients(out, gradient, parts, parameters, scratch, mean_gradient, slope);
  else take_sums(out, parts, parameters, mean_gradient, slope);
  if (out.dx == nullptr) return;
  repeat(mean_gradient, parts.channels, parts.bundle);
  repeat(slope, parts.channels, parts.bundle);

  // What the ReLU leaves has been written once already: then neither it nor y is needed again.
  if (out.dresidual != nullptr) {
    const PassedGradient<Pass::All, T> left{out.dresidual, x, nullptr, lanes.mean, lanes.gain, lanes.beta};
    write_dx(out.dx, left, mean_gradient, slope, parts);
  } else {
    write_dx(out.dx, gradient, mean_gradient, slope, parts);
  }
}

/// y or none; without it a ReLU is found again from x.
template <class T>
static void batch_norm_backward(const BatchNormGradients<T>& out, const T* dy, const T* x, const T* y, int64_t rows,
                                int64_t channels, const BatchNormParameters& parameters, void* memory) {
  const BatchNormParts parts(rows, channels);
  if (parameters.norm.relu == 0) batch_norm_backward_by<Pass::All>(out, dy, x, y, parts, parameters, memory);
  else if (y != nullptr) batch_norm_backward_by<Pass::ByOutput>(out, dy, x, y, parts, parameters, memory);
  else batch_norm_backward_by<Pass::ByInput>(out, dy, x, y, parts, parameters, memory);
}

}  // namespace margincore::MARGINCORE_ISA
