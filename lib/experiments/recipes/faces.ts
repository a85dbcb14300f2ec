import { models } from '../../networks/index.js';
import { schedules } from '../../schedules/learningRate.js';
import type { Recipe, RecipeRow } from '../recipe.js';

const ROWS: readonly RecipeRow[] = [
  { key: { head: 'softmax' }, options: { head: 'softmax' } },
  { key: { head: 'am-softmax (m = 0.35)' }, options: { head: 'am-softmax', m: 0.35, s: 16 } },
  { key: { head: 'arcface (m = 0.5)' }, options: { head: 'arcface', m: 0.5, s: 16 } },
  { key: { head: 'l-softmax (m = 4)' }, options: { head: 'l-softmax', m: 4 } },
  { key: { head: 'scaled-bn (m = 1)' }, options: { head: 'scaled-bn', m: 1 } },
];

/** 30 persons of ten pictures to train on; all pairs of the other ten persons' pictures are told to be of one person or of two. */
export const facesOrl: Recipe = {
  name: 'faces-orl',
  summary: 'Margin heads on few faces: verification of persons that were not trained on',
  source:
    'Samaria & Harter 1994, "Parameterisation of a stochastic model for human face identification" (the ORL faces); verification as in Liu et al. 2016, sec. 5.3, and Deng et al. 2019',
  data: 'The ORL faces (the AT&T Database of Faces), a folder for each of 40 persons',
  dataOptions: { size: [40, 32], channels: 1, test: 0 },
  test: { type: 'unseenClasses', count: 10 },
  seeds: 3,
  shared: {
    model: models.lSoftmaxNet({ dataset: 'mnist' }),
    augment: 'faces',
    epochs: 30,
    batchSize: 30,
    optimizer: 'adam',
    learningRate: schedules.oneCycle({ peak: 1e-3 }),
  },
  rows: ROWS,
};

/** L-Softmax's and ArcFace's own training sets are not to be had any more: any folder of faces takes their place. */
export const facesLfw: Recipe = {
  name: 'faces-lfw',
  summary: 'Margin heads trained on a folder of faces, verified on the pairs of Labeled Faces in the Wild',
  source:
    'Liu et al. 2016, "Large-Margin Softmax Loss for Convolutional Neural Networks", table 5; Deng et al. 2019, "ArcFace", table 4; Huang et al. 2007, "Labeled Faces in the Wild"',
  data: 'Any faces, a folder for each person; LFW with its pairs.txt',
  dataOptions: { size: 112, channels: 3, test: 0 },
  test: { type: 'pairs' },
  seeds: 3,
  shared: {
    model: models.resnet18({ imageSize: 112, embeddingSize: 512 }),
    augment: 'faces',
    epochs: 30,
    batchSize: 128,
    optimizer: { type: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
    learningRate: schedules.oneCycle({ peak: 0.05 }),
  },
  rows: ROWS,
};
