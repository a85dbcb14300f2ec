// Optimizers as one pass over the arenas, 16 bytes at a time. SGD moves 20 bytes per parameter, Adam 28; 2 more where
// operations read a bf16 twin, 2 less where the gradient is bf16. What changes per step is read from the step block; once
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

/// Operands as a kernel takes them.
struct Arenas {
  float *parameters, *first, *second;  // second: null for SGD
  BFloat16* bf16_twin;
  const BFloat16* bf16_gradients;
  const float* f32_gradients;
  int64_t count, bf16_twins, bf16_gradient_count;
  const UpdateGroup* groups;
  const float* clip_factor;
  const StepBlock* step;
  const int32_t* halted;

  explicit Arenas(const UpdateOperands& operands)
      : parameters(operands.parameters.f32()),
        first(operands.first_moment.f32()),
        second(operands.second_moment.f32()),
        bf16_twin(operands.bf16_twin.bf16()),
        bf16_gradients(operands.gradients.bf16.bf16()),
        f32_gradients(operands.gradients.f32.f32()),
        count(operands.parameters.count()),
        bf16_twins(operands.bf16_twin ? operands.bf16_twin.count() : 0),
        bf16_gradient_count(operands.gradients.bf16_count()),
        groups(operands.groups),
        clip_factor(operands.clip_factor),
        step(operands.step),
        halted(operands.halted) {}

  /// Of parameters 4i to 4i + 3.
  MARGINCORE_DEVICE Float4 four_gradients(int64_t i) const {
    if (4 * i >= bf16_gradient_count)
      return reinterpret_cast<const Float4*>(f32_gradients)[i - bf16_gradient_count / 4];
    const auto& stored = pack<Pack<BFloat16, 4>>(bf16_gradients, i);
    return {widen(stored.value[0]), widen(stored.value[1]), widen(stored.value[2]), widen(stored.value[3])};
  }
  MARGINCORE_DEVICE float gradient(int64_t i) const {
    return i < bf16_gradient_count ? widen(bf16_gradients[i]) : f32_gradients[i - bf16_gradient_count];
  }
};

/// An update as it is for one group after another, in their order. Plain, as shared memory wants it.
template <class Update>
struct Cursor {
  Update update;
  const UpdateGroup* group;
  int64_t end;

  MARGINCORE_DEVICE void enter(const UpdateGroup* entered) {
    group = entered;
    end = group->end;
    update.enter(*group);
  }
  /// To the group of parameter number i.
  MARGINCORE_DEVICE void move_to(int64_t i) {
    while (i >= end) enter(group + 1);
  }
};

/// Applies one parameter's update to four at a time. clip(gradient) is what is updated with.
template <class Update, class Clip>
MARGINCORE_DEVICE void update_all(const Arenas& arenas, Cursor<Update> at, const Clip& clip) {
  const auto one = [&](int64_t i, float& parameter, float& first, float& second, float gradient) {
    at.move_to(i);
    at.update(parameter, first, second, clip(gradient));
  };
  const int64_t fours = arenas.count / 4;
  for (int64_t i = global_thread(); i < fours; i += global_threads()) {
    Float4 p = reinterpret_cast<Float4*>(arenas.parameters)[i], m = reinterpret_cast<Float4*>(arenas.first)[i];
    Float4 v = arenas.second != nullptr ? reinterpret_cast<Float4*>(arenas.second)[i] : Float4{};
    const Float4 g = arenas.four_gradients(i);
    one(4 * i, p.x, m.x, v.x, g.x);
    one(4 * i + 1, p.y, m.y, v.y, g.y);
    one(4 * i + 2, p.z, m.z, v.z, g.z);
    one(4 * i + 3, p.w, m.w, v.w, g.w);
    reinterpret_cast<Float4*>(arenas.parameters)[i] = p;
    reinterpret_cast<Float4*>(arenas.first)[i] = m;
    if (arenas.second != nullptr) reinterpret_cast<Float4*>(arenas.second)[i] = v;
    if (4 * i < arenas.bf16_twins)
      pack<Pack<BFloat16, 4>>(arenas.bf16_twin, i) = {narrow<BFloat16>(p.x), narrow<BFloat16>(p.y),
                                                      narrow<BFloat16>(p.z), narrow<BFloat16>(p.w)};
  }
  for (int64_t i = 4 * fours + global_thread(); i < arenas.count; i += global_threads()) {
    float unused = 0;
    one(i, arenas.parameters[i], arenas.first[i], arenas.second != nullptr ? arenas.second[i] : unused,
        arenas.gradient(i));
    if (i < arenas.bf16_twins) arenas.bf16_twin[i] = narrow<BFloat16>(arenas.parameters[i]);
  }
}

/// SGD with momentum as PyTorch defines it: v = momentum*v + g; p -= rate * (nesterov ? g + momentum*v : v).
struct SgdUpdate {
  float learning_rate, momentum;
  bool nesterov;
  float rate, decay;  // of a group

  MARGINCORE_DEVICE void begin(const StepBlock& step, const Sgd& options) {
    learning_rate = step.learning_rate;
    momentum = step.momentum;
    nesterov = options.nesterov != 0;
  }
  MARGINCORE_DEVICE void enter(const UpdateGroup& group) {
    rate = learning_rate * group.rate_multiplier;
    decay = group.weight_decay;
  }
  MARGINCORE_DEVICE void operator()(float& p, float& velocity, float&, float gradient) const {
    const float g = gradient + decay * p;
    velocity = momentum * velocity + g;
    p -= rate * (nesterov ? g + momentum * velocity : velocity);
  }
};

/// Adam (Kingma & Ba 2015, algorithm 1) and AdamW (Loshchilov & Hutter 2019), in PyTorch's arrangement.
struct AdamUpdate {
  float learning_rate, beta1, beta2, epsilon;
  float first_correction, second_correction;
  bool decoupled;
  float step_size, coupled, shrink;  // of a group

  MARGINCORE_DEVICE void begin(const StepBlock& step, const Adam& options) {
    learning_rate = step.learning_rate;
    beta1 = step.momentum;
    beta2 = options.beta2;
    epsilon = options.epsilon;
    decoupled = options.decoupled != 0;
    // Powers in double: 1 - beta2^t is 0.001 at first.
    const double t = static_cast<double>(step.step + 1);
    first_correction = static_cast<float>(1 / (1 - pow(static_cast<double>(beta1), t)));
    second_correction = static_cast<float>(1 / sqrt(1 - pow(static_cast<double>(beta2), t)));
  }
  MARGINCORE_DEVICE void enter(const UpdateGroup& group) {
    const float rate = learning_rate * group.rate_multiplier;
    step_size = rate * first_correction;
    coupled = decoupled ? 0 : group.weight_decay;
    shrink = decoupled ? 1 - rate * group.weight_decay : 1;
  }
  MARGINCORE_DEVICE void operator()(float& p, float& m, float& v, float gradient) const {
    p *= shrink;
    const float g = gradient + coupled * p;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    p -= step_size * m / (sqrtf(v) * second_correction + epsilon);
  }
};

/// `shared`: where the threads of a block begin, read and computed by the first of them.
template <class Update, class Options>
MARGINCORE_DEVICE void run_update(Cursor<Update>& shared, const Arenas& arenas, const Options& options) {
  if (*arenas.halted != 0) return;
  if (device::thread() == 0) {
    shared.update.begin(*arenas.step, options);
    shared.enter(arenas.groups);
    shared.move_to(4 * global_thread());
  }
  device::sync_block();
  const float factor = arenas.clip_factor != nullptr ? *arenas.clip_factor : 1;
  // Most steps are not clipped, and then nothing is multiplied: the same bits as without a factor.
  if (factor == 1) update_all(arenas, shared, [](float gradient) { return gradient; });
  else update_all(arenas, shared, [factor](float gradient) { return factor * gradient; });
}

MARGINCORE_KERNEL sgd_kernel(Arenas arenas, Sgd options) {
  MARGINCORE_SHARED(Cursor<SgdUpdate>, shared, 1);
  run_update(*shared, arenas, options);
}

MARGINCORE_KERNEL adam_kernel(Arenas arenas, Adam options) {
  MARGINCORE_SHARED(Cursor<AdamUpdate>, shared, 1);
  run_update(*shared, arenas, options);
}

}  // namespace

void sgd(const UpdateOperands& operands, Sgd options, cudaStream_t stream) {
  const Arenas arenas(operands);
  MARGINCORE_RUN(sgd_kernel, striding_blocks(arenas.count / 4), kBlock, stream, arenas, options);
}

void adam(const UpdateOperands& operands, Adam options, cudaStream_t stream) {
  const Arenas arenas(operands);
  MARGINCORE_RUN(adam_kernel, striding_blocks(arenas.count / 4), kBlock, stream, arenas, options);
}

}  // namespace margincore::cuda
