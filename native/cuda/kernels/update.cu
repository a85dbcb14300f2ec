// Optimizers as one pass over a contiguous range of the arenas, 16 bytes at a time. SGD moves 20 bytes per parameter,
// Adam 28, and 2 more where operations read a bf16 twin. What changes per step is read from the step block; once
// *halted is not 0 nothing is written.
#include <cmath>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

namespace {

using device::Float4;
using device::global_thread;
using device::global_threads;

/// Applies one parameter's update to four at a time. Ranges of the arena are padded to whole cache lines.
template <class Update>
MARGINCORE_DEVICE void update_range(float* parameters, BFloat16* bf16_twin, float* first, float* second,
                                    const float* gradients, int64_t count, const Update& update) {
  for (int64_t i = global_thread(); i < count / 4; i += global_threads()) {
    Float4 p = reinterpret_cast<Float4*>(parameters)[i], m = reinterpret_cast<Float4*>(first)[i];
    Float4 v = second != nullptr ? reinterpret_cast<Float4*>(second)[i] : Float4{};
    const Float4 g = reinterpret_cast<const Float4*>(gradients)[i];
    update(p.x, m.x, v.x, g.x);
    update(p.y, m.y, v.y, g.y);
    update(p.z, m.z, v.z, g.z);
    update(p.w, m.w, v.w, g.w);
    reinterpret_cast<Float4*>(parameters)[i] = p;
    reinterpret_cast<Float4*>(first)[i] = m;
    if (second != nullptr) reinterpret_cast<Float4*>(second)[i] = v;
    if (bf16_twin != nullptr)
      pack<Pack<BFloat16, 4>>(bf16_twin, i) = {narrow<BFloat16>(p.x), narrow<BFloat16>(p.y), narrow<BFloat16>(p.z),
                                               narrow<BFloat16>(p.w)};
  }
  for (int64_t i = count / 4 * 4 + global_thread(); i < count; i += global_threads()) {
    float unused = 0;
    update(parameters[i], first[i], second != nullptr ? second[i] : unused, gradients[i]);
    if (bf16_twin != nullptr) bf16_twin[i] = narrow<BFloat16>(parameters[i]);
  }
}

/// SGD with momentum as PyTorch defines it: v = momentum*v + g; p -= rate * (nesterov ? g + momentum*v : v).
struct SgdUpdate {
  Sgd options;
  float rate, momentum;

  MARGINCORE_DEVICE void operator()(float& p, float& velocity, float&, float gradient) const {
    const float g = gradient + options.weight_decay * p;
    velocity = momentum * velocity + g;
    p -= rate * (options.nesterov != 0 ? g + momentum * velocity : velocity);
  }
};

/// Adam (Kingma & Ba 2015, algorithm 1) and AdamW (Loshchilov & Hutter 2019), in PyTorch's arrangement.
struct AdamUpdate {
  Adam options;
  float beta1, step_size, correction, coupled, shrink;

  MARGINCORE_DEVICE void operator()(float& p, float& m, float& v, float gradient) const {
    p *= shrink;
    const float g = gradient + coupled * p;
    m = beta1 * m + (1 - beta1) * g;
    v = options.beta2 * v + (1 - options.beta2) * g * g;
    p -= step_size * m / (sqrtf(v) * correction + options.epsilon);
  }
};

/// The update with gradients that are clipped.
template <class Update>
struct Clipped {
  Update update;
  float factor;

  MARGINCORE_DEVICE void operator()(float& p, float& first, float& second, float gradient) const {
    update(p, first, second, factor * gradient);
  }
};

/// Most steps are not clipped, and then nothing is multiplied: the same bits as without a factor.
template <class Update>
MARGINCORE_DEVICE void update_clipped(float* parameters, BFloat16* bf16_twin, float* first, float* second,
                                      const float* gradients, const float* clip_factor, int64_t count,
                                      const Update& update) {
  const float factor = clip_factor != nullptr ? *clip_factor : 1;
  if (factor == 1) update_range(parameters, bf16_twin, first, second, gradients, count, update);
  else update_range(parameters, bf16_twin, first, second, gradients, count, Clipped<Update>{update, factor});
}

MARGINCORE_KERNEL sgd_kernel(float* parameters, BFloat16* bf16_twin, float* velocity, const float* gradients,
                             const float* clip_factor, int64_t count, Sgd options, const StepBlock* step,
                             const int32_t* halted) {
  if (*halted != 0) return;
  const SgdUpdate update{options, step->learning_rate * options.rate_multiplier, step->momentum};
  update_clipped(parameters, bf16_twin, velocity, static_cast<float*>(nullptr), gradients, clip_factor, count, update);
}

MARGINCORE_KERNEL adam_kernel(float* parameters, BFloat16* bf16_twin, float* first_moment, float* second_moment,
                              const float* gradients, const float* clip_factor, int64_t count, Adam options,
                              const StepBlock* step, const int32_t* halted) {
  if (*halted != 0) return;
  // Powers in double: 1 - beta2^t is 0.001 at first. One thread computes them for its block.
  MARGINCORE_SHARED(float, corrections, 2);
  if (device::thread() == 0) {
    const double t = static_cast<double>(step->step + 1);
    corrections[0] = static_cast<float>(1 / (1 - pow(static_cast<double>(step->momentum), t)));
    corrections[1] = static_cast<float>(1 / sqrt(1 - pow(static_cast<double>(options.beta2), t)));
  }
  device::sync_block();
  const float rate = step->learning_rate * options.rate_multiplier;
  const bool decoupled = options.decoupled != 0;
  const AdamUpdate update{options,
                          step->momentum,
                          rate * corrections[0],
                          corrections[1],
                          decoupled ? 0 : options.weight_decay,
                          decoupled ? 1 - rate * options.weight_decay : 1};
  update_clipped(parameters, bf16_twin, first_moment, second_moment, gradients, clip_factor, count, update);
}

}  // namespace

void sgd(float* parameters, BFloat16* bf16_twin, float* velocity, const float* gradients, const float* clip_factor,
         int64_t count, Sgd options, const StepBlock* step, const int32_t* halted, cudaStream_t stream) {
  MARGINCORE_RUN(sgd_kernel, striding_blocks(count / 4), kBlock, stream, parameters, bf16_twin, velocity, gradients,
                 clip_factor, count, options, step, halted);
}

void adam(float* parameters, BFloat16* bf16_twin, float* first_moment, float* second_moment, const float* gradients,
          const float* clip_factor, int64_t count, Adam options, const StepBlock* step, const int32_t* halted,
          cudaStream_t stream) {
  MARGINCORE_RUN(adam_kernel, striding_blocks(count / 4), kBlock, stream, parameters, bf16_twin, first_moment,
                 second_moment, gradients, clip_factor, count, options, step, halted);
}

}  // namespace margincore::cuda
