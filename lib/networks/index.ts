/** Ready-made networks, a file per family, and what all descriptions of networks share. */
import { densenet121 } from './densenet.js';
import { lenetPlusPlus } from './lenetPlusPlus.js';
import { lSoftmaxNet } from './lSoftmaxNet.js';
import { resnet18, resnet34, resnet50, resnext50 } from './resnet.js';
import { seedCnn } from './seedCnn.js';
import { vgg11, vgg16 } from './vgg.js';

export { checkModel, type ModelDescription, sequential } from './description.js';
export type { EmbeddingOptions, ImageModelOptions } from './imageModel.js';
export type { LSoftmaxNetOptions } from './lSoftmaxNet.js';
export type { VggOptions } from './vgg.js';

/**
 * Ready-made networks.
 * @namespace
 */
export const models = {
  seedCnn,
  lenetPlusPlus,
  lSoftmaxNet,
  vgg11,
  vgg16,
  resnet18,
  resnet34,
  resnet50,
  resnext50,
  densenet121,
} as const;
