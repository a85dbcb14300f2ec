import type { Recipe } from '../recipe.js';
import { arcfaceMnist } from './arcfaceMnist.js';
import { facesLfw, facesOrl } from './faces.js';
import { headsCifar10 } from './headsCifar10.js';
import { l2SoftmaxMnist } from './l2SoftmaxMnist.js';
import {
  lSoftmaxCifar10,
  lSoftmaxCifar10Plus,
  lSoftmaxCifar100,
  lSoftmaxMnist,
  lSoftmaxMnist2d,
  lSoftmaxMnistNarrow,
} from './lSoftmax.js';
import { scaledBnCifar10, scaledBnCifar100, scaledBnFacescrub, scaledBnTinyImagenet } from './scaledBn.js';

/** The experiments of published documents. */
export const RECIPES: readonly Recipe[] = [
  l2SoftmaxMnist,
  arcfaceMnist,
  lSoftmaxMnist2d,
  lSoftmaxMnist,
  lSoftmaxMnistNarrow,
  lSoftmaxCifar10,
  lSoftmaxCifar10Plus,
  lSoftmaxCifar100,
  headsCifar10,
  facesOrl,
  facesLfw,
  scaledBnCifar10,
  scaledBnCifar100,
  scaledBnTinyImagenet,
  scaledBnFacescrub,
];
