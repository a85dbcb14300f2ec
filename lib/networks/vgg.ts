import { number } from '../base/optionTable.js';
import type { ModelDescription } from './description.js';
import {
  checkModelOptions,
  embeddingLayers,
  IMAGE_MODEL_OPTIONS,
  IMAGE_SIZES,
  type ImageModelOptions,
  imageSize,
  type ModelVariant,
  smallStride,
  startingFrom,
  variantFor,
} from './imageModel.js';
import { batchNorm, conv2d, dropout, type LayerDescription, linear, maxPool2d, relu } from './layers.js';
import { nameOfWidth, widened } from './width.js';

/** Options of `models.vgg11` and `models.vgg16`. */
export interface VggOptions extends ImageModelOptions {
  /** After each hidden linear layer, in [0, 1). Default 0.5. */
  dropout?: number;
}

/** Halved five times. */
export const VGG_IMAGE_SIZES = { ...IMAGE_SIZES, min: 32 } as const;

export const VGG_OPTIONS = {
  ...IMAGE_MODEL_OPTIONS,
  imageSize: imageSize(VGG_IMAGE_SIZES),
  dropout: number('after each hidden linear layer', { default: 0.5, min: 0, below: 1 }),
} as const;

/**
 * VGG-11 (Simonyan & Zisserman 2015, configuration A) with batch norm: 3×3 convolutions to 64, 128, 256, 512 and 512
 * channels, a max pool after each of the five stages, hidden linear layers.
 *
 * At imageSize 224 torchvision's: 7×7×512 → 4096 → 4096, the embedding; from 128 on the same, with as many places before
 * the first hidden layer as are left of the image (torchvision averages them to 7×7). Below 64 one hidden layer, with
 * batch norm, as is usual for CIFAR (Zagoruyko 2015): 1×1×512 → 512, the embedding. In between the same with stride 2 in
 * the first convolution, as Lee et al. (2019) do for Tiny ImageNet: 112×112 → 56 → 28 → 14 → 7 → 3 → 1×1×512 → 512.
 * Convolutions start He-normal by fan-out, hidden linear layers normal with a standard deviation of 0.01, as in
 * torchvision. `width` is a factor of both.
 */
export const vgg11 = (options: VggOptions = {}): ModelDescription => vgg('vgg11', [1, 1, 2, 2, 2], options);

/** VGG-16 (Simonyan & Zisserman 2015, configuration D) with batch norm: as `vgg11` with 2, 2, 3, 3 and 3 convolutions. */
export const vgg16 = (options: VggOptions = {}): ModelDescription => vgg('vgg16', [2, 2, 3, 3, 3], options);

function vgg(name: string, depths: readonly number[], options: VggOptions): ModelDescription {
  const { imageSize, embeddingSize, weights, width, dropout: rate } = checkModelOptions(options, VGG_OPTIONS);
  const variant = variantFor(imageSize);
  return {
    name: nameOfWidth(name, width),
    init: 'heNormalFanOut',
    ...startingFrom(weights),
    layers: [
      ...convolutions(depths, variant, width),
      ...(variant === 224
        ? largeClassifier(widened(4096, width), rate)
        : smallClassifier(widened(512, width), rate)),
      ...embeddingLayers(embeddingSize),
    ],
  };
}

/** Layer names are torchvision's: numbers within a list. */
function convolutions(depths: readonly number[], variant: ModelVariant, width: number): LayerDescription[] {
  const layers: LayerDescription[] = [];
  const next = () => `features.${layers.length}`;
  depths.forEach((depth, stage) => {
    for (let index = 0; index < depth; index++) {
      const stride = layers.length === 0 && variant !== 224 ? smallStride(variant) : 1;
      const outChannels = widened(Math.min(64 * 2 ** stage, 512), width);
      layers.push(conv2d({ name: next(), outChannels, kernelSize: 3, stride, padding: 1 }));
      layers.push(batchNorm({ name: next() }));
      layers.push(relu({ name: next() }));
    }
    layers.push(maxPool2d({ name: next(), kernelSize: 2 }));
  });
  return layers;
}

const largeClassifier = (units: number, rate: number): LayerDescription[] =>
  [0, 3].flatMap((index) => [
    hidden(`classifier.${index}`, units),
    relu({ name: `classifier.${index + 1}` }),
    ...dropped(`classifier.${index + 2}`, rate),
  ]);

const smallClassifier = (units: number, rate: number): LayerDescription[] => [
  hidden('classifier.0', units),
  batchNorm({ name: 'classifier.1' }),
  relu({ name: 'classifier.2' }),
  ...dropped('classifier.3', rate),
];

const hidden = (name: string, outFeatures: number) => linear({ name, outFeatures, init: { std: 0.01 } });

const dropped = (name: string, rate: number) => (rate > 0 ? [dropout({ name, rate })] : []);
