/** Faults of the core, of the loops on the CPU and of the CUDA backend. */
import { type Fault, inFile } from './fault.js';

export const NATIVE_FAULTS: readonly Fault[] = [
  // ---- row math

  ...inFile('native/base/image_change.h', [
    {
      name: 'flip-does-not-alternate',
      what: 'alternating flips are the same in all epochs',
      find: '(draws.side() + draws.epoch) % 2 == 1',
      replace: 'draws.side() == 1',
      tests: ['base/image_change_test'],
    },
    {
      name: 'resized-crop-beyond-its-edge',
      what: 'at the edges of a part that is resized, what lies beside it is mixed in',
      find: 'change.most_x = static_cast<float>(cut.left + cut.width - 1);',
      replace: 'change.most_x = static_cast<float>(cut.left + cut.width);',
      tests: ['ops/gather_images_test'],
    },
    {
      name: 'translate-in-parts-of-pixels',
      what: 'a shift is not rounded to whole pixels',
      find: 'std::rint(to_both_sides(a.translate * width, random.value[1]))',
      replace: 'to_both_sides(a.translate * width, random.value[1])',
      tests: ['base/image_change_test'],
    },
  ]),
  ...inFile('native/base/changed_pixel.h', [
    {
      name: 'edge-mirrored-twice',
      what: 'a mirrored image has its outermost pixels a second time',
      find: '2 * (size - 1)',
      replace: '2 * size - 1',
      tests: ['ops/gather_images_test'],
    },
  ]),
  ...inFile('native/base/image_mix.h', [
    {
      name: 'cut-share-as-drawn',
      what: "a rectangle's share is not that of what lies in the image",
      find: 'mix.share = static_cast<float>(mix.cut.height * mix.cut.width) / static_cast<float>(height * width);',
      replace: '',
      tests: ['base/image_mix_test', 'ops/gather_mixed_test'],
    },
    {
      name: 'mixed-with-itself',
      what: 'an image is mixed with itself',
      find: 'return row > 0 ? row - 1 : rows.before_first;',
      replace: 'return row + 0 * rows.before_first;',
      tests: ['base/image_mix_test', 'ops/gather_mixed_test'],
    },
  ]),
  ...inFile('native/heads/margin.h', [
    {
      name: 'margin-derivative-sign',
      what: "the derivative of arcface's margin has the wrong sign",
      find: 'cos_m + sin_m * c / floored',
      replace: 'cos_m - sin_m * c / floored',
      tests: ['heads/margin_test', 'heads/target_test'],
    },
    {
      name: 'multiple-angle-derivative-sign',
      what: 'beyond π/m the derivative of ψ(mθ) points the other way',
      find: 'sign * Real(m) * second',
      replace: 'Real(m) * second',
      tests: ['heads/margin_test'],
    },
    {
      name: 'general-angle-without-fall',
      what: 'ψ of a combined margin does not go on falling beyond π',
      find: 'sign * std::cos(u) - 2 * k',
      replace: 'std::cos(u)',
      tests: ['heads/margin_test'],
    },
  ]),
  ...inFile('native/heads/heads.h', [
    {
      name: 'warmup-leaves-angle',
      what: 'margin warm-up does not reach the angle that is added',
      find: 'margin.m2 *= ramp;',
      replace: '',
      tests: ['ops/margin_softmax_test', 'nn/head_test'],
    },
  ]),
  ...inFile('native/heads/target.h', [
    {
      name: 'lambda-without-effect',
      what: 'λ does not reach the target logit',
      find: '1 / (1 + lambda)',
      replace: 'Real(1)',
      tests: ['heads/target_test'],
    },
    {
      name: 'radial-part-missing',
      what: "the gradient along the feature lacks the margin's share",
      find: 'geometry.omega * (phi - geometry.cosine * dphi)',
      replace: 'Real(0)',
      tests: ['heads/target_test', 'nn/head_test'],
    },
  ]),
  ...inFile('native/heads/cross_entropy.h', [
    {
      name: 'smoothing-not-shared-out',
      what: 'label smoothing gives each class the whole share',
      find: 'smoothing / classes * normalizer',
      replace: 'smoothing * normalizer',
      tests: ['heads/cross_entropy_test', 'heads/row_test'],
    },
  ]),
  ...inFile('native/heads/row.h', [
    {
      name: 'accuracy-with-margin',
      what: 'training accuracy is that of the logits with margin',
      find: 'target.plain > others.exponents.max',
      replace: 'logit.logit > others.exponents.max',
      tests: ['heads/row_test', 'ops/margin_softmax_test'],
    },
  ]),
  ...inFile('native/base/batch_norm.h', [
    {
      name: 'epsilon-outside-root',
      what: "batch norm's ε is added to the deviation instead of the variance",
      find: '1 / sqrtf(variance + epsilon)',
      replace: '1 / (sqrtf(variance) + epsilon)',
      tests: ['ops/batch_norm_test'],
    },
  ]),

  // ---- the core

  ...inFile('native/nn/optimizer.cpp', [
    {
      name: 'decay-on-bias',
      what: 'weight decay on biases and norms too',
      find: 'decays ? spec.weight_decay : 0',
      replace: 'spec.weight_decay',
      tests: ['nn/optimizer_test', 'train/trainer_test'],
    },
    {
      name: 'head-rate-missing',
      what: "the head's own learning rate is not used",
      find: 'head ? spec.head_rate : 1',
      replace: '1.0f',
      tests: ['nn/optimizer_test'],
    },
    {
      name: 'adamw-coupled',
      what: 'AdamW decays as Adam does',
      find: 'spec_.type == OptimizerSpec::Type::AdamW',
      replace: 'false',
      tests: ['nn/optimizer_test'],
    },
    {
      name: 'average-biased',
      what: 'the moving average starts with the untrained weights',
      find: '(1 - decay) / weight_of_all',
      replace: '1 - decay',
      tests: ['train/average_test'],
    },
  ]),
  ...inFile('native/nn/parameters.cpp', [
    {
      name: 'tensors-start-alike',
      what: 'every tensor starts from the same random numbers',
      find: 'philox(seed, RandomPurpose::Weights, ordinal, i / 4)',
      replace: 'philox(seed, RandomPurpose::Weights, 0, i / 4)',
      tests: ['nn/parameters_test', 'nn/exact_gradient_test'],
    },
    {
      name: 'layer-rate-missing',
      what: "layers' own learning rates are not used",
      find: 'updates_.push_back({spec.group, spec.rate, {}});',
      replace: 'updates_.push_back({spec.group, 1, {}});',
      tests: ['nn/frozen_layers_test', 'parity/fineTuning'],
    },
    {
      name: 'streams-by-place',
      what: 'weights start otherwise where others are frozen',
      find: 'entry.offset = size_;',
      replace: 'entry.offset = size_, entry.ordinal = static_cast<uint32_t>(arranged.size());',
      tests: ['nn/parameters_test', 'parity/fineTuning'],
    },
    {
      name: 'weights-ignore-seed',
      what: 'weights start alike whatever the seed',
      find: 'initialize(*seed, work)',
      replace: 'initialize(0, work)',
      tests: ['nn/parameters_test', 'train/trainer_test'],
    },
  ]),
  ...inFile('native/nn/layers/batch_norm.cpp', [
    {
      name: 'shared-statistics-own-rows',
      what: "batch norm's gradient through the statistics of all ranks' rows is divided by a rank's own",
      find: 'norm.all_rows = call.shared->rows * pixels();',
      replace: 'norm.all_rows = call.x().count() / channels_;',
      tests: ['train/data_parallel_test'],
    },
    {
      name: 'frozen-norm-without-mask',
      what: 'the gradient of a frozen batch norm passes its ReLU everywhere',
      find: 'call.backend.relu_backward(masked, call.dy, call.y)',
      replace: 'call.backend.copy(masked.data, call.dy.data, masked.bytes())',
      tests: ['nn/exact_gradient_test'],
    },
    {
      name: 'frozen-residual-lost',
      what: 'behind a frozen batch norm without a ReLU the residual gets no gradient of its own',
      find: 'call.backend.copy(dresidual.data, call.dy.data, dresidual.bytes())',
      replace: 'call.backend.zero(dresidual.data, dresidual.bytes())',
      tests: ['nn/exact_gradient_test'],
    },
  ]),
  ...inFile('native/nn/network.cpp', [
    {
      name: 'frozen-beginning-goes-back',
      what: 'gradients go back through layers that no trained one comes before',
      find: 'before || node.layer->is_trained()',
      replace: 'true',
      tests: ['nn/frozen_layers_test'],
    },
  ]),
  ...inFile('native/nn/liveness.cpp', [
    {
      name: 'frozen-values-kept',
      what: 'values that only frozen layers need stay for the backward pass',
      find: 'if (!network.needs_gradient(i + 1)) continue;',
      replace: '',
      tests: ['nn/frozen_layers_test'],
    },
  ]),
  ...inFile('native/data/permutation.cpp', [
    {
      name: 'epochs-shuffled-alike',
      what: 'every epoch has the same order (in the core)',
      find: 'philox(seed, RandomPurpose::Shuffle, epoch, static_cast<uint64_t>(i))',
      replace: 'philox(seed, RandomPurpose::Shuffle, 0, static_cast<uint64_t>(i))',
      tests: ['data/permutation_test'],
    },
  ]),
  ...inFile('native/data/training_set.cpp', [
    {
      name: 'partner-not-streamed',
      what: 'the image of another rank that one is mixed with is not brought along',
      find: 'order_of_steps_[i < batch ? first + i : *beside]',
      replace: 'order_of_steps_[first + (i < batch ? i : 0)]',
      tests: ['data/training_set_test', 'train/data_parallel_test'],
    },
    {
      name: 'streamed-samples-numbered-by-place',
      what: 'images on their way are numbered within their batch',
      find: 'slot.numbers[i] = static_cast<int32_t>(sample);',
      replace: 'slot.numbers[i] = static_cast<int32_t>(i);',
      tests: ['data/training_set_test'],
    },
    {
      name: 'streamed-label-of-another',
      what: 'streamed images get the labels of others',
      find: 'slot.labels[i] = data_.labels[sample];',
      replace: 'slot.labels[i] = data_.labels[first + i];',
      tests: ['data/training_set_test'],
    },
  ]),
  ...inFile('native/train/data_parallel.cpp', [
    {
      name: 'sharded-labels-of-all',
      what: "a rank's labels are counted from the first of all classes",
      find: 'static_cast<int32_t>(head_.own_classes().first)',
      replace: '0',
      tests: ['train/data_parallel_test'],
    },
    {
      name: 'sharded-totals-apart',
      what: "a rank's clipping and report know its own classes alone",
      find: 'add_up({reinterpret_cast<float*>(totals()), {kTotals}});',
      replace: '',
      tests: ['train/data_parallel_test'],
    },
    {
      name: 'shared-scale-apart',
      what: "a learned scale's gradient is that of a rank's own classes",
      find: 'head.is_sharded() ? trained_elements(parameters.table(), is_shared_by_classes) : 0',
      replace: '0',
      tests: ['train/data_parallel_test'],
    },
  ]),
  ...inFile('native/nn/class_sampling.cpp', [
    {
      name: 'drawn-rows-not-back',
      what: 'what a step has made of the drawn classes is forgotten',
      find: 'check(backend.scatter_rows(whole, part, drawn()));',
      replace: '',
      tests: ['train/class_sampling_test'],
    },
    {
      name: 'drawn-momentum-of-others',
      what: 'drawn classes have the momentum of those that were drawn before',
      find: 'part.spec.is_trained() && moment < optimizer.moments()',
      replace: 'part.spec.is_trained() && moment < 0',
      tests: ['train/class_sampling_test'],
    },
  ]),
  ...inFile('native/train/gradient_buckets.cpp', [
    {
      name: 'gradients-that-are-no-weights-apart',
      what: "on GPUs, biases' gradients are not added up",
      find: 'summed > weights_end',
      replace: 'summed < 0',
      tests: ['train/gradient_buckets_test'],
    },
    {
      name: 'gradients-added-up-too-soon',
      what: 'on GPUs, a part of the gradients is added up before all of it is there',
      find: 'std::min(buckets[i].after, buckets[i - 1].after)',
      replace: 'static_cast<int>(network.nodes().size())',
      tests: ['train/gradient_buckets_test'],
    },
  ]),
  ...inFile('native/cpu/loops/sharded_softmax.h', [
    {
      name: 'sharded-sums-not-rebased',
      what: "ranks add up exponents, each relative to its own classes' largest logit",
      find: 'exponents[i] *= exponential(own_largest[i] - largest[i]);',
      replace: '',
      tests: ['ops/sharded_softmax_test'],
    },
  ]),
  ...inFile('native/nn/head.cpp', [
    {
      name: 'feature-dropout-forward-only',
      what: "the gradient passes feature dropout's zeros",
      find: 'if (spec.feature_dropout > 0) check(backend.dropout_backward(dx, dx, dropout(), step.step));',
      replace: '',
      tests: ['nn/head_test', 'nn/exact_gradient_test'],
    },
    {
      name: 'class-gradient-radial',
      what: 'class weights of cosine heads grow: the radial part of their gradient stays',
      find: 'if (spec.normalize_weights) check(backend.remove_radial(dweights, weights, class_norms));',
      replace: '',
      tests: ['nn/exact_gradient_test'],
    },
    {
      name: 'radial-without-dropout',
      what: 'with feature dropout or a learned scale the radial part of the gradient is missing',
      find: '!rows_on_sphere || spec.feature_dropout > 0 || spec.learn_scale',
      replace: '!rows_on_sphere',
      tests: ['nn/exact_gradient_test'],
    },
    {
      name: 'running-variance-biased',
      what: "the logit normaliser's running variance lacks N/(N − 1)",
      find: 'rates.unbiased && batch > 1 ? batch / (batch - 1) : 1',
      replace: '1.0f',
      tests: ['train/head_state_test', 'nn/head_test'],
    },
    {
      name: 'bias-not-in-scores',
      what: 'prediction leaves the bias out',
      find: 'optional(parameters, head_.own_keys_.bias, false)',
      replace: 'Tensor()',
      tests: ['train/predictor_test', 'nn/head_test'],
    },
  ]),
  ...inFile('native/train/trainer.cpp', [
    {
      name: 'mixed-within-a-rank',
      what: "a rank's first image is mixed with its own last one",
      find: 'return own.first > 0 ? -1 : batch - 1;',
      replace: 'return own.count - 1 + 0 * batch;',
      tests: ['train/data_parallel_test'],
    },
    {
      name: 'stale-twins-of-average',
      what: 'in bf16 predictions are made with the average of an earlier time',
      find: 'average_->refresh_bf16_twins()',
      replace: '(void)average_',
      tests: ['train/average_test'],
    },
    {
      name: 'lambda-of-first-step',
      what: 'λ stands still within a group of steps',
      find: 'block.lambda = values.lambda',
      replace: 'block.lambda = request.values[0].lambda',
      tests: ['train/trainer_test'],
    },
    {
      name: 'momentum-of-first-step',
      what: 'momentum stands still within a group of steps',
      find: 'values.momentum.value_or(optimizer_.momentum())',
      replace: 'request.values[0].momentum.value_or(optimizer_.momentum())',
      tests: ['train/trainer_test'],
    },
    {
      name: 'abort-not-looked-at',
      what: 'an abort waits for all steps of a group',
      find: '!cancelled.load(std::memory_order_relaxed)',
      replace: 'true',
      tests: ['train/trainer_test', 'lib/training/abort'],
    },
    {
      name: 'running-statistics-stay',
      what: "batch norm's running statistics stay where they started",
      find: 'network_pass_.update_state(backend_, parameters_, halted);',
      replace: '',
      tests: ['parity/graphs', 'parity/reference'],
    },
    {
      name: 'last-batch-too-long',
      what: 'the last, smaller batch of an epoch takes samples of no epoch',
      find: 'done + count == all && count == 1 ? samples - first : request.batch_size',
      replace: 'request.batch_size',
      tests: ['train/trainer_test'],
    },
  ]),
  ...inFile('native/train/predictor.cpp', [
    {
      name: 'prediction-repeats-first-batch',
      what: 'beyond 128 images prediction sees the first ones again',
      find: 'request.images + first * network_.input().count()',
      replace: 'request.images',
      tests: ['train/predictor_test'],
    },
    {
      name: 'outputs-of-second-batch-shifted',
      what: "the second batch's outputs land among the first's",
      find: 'to += first * head_.num_classes()',
      replace: 'to += first',
      tests: ['train/predictor_test'],
    },
    {
      name: 'nearest-other-is-own',
      what: 'the angle to the nearest other class includes the own',
      find: 'first_class + j == request.labels[first + i]',
      replace: 'false',
      tests: ['train/predictor_test'],
    },
  ]),
  ...inFile('native/train/session.cpp', [
    {
      name: 'training-memory-kept',
      what: "a trained model keeps the memory of the optimizer and training's activations",
      find: 'predictor_->lend(nullptr);\n  trainer_.reset();',
      replace: 'predictor_->lend(nullptr);',
      tests: ['train/memory_plan_test', 'lib/model', 'lib/training'],
    },
  ]),
  ...inFile('native/addon/session_object.cpp', [
    {
      name: 'dispose-frees-nothing',
      what: 'the memory of a disposed model stays until it is collected',
      find: 'state->session.reset();',
      replace: '',
      tests: ['lib/model', 'lib/training', 'lib/native'],
    },
  ]),

  // ---- loops on the CPU

  ...inFile('native/cpu/loops/update.h', [
    {
      name: 'second-moment-with-first-beta',
      what: "Adam's second moment decays with β1",
      find: 'beta2 * second_moment[i] + (1 - beta2) * g * g',
      replace: 'beta1 * second_moment[i] + (1 - beta1) * g * g',
      tests: ['ops/update_test'],
    },
    {
      name: 'bias-correction-missing',
      what: "Adam's first steps lack the correction of the mean gradient",
      find: 'static_cast<float>(rate / (1 - __builtin_pow(beta1, steps)))',
      replace: 'rate',
      tests: ['ops/update_test'],
    },
    {
      name: 'nesterov-without-look-ahead',
      what: "Nesterov's look ahead takes the whole velocity",
      find: 'options.nesterov ? momentum : 1',
      replace: '1.0f',
      tests: ['ops/update_test'],
    },
    {
      name: 'clip-lost-in-loops',
      what: 'gradients are not clipped',
      find: 'return clip * gradients[i];',
      replace: 'return gradients[i];',
      tests: ['ops/update_test'],
    },
    {
      name: 'adamw-decay-without-rate',
      what: "AdamW's decay ignores the learning rate",
      find: '1 - rate * range.weight_decay',
      replace: '1 - range.weight_decay',
      tests: ['ops/update_test'],
    },
  ]),
  ...inFile('native/cpu/loops/elementwise.h', [
    {
      name: 'dropout-scale-missing',
      what: 'what dropout leaves is not scaled up',
      find: '1 / (1 - dropout.rate)',
      replace: '1.0f',
      tests: ['ops/elementwise_test'],
    },
    {
      name: 'dropout-mask-repeats',
      what: 'every step drops the same units',
      find: 'step->step << 32',
      replace: 'uint64_t{0}',
      tests: ['ops/elementwise_test'],
    },
  ]),
  ...inFile('native/cpu/loops/margin_softmax.h', [
    {
      name: 'update-after-nan',
      what: 'a loss that is no number still changes the parameters',
      find: 'if (!(loss - loss == 0)) *o.halted = 1;',
      replace: '',
      tests: ['ops/margin_softmax_test', 'train/not_finite_test'],
    },
    {
      name: 'class-weights-not-normalised',
      what: 'with class weights the loss is a sum over samples, not their weighted mean',
      find: 'batch_weight > 0 ? 1 / batch_weight : 0',
      replace: '1 / static_cast<double>(work.rows)',
      tests: ['ops/margin_softmax_test'],
    },
  ]),
  ...inFile('native/cpu/loops/mixed_softmax.h', [
    {
      name: 'labels-of-equal-shares',
      what: 'both labels of a mixed image count in full',
      find: 'batch.normalizer *= share;',
      replace: '',
      tests: ['ops/mixed_softmax_test', 'train/mixing_test'],
    },
  ]),
  ...inFile('native/cpu/loops/batch_norm.h', [
    {
      name: 'gamma-gradient-not-normalised',
      what: "the gradient of batch norm's scale lacks the deviation",
      find: 'out.dgamma[j] = static_cast<float>(scratch.second[j] * inverse);',
      replace: 'out.dgamma[j] = static_cast<float>(scratch.second[j]);',
      tests: ['ops/batch_norm_test'],
    },
  ]),
  ...inFile('native/cpu/loops/gather.h', [
    {
      name: 'labels-not-shuffled',
      what: 'labels are those of the images in file order',
      find: 'batch_labels[i] = labels[sample];',
      replace: 'batch_labels[i] = labels[i];',
      tests: ['ops/gather_images_test'],
    },
    {
      name: 'changed-by-place-in-batch',
      what: 'how an image is changed depends on its place in the batch',
      find: 'return numbers != nullptr ? numbers[i] : i;',
      replace: 'return i;',
      tests: ['ops/gather_images_test'],
    },
    {
      name: 'mean-grey-of-first-row',
      what: 'contrast is about the mean grey of a part of the image',
      find: 'sum += grey_of(brightened(x, y));',
      replace: 'sum += grey_of(brightened(x, 0));',
      tests: ['ops/gather_images_test'],
    },
  ]),
  ...inFile('native/cpu/loops/centers.h', [
    {
      name: 'center-step-too-long',
      what: "a centre's step divides by n instead of 1 + n",
      find: 'rate / (1 + count)',
      replace: 'rate / count',
      tests: ['ops/centers_test'],
    },
  ]),
  ...inFile('native/cpu/loops/average_pooling.h', [
    {
      name: 'padding-counts-in-average',
      what: 'zeros around the image count in an average',
      find: 'count == all ? of_all : 1 / static_cast<float>(count)',
      replace: 'of_all',
      tests: ['ops/average_pooling_test'],
    },
  ]),

  // ---- CUDA, on the simulated device

  ...inFile('native/cuda/kernels/update.cu', [
    {
      name: 'adam-without-barrier',
      what: "a missing __syncthreads: threads read Adam's corrections before they are written",
      find: 'device::sync_block();',
      replace: '',
      tests: ['ops/update_test'],
    },
    {
      name: 'cuda-betas-swapped',
      what: "Adam's second correction takes β1",
      find: 'pow(static_cast<double>(beta2), t)',
      replace: 'pow(static_cast<double>(beta1), t)',
      tests: ['ops/update_test'],
    },
    {
      name: 'cuda-clip-lost',
      what: 'gradients are not clipped',
      find: 'return factor * gradient;',
      replace: 'return gradient;',
      tests: ['ops/update_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/launch.h', [
    {
      name: 'block-sum-without-barrier',
      what: "a missing __syncthreads: a block's sum is read before every warp has given its own",
      find: 'device::sync_block();\n  return warp_sum(device::lane() < warps ? shared[device::lane()] : T(0));',
      replace: 'return warp_sum(device::lane() < warps ? shared[device::lane()] : T(0));',
      tests: ['ops/rows_test', 'ops/margin_softmax_test'],
    },
    {
      name: 'block-sum-over-last-sum',
      what: "a missing __syncthreads: a warp overwrites its part of a block's last sum before all have read it",
      find: 'value = warp_sum(value);\n  device::sync_block();',
      replace: 'value = warp_sum(value);',
      tests: ['ops/rows_test', 'ops/margin_softmax_test'],
    },
    {
      name: 'block-max-over-last-sum',
      what: "a missing __syncthreads: a warp overwrites its part of a block's sum before all have read it",
      find: 'value = warp_max(value);\n  device::sync_block();',
      replace: 'value = warp_max(value);',
      tests: ['ops/margin_softmax_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/batch_norm.cu', [
    {
      name: 'cuda-mask-of-other-channels',
      what: "a ReLU's mask is read for the channels in another order",
      find: '(passed >> e & 1) != 0',
      replace: '(passed >> (kEach - 1 - e) & 1) != 0',
      tests: ['ops/batch_norm_test', 'nn/gradient_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/columns.h', [
    {
      name: 'column-sum-without-barrier',
      what: 'a missing __syncthreads: sums of columns are read before they are complete',
      find: 'device::sync_block();\n    MARGINCORE_UNROLL\n    for (int e = 0; e < kEach; ++e) values[e] = shared[e * all + device::thread() % across];',
      replace:
        'MARGINCORE_UNROLL\n    for (int e = 0; e < kEach; ++e) values[e] = shared[e * all + device::thread() % across];',
      tests: ['ops/batch_norm_test', 'ops/scaled_bn_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/elementwise.cu', [
    {
      name: 'cuda-dropout-scale-missing',
      what: 'what dropout leaves is not scaled up',
      find: '1 / (1 - dropout.rate)',
      replace: '1.0f',
      tests: ['ops/elementwise_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/gather.cu', [
    {
      name: 'cuda-batch-from-start',
      what: "every batch is the epoch's first",
      find: 'chosen.sample(position + image[j])',
      replace: 'chosen.sample(image[j])',
      tests: ['ops/gather_images_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/gather_changed.cu', [
    {
      name: 'cuda-change-not-waited-for',
      what: 'threads do not wait for the change that one of them draws',
      find: 'device::sync_block();',
      replace: '',
      tests: ['ops/gather_images_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/sums.cu', [
    {
      name: 'cuda-update-after-nan',
      what: 'a gradient that is no number still changes the parameters',
      find: 'if (!(norm - norm == 0)) *halted = 1;',
      replace: '',
      tests: ['ops/update_test', 'train/not_finite_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/pooling.cu', [
    {
      name: 'cuda-pool-loses-nan',
      what: 'a max pool hides what is no number',
      find: 'value > best[c] || value != value',
      replace: 'value > best[c]',
      tests: ['ops/pooling_test'],
    },
  ]),
  ...inFile('native/cuda/kernels/scaled_bn.cu', [
    {
      name: 'cuda-running-average-after-nan',
      what: 'a step that counts for nothing still moves the running statistics',
      find: 'if (*halted != 0) return;',
      replace: '',
      tests: ['ops/scaled_bn_test', 'train/not_finite_test'],
    },
  ]),
  ...inFile('native/cuda/operations/convolution.cpp', [
    {
      name: 'cuda-gradients-overwritten',
      what: "where branches meet, a convolution overwrites the other's gradient",
      find: 'adds != 0',
      replace: 'false',
      tests: ['ops/convolution_test', 'nn/gradient_test'],
    },
  ]),
  ...inFile('native/cuda/side_stream.h', [
    {
      name: 'cuda-gradient-before-its-operands',
      what: "the gradient of a convolution's weights does not wait for what it reads",
      find: 'MARGINCORE_CHECK(cudaStreamWaitEvent(stream_, forked_, 0));',
      replace: '',
      tests: ['ops/convolution_test', 'train/trainer_test'],
    },
    {
      name: 'cuda-gradient-not-waited-for',
      what: "nothing waits for the gradient of a convolution's weights",
      find: 'MARGINCORE_CHECK(cudaStreamWaitEvent(main_, joined_, 0));',
      replace: '',
      tests: ['ops/convolution_test', 'train/trainer_test'],
    },
  ]),
  ...inFile('native/cuda/feed.h', [
    {
      name: 'cuda-upload-over-batch',
      what: 'a streamed batch is uploaded over the one that is computed on',
      find: 'MARGINCORE_CHECK(cudaStreamWaitEvent(copies_, at(slot).read, 0));',
      replace: '',
      tests: ['data/training_set_test', 'train/trainer_test'],
    },
    {
      name: 'cuda-compute-before-upload',
      what: 'a streamed batch is computed on before it has arrived',
      find: 'MARGINCORE_CHECK(cudaStreamWaitEvent(compute_, at(slot).uploaded, 0));',
      replace: '',
      tests: ['data/training_set_test', 'train/trainer_test'],
    },
  ]),

  // ---- search

  ...inFile('native/search/search_index.cpp', [
    {
      name: 'search-forgets-later-blocks',
      what: 'only the rows of the first block are sought',
      find: 'row < count_',
      replace: 'row < std::min(count_, end_of_block(0))',
      tests: ['search/search_index_test'],
    },
    {
      name: 'search-moves-no-row',
      what: 'a removed row stays where it was, and the last is lost',
      find: 'check(backend().copy(rows_at(row, 1).data, last.data, last.bytes()));',
      replace: '',
      tests: ['search/search_index_test'],
    },
  ]),
];
