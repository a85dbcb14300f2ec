import type { ModelDescription } from '../../networks/description.js';
import { batchNorm, conv2d, type LayerDescription, linear, maxPool2d, relu } from '../../networks/layers.js';
import { schedules } from '../../schedules/learningRate.js';
import type { Recipe } from '../recipe.js';

const unit = (outChannels: number): LayerDescription[] => [
  conv2d({ outChannels, kernelSize: 3, padding: 'same' }),
  batchNorm(),
  relu(),
];

/** L-Softmax's network for CIFAR-10 (Liu et al. 2016, table 1) with half of its channels, and ReLU throughout. */
const halfWidthNet: ModelDescription = {
  name: 'lSoftmaxNet-cifar10-half',
  init: 'heNormal',
  layers: [
    ...unit(32),
    ...[32, 48, 64].flatMap((channels) => [
      ...Array.from({ length: 4 }, () => unit(channels)).flat(),
      maxPool2d({ kernelSize: 2 }),
    ]),
    linear({ outFeatures: 256 }),
    batchNorm(),
    relu(),
  ],
};

/** λ of the authors' files for CIFAR-10, which take 10,000 steps, in the 3,128 of eight epochs. */
const FALLING = { base: 1000, gamma: 6.4e-5, power: 45 };

/** Heads of unit length have one scale: what the rate of 0.2 bears, since the scale multiplies the gradient. */
export const headsCifar10: Recipe = {
  name: 'heads-cifar10',
  summary: 'Six heads on CIFAR-10 in eight epochs each: what two cores compare in an hour',
  source:
    'The network of Liu et al. 2016, "Large-Margin Softmax Loss for Convolutional Neural Networks", table 1, at half its width; trained in one cycle (Smith & Topin 2018, "Super-convergence")',
  data: 'CIFAR-10',
  seeds: 3,
  shared: {
    model: halfWidthNet,
    augment: 'cifar',
    epochs: 8,
    batchSize: 128,
    optimizer: { type: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
    learningRate: schedules.oneCycle({ peak: 0.2 }),
  },
  rows: [
    { key: { head: 'softmax' }, options: { head: 'softmax' } },
    { key: { head: 'am-softmax (s = 7.5, m = 0.35)' }, options: { head: 'am-softmax', s: 7.5, m: 0.35 } },
    { key: { head: 'arcface (s = 7.5, m = 0.3)' }, options: { head: 'arcface', s: 7.5, m: 0.3 } },
    { key: { head: 'l-softmax (m = 4)' }, options: { head: 'l-softmax', m: 4, lambda: FALLING } },
    { key: { head: 'scaled-bn (m = 1)' }, options: { head: 'scaled-bn', m: 1 } },
    { key: { head: 'pedcc (s = 7.5, m = 0.35)' }, options: { head: 'pedcc', s: 7.5, m: 0.35 } },
  ],
};
