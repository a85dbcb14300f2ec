/** What the networks of the ImageNet literature have in common: their options, first layers, and an embedding on top. */
import { checkPath } from '../base/check.js';
import { text } from '../base/notation.js';
import { checkOptions, integer, type OptionTable, option } from '../base/optionTable.js';
import { batchNorm, conv2d, type LayerDescription, linear, maxPool2d, relu } from './layers.js';
import { WIDTH } from './width.js';

/** What every ready-made network can be told. */
export interface EmbeddingOptions {
  /** Numbers that the head sees of an image. The network says its default. */
  embeddingSize?: number;
  /** See `ModelDescription.weights`. */
  weights?: string;
  /**
   * Factor of all channels, in (0, 8]: 0.5 is half as wide, with about a quarter of the parameters. Each number is rounded to a multiple of 8,
   * at least 8, as by torchvision's `width_mult`. Hidden linear layers are scaled too, and the embedding, where `embeddingSize` does not
   * say its size. Weights of another width do not fit. Default 1.
   */
  width?: number;
}

/** Height and width of images that a variant is published for: CIFAR's, Tiny ImageNet's, ImageNet's. */
export type ModelVariant = 32 | 64 | 224;

/** What residual and dense networks leave a place of, and a bound to slips of the pen. */
export const IMAGE_SIZES = { min: 8, max: 1024 } as const;

/** What networks for images of any size can be told. */
export interface ImageModelOptions {
  /**
   * Height and width of the images (of others the shorter), in [8, 1024], for VGG in [32, 1024]: from it follow the first
   * layers. Below 64 they are those that are usual for CIFAR, which keep the size; below 128 those for Tiny ImageNet,
   * which halve it, so that faces of 112 come to 56 → 28 → 14 → 7 as in ArcFace's networks (Deng et al. 2019, sec.
   * 3.1); from 128 on ImageNet's, which quarter it. Images of other sizes are taken where they are large enough.
   * Default 224.
   */
  imageSize?: number;
  /**
   * Adds a linear layer without bias to so many numbers, and batch norm: the end of ArcFace's embedding "E" (Deng et
   * al. 2019, sec. 3.2.2). It starts as PyTorch's linear layers do, such as torchvision's last ones. Default: nothing
   * is added, the embedding is what the published classifier sees.
   */
  embeddingSize?: number;
  /** See `ModelDescription.weights`. */
  weights?: string;
  /** See `EmbeddingOptions.width`. */
  width?: number;
}

/** The options of a network that has no variants. */
export const EMBEDDING_OPTIONS = {
  embeddingSize: integer('numbers that the head sees of an image', {
    defaultText: "the network's own",
    min: 1,
  }),
  weights: option('a file of weights to begin with', checkPath, {
    defaultText: 'none: they are drawn',
    notation: text('FILE'),
  }),
  width: WIDTH,
} as const;

/** The options of a network that has variants for sizes of images. */
export const IMAGE_MODEL_OPTIONS = {
  imageSize: imageSize(IMAGE_SIZES),
  ...EMBEDDING_OPTIONS,
} as const;

/** The options of a call that makes a model. */
export const checkModelOptions = <const T extends OptionTable>(options: unknown, table: T) =>
  checkOptions(options, undefined, table, "an object with the model's options");

/** The row of `imageSize`. */
export function imageSize({ min, max }: { min: number; max: number }) {
  const help = `height and width of the images, ${min} to ${max}, which the first layers suit`;
  return integer(help, { default: 224, min, max });
}

/** The variant whose first layers suit images of this size. */
export function variantFor(imageSize: number): ModelVariant {
  if (imageSize < 64) return 32;
  return imageSize < 128 ? 64 : 224;
}

/** Of the first convolution of small images: CIFAR's keep their size, Tiny ImageNet's are halved to CIFAR's. */
export const smallStride = (variant: 32 | 64): number => (variant === 32 ? 1 : 2);

/**
 * The first layers of residual and dense networks, to 64 channels where they are as wide as published. For 224: conv 7×7 stride 2 and max pool 3 stride 2, to
 * 56×56. For 32 and 64 a conv 3×3 alone, to 32×32.
 */
export function stem(
  variant: ModelVariant,
  names: { conv: string; norm: string; relu: string; pool: string },
  outChannels: number,
): LayerDescription[] {
  const conv = { name: names.conv, outChannels, bias: false };
  const activation = [batchNorm({ name: names.norm }), relu({ name: names.relu })];
  if (variant !== 224) {
    return [conv2d({ ...conv, kernelSize: 3, stride: smallStride(variant), padding: 1 }), ...activation];
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

/** What a description has of options that are no layers. */
export const startingFrom = (weights: string | undefined) => (weights === undefined ? {} : { weights });
