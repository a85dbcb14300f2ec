import type { ModelDescription } from './description.js';
import {
  checkModelOptions,
  embeddingLayers,
  IMAGE_MODEL_OPTIONS,
  type ImageModelOptions,
  startingFrom,
  stem,
  variantFor,
} from './imageModel.js';
import { batchNorm, conv2d, globalAveragePool, type LayerDescription, relu, residual } from './layers.js';
import { nameOfWidth, widened } from './width.js';

/**
 * ResNet-18 (He et al. 2016, table 1): stages of 64, 128, 256 and 512 channels, two blocks each; the embedding is the
 * mean over all places, 512 numbers.
 *
 * From imageSize 128 on torchvision's: 224×224 → 112 → 56 → 28 → 14 → 7×7×512. Below 64 the first layer is a 3×3
 * convolution of stride 1 and there is no max pool, as is usual for CIFAR (He et al.'s own networks for CIFAR, sec. 4.2,
 * begin so but are narrower): 32×32 → 16 → 8 → 4×4×512. In between the same with stride 2, as Verma et al. (2019) do for
 * Tiny ImageNet: 112×112 → 56 → 28 → 14 → 7×7×512.
 * Convolutions start He-normal by fan-out, as torchvision's. `width` is a factor of the stages' channels, from which those of blocks follow.
 */
export const resnet18 = (options: ImageModelOptions = {}): ModelDescription =>
  resnet('resnet18', BASIC, [2, 2, 2, 2], options);

/** ResNet-34 (He et al. 2016, table 1): as `resnet18` with 3, 4, 6 and 3 blocks. Embedding: 512 numbers. */
export const resnet34 = (options: ImageModelOptions = {}): ModelDescription =>
  resnet('resnet34', BASIC, [3, 4, 6, 3], options);

/**
 * ResNet-50 (He et al. 2016, table 1): 3, 4, 6 and 3 bottleneck blocks, whose 3×3 convolutions have the strides, as
 * torchvision has them. Variants as `resnet18`'s. Embedding: 2048 numbers.
 */
export const resnet50 = (options: ImageModelOptions = {}): ModelDescription =>
  resnet('resnet50', bottleneck({ groups: 1, width: 64 }), [3, 4, 6, 3], options);

/**
 * ResNeXt-50 (32×4d) (Xie et al. 2017, table 1): as `resnet50` with 3×3 convolutions of twice the channels, in 32
 * groups, whatever the width: each has a sixteenth of its stage's channels, rounded. Embedding: 2048 numbers.
 */
export const resnext50 = (options: ImageModelOptions = {}): ModelDescription =>
  resnet('resnext50', bottleneck({ groups: 32, width: 4 }), [3, 4, 6, 3], options);

interface Block {
  /** Output channels per channel of the stage. */
  readonly expansion: number;
  layers(name: string, channels: number, stride: number): LayerDescription[];
}

const BASIC: Block = {
  expansion: 1,
  layers: (name, channels, stride) => [
    conv(`${name}.conv1`, channels, 3, { stride }),
    batchNorm({ name: `${name}.bn1` }),
    relu(),
    conv(`${name}.conv2`, channels, 3),
    batchNorm({ name: `${name}.bn2` }),
  ],
};

/** `width`: of a group in the first stage, where that has 64 channels. */
function bottleneck({ groups, width }: { groups: number; width: number }): Block {
  const expansion = 4;
  return {
    expansion,
    layers(name, channels, stride) {
      const inner = groups * Math.max(1, Math.round((channels / 64) * width));
      return [
        conv(`${name}.conv1`, inner, 1),
        batchNorm({ name: `${name}.bn1` }),
        relu(),
        conv(`${name}.conv2`, inner, 3, { stride, groups }),
        batchNorm({ name: `${name}.bn2` }),
        relu(),
        conv(`${name}.conv3`, expansion * channels, 1),
        batchNorm({ name: `${name}.bn3` }),
      ];
    },
  };
}

const conv = (
  name: string,
  outChannels: number,
  kernelSize: number,
  options: { stride?: number; groups?: number } = {},
) => conv2d({ name, outChannels, kernelSize, padding: (kernelSize - 1) / 2, bias: false, ...options });

/** Layer names are torchvision's. */
function resnet(
  name: string,
  block: Block,
  depths: readonly number[],
  options: ImageModelOptions,
): ModelDescription {
  const { imageSize, embeddingSize, weights, width } = checkModelOptions(options, IMAGE_MODEL_OPTIONS);
  let inChannels = widened(64, width);
  const names = { conv: 'conv1', norm: 'bn1', relu: 'relu', pool: 'maxpool' };
  const layers = stem(variantFor(imageSize), names, inChannels);
  depths.forEach((depth, stage) => {
    const channels = widened(64 * 2 ** stage, width);
    const outChannels = block.expansion * channels;
    for (let index = 0; index < depth; index++) {
      const stride = stage > 0 && index === 0 ? 2 : 1;
      const at = `layer${stage + 1}.${index}`;
      const body = block.layers(at, channels, stride);
      const isSameShape = stride === 1 && inChannels === outChannels;
      layers.push(
        residual(
          isSameShape ? { name: at, body } : { name: at, body, shortcut: project(at, outChannels, stride) },
        ),
        relu(),
      );
      inChannels = outChannels;
    }
  });
  layers.push(globalAveragePool({ name: 'avgpool' }), ...embeddingLayers(embeddingSize));
  return { name: nameOfWidth(name, width), layers, init: 'heNormalFanOut', ...startingFrom(weights) };
}

const project = (name: string, outChannels: number, stride: number) => [
  conv(`${name}.downsample.0`, outChannels, 1, { stride }),
  batchNorm({ name: `${name}.downsample.1` }),
];
