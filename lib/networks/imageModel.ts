/** What the networks of the ImageNet literature have in common: their options, first layers, and an embedding on top. */
import { invalidOption } from '../base/errors.js';
import { NUMBER } from '../base/notation.js';
import { checkOptions, integer, type OptionTable, option } from '../base/optionTable.js';
import { batchNorm, conv2d, type LayerDescription, linear, maxPool2d, relu } from './layers.js';

export interface EmbeddingOptions {
  /** Numbers that the head sees of an image. The network says its default. */
  embeddingSize?: number;
}

const IMAGE_SIZES = [32, 64, 224] as const;

/** Height and width of images that a variant is published for: CIFAR's, Tiny ImageNet's, ImageNet's. */
export type ModelImageSize = (typeof IMAGE_SIZES)[number];

export interface ImageModelOptions {
  /**
   * Chooses the variant: first layers that suit images of this height and width. Images of other sizes are taken where
   * they are large enough. Default 224.
   */
  imageSize?: ModelImageSize;
  /**
   * Adds a linear layer without bias to so many numbers, and batch norm: the end of ArcFace's embedding "E" (Deng et
   * al. 2019, sec. 3.2.2). It starts as PyTorch's linear layers do, such as torchvision's last ones. Default: nothing
   * is added, the embedding is what the published classifier sees.
   */
  embeddingSize?: number;
}

/** The options of a network that has no variants. */
export const EMBEDDING_OPTIONS = {
  embeddingSize: integer('numbers that the head sees of an image', {
    defaultText: "the network's own",
    min: 1,
  }),
} as const;

/** The options of a network that has variants for sizes of images. */
export const IMAGE_MODEL_OPTIONS = {
  imageSize: option(`the network's variant, ${orList(IMAGE_SIZES)}`, checkImageSize, {
    default: 224,
    notation: NUMBER,
  }),
  ...EMBEDDING_OPTIONS,
} as const;

/** The options of a call that makes a model. */
export const checkModelOptions = <const T extends OptionTable>(options: unknown, table: T) =>
  checkOptions(options, undefined, table, "an object with the model's options");

function orList(words: readonly unknown[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function checkImageSize(value: unknown): ModelImageSize {
  if (isModelImageSize(value)) return value;
  const hint = typeof value === 'number' && value > 0 ? `Did you mean ${nearestImageSize(value)}?` : '';
  throw invalidOption('imageSize', `one of ${IMAGE_SIZES.join(', ')}`, value, hint);
}

export function isModelImageSize(value: unknown): value is ModelImageSize {
  return IMAGE_SIZES.includes(value as ModelImageSize);
}

/** The variant that suits images of this size best: the nearest by ratio. */
export function nearestImageSize(size: number): ModelImageSize {
  const distance = (candidate: number) => Math.abs(Math.log(candidate / size));
  return IMAGE_SIZES.reduce((best, each) => (distance(each) < distance(best) ? each : best));
}

/** The first convolution of small images: CIFAR's keep their size, Tiny ImageNet's are halved to CIFAR's. */
export const smallStride = (imageSize: 32 | 64): number => (imageSize === 32 ? 1 : 2);

/**
 * The first layers of residual and dense networks, to 64 channels. At 224: conv 7×7 stride 2 and max pool 3 stride 2,
 * to 56×56. At 32 and 64 a conv 3×3 alone, to 32×32.
 */
export function stem(
  imageSize: ModelImageSize,
  names: { conv: string; norm: string; relu: string; pool: string },
): LayerDescription[] {
  const conv = { name: names.conv, outChannels: 64, bias: false };
  const activation = [batchNorm({ name: names.norm }), relu({ name: names.relu })];
  if (imageSize !== 224) {
    return [conv2d({ ...conv, kernelSize: 3, stride: smallStride(imageSize), padding: 1 }), ...activation];
  }
  return [
    conv2d({ ...conv, kernelSize: 7, stride: 2, padding: 3 }),
    ...activation,
    maxPool2d({ name: names.pool, kernelSize: 3, stride: 2, padding: 1 }),
  ];
}

/** The layers that `embeddingSize` adds. */
export function embeddingLayers(embeddingSize: number | undefined): LayerDescription[] {
  if (embeddingSize === undefined) return [];
  return [
    linear({ name: 'embedding', outFeatures: embeddingSize, bias: false, init: 'fanInUniform' }),
    batchNorm({ name: 'embedding.bn' }),
  ];
}
