// Optimizers as one pass over a group of the arenas, and the norm of a gradient.
#pragma once

#include "cpu/loops/storage.h"

namespace margincore::MARGINCORE_ISA {

/// run(put), with put(i, value) that writes a parameter and its bf16 twin, where there is one.
template <class Run>
[[gnu::always_inline]] inline void with_twin(float* parameters, BFloat16* bf16_twin, const Run& run) {
  if (bf16_twin == nullptr) {
    run([=](int64_t i, float value) { parameters[i] = value; });
  } else {
    run([=](int64_t i, float value) {
      parameters[i] = value;
      bf16_twin[i] = to_bfloat16(value);
    });
  }
}

/// run(gradient), with gradient(i) that reads a gradient as it is clipped. Most steps are not, and then nothing is
/// multiplied.
template <class Run>
[[gnu::always_inline]] inline void with_clip(const float* gradients, float clip, const Run& run) {
  if (clip == 1) {
    run([=](int64_t i) { return gradients[i]; });
  } else {
    run([=](int64_t i) { return clip * gradients[i]; });
  }
}

/// SGD with momentum as PyTorch defines it: v = momentum*v + g; p -= rate * (nesterov ? g + momentum*v : v).
static void sgd(const UpdateRange& range, Sgd options, float momentum) {
  float *parameters = range.parameters, *velocity = range.first_moment;
  const float decay = range.weight_decay, rate = range.rate;
  const float from_gradient = options.nesterov ? 1 : 0, from_velocity = options.nesterov ? momentum : 1;
  with_clip(range.gradients, range.clip, [&](const auto& gradient) {
    with_twin(parameters, range.bf16_twin, [&](const auto& put) {
      parallel_ranges(range.count, [&](int64_t begin, int64_t end) {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) {
          const float g = gradient(i) + decay * parameters[i];
          const float v = momentum * velocity[i] + g;
          velocity[i] = v;
          put(i, parameters[i] - rate * (from_gradient * g + from_velocity * v));
        }
      });
    });
  });
}

/// Adam (Kingma & Ba 2015, algorithm 1) and AdamW (Loshchilov & Hutter 2019), in PyTorch's arrangement; t from 1.
static void adam(const UpdateRange& range, Adam options, float beta1, uint64_t t) {
  float *parameters = range.parameters, *first_moment = range.first_moment, *second_moment = range.second_moment;
  const double steps = static_cast<double>(t);
  const float beta2 = options.beta2, epsilon = options.epsilon, rate = range.rate;
  const float step_size = static_cast<float>(rate / (1 - __builtin_pow(beta1, steps)));
  const float correction = static_cast<float>(1 / __builtin_sqrt(1 - __builtin_pow(beta2, steps)));
  const float coupled = options.decoupled ? 0 : range.weight_decay;
  const float shrink = options.decoupled ? 1 - rate * range.weight_decay : 1;
  with_clip(range.gradients, range.clip, [&](const auto& gradient) {
    with_twin(parameters, range.bf16_twin, [&](const auto& put) {
      parallel_ranges(range.count, [&](int64_t begin, int64_t end) {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) {
          const float p = parameters[i] * shrink;
          const float g = gradient(i) + coupled * p;
          const float m = beta1 * first_moment[i] + (1 - beta1) * g;
          const float v = beta2 * second_moment[i] + (1 - beta2) * g * g;
          first_moment[i] = m;
          second_moment[i] = v;
          put(i, p - step_size * m / (__builtin_sqrtf(v) * correction + epsilon));
        }
      });
    });
  });
}

static float squares_of_block(const float* x, int64_t begin, int64_t end) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = begin; i < end; ++i) sum += x[i] * x[i];
  return sum;
}

static double sum_of_squares(const float* x, int64_t count, double* block_sums) {
  const int64_t blocks = (count + kSumBlock - 1) / kSumBlock;
  parallel_rows(blocks, kSumBlock, [&](int64_t block) {
    const int64_t begin = block * kSumBlock;
    block_sums[block] = squares_of_block(x, begin, begin + kSumBlock < count ? begin + kSumBlock : count);
  });
  double total = 0;
  for (int64_t block = 0; block < blocks; ++block) total += block_sums[block];
  return total;
}

}  // namespace margincore::MARGINCORE_ISA
