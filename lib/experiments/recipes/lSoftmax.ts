import { models } from '../../networks/index.js';
import { schedules } from '../../schedules/learningRate.js';
import type { Recipe, RecipeRow, SharedOptions } from '../recipe.js';

const SOURCE = 'Liu et al. 2016, "Large-Margin Softmax Loss for Convolutional Neural Networks"';

/** As the authors' public files have it: momentum 0.9, weight decay 5e-4, a rate of 0.1 that is divided by 10 at milestones. */
const recipeOf = (steps: number, milestones: readonly number[]) =>
  ({
    steps,
    batchSize: 128,
    optimizer: { type: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
    learningRate: schedules.step({ base: 0.1, milestones, unit: 'steps' }),
  }) as const satisfies SharedOptions;

/** m = 1 is plain softmax, without a bias as the margin's is. */
const rowsFor = (lambda: 'mnist' | 'cifar10' | 'cifar10+'): RecipeRow[] => [
  { key: { m: 1 }, options: { head: 'softmax', bias: false } },
  ...([2, 3, 4] as const).map((m) => ({ key: { m }, options: { head: 'l-softmax', m, lambda } as const })),
];

/** At the authors' rate of 0.1, which is for networks with batch norm, this one diverges: a tenth of it. */
export const lSoftmaxMnist2d: Recipe = {
  name: 'l-softmax-mnist-2d',
  summary: 'L-Softmax in the plane: how classes part as m grows',
  source: `${SOURCE}, figure 2`,
  data: 'MNIST',
  seeds: 1,
  shared: {
    ...recipeOf(10_000, [5000, 7500]),
    model: models.lenetPlusPlus(),
    normalize: 'unit',
    learningRate: schedules.step({ base: 0.01, milestones: [5000, 7500], unit: 'steps' }),
  },
  rows: rowsFor('mnist'),
};

export const lSoftmaxMnist: Recipe = {
  name: 'l-softmax-mnist',
  summary: 'L-Softmax on MNIST: test accuracy for m = 1…4',
  source: `${SOURCE}, table 2`,
  data: 'MNIST',
  seeds: 3,
  shared: {
    ...recipeOf(30_000, [5000, 7500, 10_000]),
    model: models.lSoftmaxNet({ dataset: 'mnist' }),
    normalize: 'unit',
  },
  rows: rowsFor('mnist'),
};

/**
 * The authors' first 10,000 steps as they are, after which their rate is 1e-4 and λ 0.4: little changes then. Shortened to as many by
 * `--steps`, λ falls three times as fast, and the rows of a margin lack what is learned while it is mostly hidden.
 */
export const lSoftmaxMnistNarrow: Recipe = {
  ...lSoftmaxMnist,
  name: 'l-softmax-mnist-narrow',
  summary:
    'L-Softmax on MNIST by a network of a quarter of its width, 10,000 steps: what two cores do in an hour',
  shared: {
    ...recipeOf(10_000, [5000, 7500]),
    model: models.lSoftmaxNet({ dataset: 'mnist', width: 0.25 }),
    normalize: 'unit',
  },
};

export const lSoftmaxCifar10: Recipe = {
  name: 'l-softmax-cifar10',
  summary: 'L-Softmax on CIFAR-10, without augmentation: test accuracy for m = 1…4',
  source: `${SOURCE}, table 3`,
  data: 'CIFAR-10',
  seeds: 3,
  shared: { ...recipeOf(10_000, [5000, 7500]), model: models.lSoftmaxNet({ dataset: 'cifar10' }) },
  rows: rowsFor('cifar10'),
};

/** Of a 40×40 image with black edges, or of its mirror image, a part of 32×32. λ falls half as fast as without: all takes twice as long. */
export const lSoftmaxCifar10Plus: Recipe = {
  ...lSoftmaxCifar10,
  name: 'l-softmax-cifar10-plus',
  summary: 'L-Softmax on CIFAR-10 with shifts and flips: test accuracy for m = 1…4',
  source: `${SOURCE}, table 3 (CIFAR10+)`,
  shared: {
    ...recipeOf(20_000, [10_000, 15_000]),
    model: models.lSoftmaxNet({ dataset: 'cifar10' }),
    augment: { crop: 4, flip: true },
  },
  rows: rowsFor('cifar10+'),
};

/** The authors published no files for it: those of CIFAR-10 with its network. */
export const lSoftmaxCifar100: Recipe = {
  ...lSoftmaxCifar10,
  name: 'l-softmax-cifar100',
  summary: 'L-Softmax on CIFAR-100, without augmentation: test accuracy for m = 1…4',
  source: `${SOURCE}, table 4`,
  data: 'CIFAR-100',
  shared: { ...lSoftmaxCifar10.shared, model: models.lSoftmaxNet({ dataset: 'cifar100' }) },
};
