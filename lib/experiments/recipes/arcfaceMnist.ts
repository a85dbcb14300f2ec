import { models } from '../../networks/index.js';
import type { Recipe } from '../recipe.js';

/** The article trains with m = 0.5 and invites its reader to try others; 512 numbers of an embedding, shown by their 3-D PCA. */
export const arcfaceMnist: Recipe = {
  name: 'arcface-mnist',
  summary:
    'ArcFace with margins from 0 to 1: test accuracy, and angles to the own and the nearest other centre',
  source:
    '"Enhancing the power of Softmax for image classification", Deep Learning on Medium; Deng et al. 2019',
  data: 'MNIST',
  seeds: 3,
  shared: {
    model: models.seedCnn({ embeddingSize: 512 }),
    normalize: 'unit',
    epochs: 4,
    batchSize: 128,
    optimizer: 'adam',
    learningRate: 1e-3,
  },
  rows: [
    { key: { head: 'softmax', m: 0 }, options: { head: 'softmax' } },
    ...[0, 0.1, 0.3, 0.5, 0.7, 1].map((m) => ({
      key: { head: 'arcface', m },
      options: { head: 'arcface', s: 30, m } as const,
    })),
  ],
};
