import { models } from '../../networks/index.js';
import { schedules } from '../../schedules/learningRate.js';
import type { Recipe, RecipeRow } from '../recipe.js';

const ALPHAS = [5, 10, 16, 30, 50];

const row = (alpha: number, l2Scope: 'sample' | 'batch'): RecipeRow => ({
  key: { alpha, l2Scope },
  options: { head: 'l2-softmax', alpha, l2Scope },
});

/**
 * The code of the article divides the whole batch's features by one norm, where the paper (Ranjan et al. 2017, eq. 3) has
 * each feature's own: both are here. α = 0 stands for plain softmax, as there.
 */
export const l2SoftmaxMnist: Recipe = {
  name: 'l2-softmax-mnist',
  summary:
    'L2-constrained softmax after 100 steps: test accuracy for scales α, by the norm of a sample or of the whole batch',
  source:
    'Manash Kumar Mandal, "Implementing L2-constrained Softmax Loss Function on a Convolutional Neural Network using TensorFlow" (2017), its code; Ranjan et al. 2017',
  data: 'MNIST',
  seeds: 5,
  shared: {
    model: { ...models.seedCnn(), init: 'xavierUniform' },
    normalize: 'unit',
    steps: 100,
    batchSize: 20,
    shuffle: false,
    optimizer: 'adam',
    learningRate: schedules.constant(1e-3),
    featureDropout: 0.75,
  },
  rows: [
    { key: { alpha: 0, l2Scope: 'none' }, options: { head: 'softmax' } },
    ...ALPHAS.map((alpha) => row(alpha, 'sample')),
    ...[10, 50].map((alpha) => row(alpha, 'batch')),
  ],
};
