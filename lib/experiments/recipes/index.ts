import type { Recipe } from '../recipe.js';
import { arcfaceMnist } from './arcfaceMnist.js';
import { l2SoftmaxMnist } from './l2SoftmaxMnist.js';
import { lSoftmaxCifar10, lSoftmaxMnist, lSoftmaxMnist2d } from './lSoftmax.js';

/** The experiments of published documents. */
export const RECIPES: readonly Recipe[] = [
  l2SoftmaxMnist,
  arcfaceMnist,
  lSoftmaxMnist2d,
  lSoftmaxMnist,
  lSoftmaxCifar10,
];
