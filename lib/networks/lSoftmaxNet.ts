import { invalidOption } from '../base/errors.js';
import { choice } from '../base/optionTable.js';
import type { ModelDescription } from './description.js';
import { checkModelOptions, EMBEDDING_OPTIONS, type EmbeddingOptions, startingFrom } from './imageModel.js';
import { batchNorm, conv2d, type LayerDescription, linear, maxPool2d, prelu, relu } from './layers.js';
import { nameOfWidth, widened } from './width.js';

/** Which of the L-Softmax paper's networks. */
export type LSoftmaxNetOptions = EmbeddingOptions &
  (
    | {
        /** Whose network. */
        dataset: 'mnist' | 'cifar10';
        /** 'paper': table 1. 'released': the authors' public files. Default 'paper'. */
        variant?: 'paper' | 'released';
      }
    | { dataset: 'cifar100'; variant?: 'paper' }
  );

export const L_SOFTMAX_NET_OPTIONS = {
  dataset: choice('whose network', ['mnist', 'cifar10', 'cifar100'], { required: true }),
  variant: choice("the paper's or the authors' public files'", ['paper', 'released'], { default: 'paper' }),
  ...EMBEDDING_OPTIONS,
} as const;

interface Design {
  /** Channels of the convolution before the first stage, then of each stage. */
  readonly channels: readonly [number, ...number[]];
  /** Convolutions in each stage. */
  readonly depth: number;
  readonly embeddingSize: number;
}

const DESIGNS: Readonly<Record<'paper' | 'released', Readonly<Record<string, Design>>>> = {
  paper: {
    mnist: { channels: [64, 64, 64, 64], depth: 3, embeddingSize: 256 },
    cifar10: { channels: [64, 64, 96, 128], depth: 4, embeddingSize: 256 },
    cifar100: { channels: [96, 96, 192, 384], depth: 4, embeddingSize: 512 },
  },
  released: {
    mnist: { channels: [64, 64, 128, 256], depth: 3, embeddingSize: 512 },
    cifar10: { channels: [64, 64, 128, 256], depth: 4, embeddingSize: 512 },
  },
};

/**
 * The networks of L-Softmax (Liu et al. 2016, table 1): a 3×3 convolution, then three stages of them, each convolution
 * with batch norm and an activation; a 2×2 max pool after each stage; a linear layer with batch norm, the embedding.
 *
 * | dataset | convolutions before and in the stages | embedding |
 * |---|---|---|
 * | mnist | 64; 64, 64, 64, three each | 256 |
 * | cifar10 | 64; 64, 96, 128, four each | 256 |
 * | cifar100 | 96; 96, 192, 384, four each | 512 |
 *
 * The paper's activation is PReLU, and its embedding is taken to have none. `variant: 'released'` is what the authors'
 * public files have for MNIST and CIFAR-10 instead: stages of 64, 128 and 256 channels, an embedding of 512, ReLU
 * everywhere, after the embedding too. Layer names are theirs. Pools drop an odd row (28 → 14 → 7 → 3); Caffe's pad it.
 * All layers start He-normal by fan-in: the files' msra, and what the paper says of its networks (sec. 5.1).
 */
export function lSoftmaxNet(options: LSoftmaxNetOptions): ModelDescription {
  const { dataset, variant, embeddingSize, weights, width } = checkModelOptions(
    options,
    L_SOFTMAX_NET_OPTIONS,
  );
  const design = DESIGNS[variant][dataset];
  if (design === undefined) {
    throw invalidOption('variant', "'paper'", variant, 'The authors released no network for CIFAR-100');
  }
  const activation = variant === 'paper' ? prelu : relu;
  const [first, ...stages] = design.channels.map((channels) => widened(channels, width));
  const unit = (suffix: string, prefix: string, outChannels: number): LayerDescription[] => [
    conv2d({ name: `${prefix}conv${suffix}`, outChannels, kernelSize: 3, padding: 'same' }),
    batchNorm({ name: `${prefix}bn${suffix}` }),
    activation({ name: `${prefix}relu${suffix}` }),
  ];
  return {
    name: nameOfWidth(`lSoftmaxNet-${dataset}${variant === 'paper' ? '' : '-released'}`, width),
    init: 'heNormal',
    ...startingFrom(weights),
    layers: [
      ...unit('', 'pre_', first!),
      ...stages.flatMap((outChannels, index) => [
        ...Array.from({ length: design.depth }, (_, i) =>
          unit(`${index + 1}_${i + 1}`, '', outChannels),
        ).flat(),
        maxPool2d({ name: `pool${index + 1}`, kernelSize: 2 }),
      ]),
      linear({ name: 'ip1', outFeatures: embeddingSize ?? widened(design.embeddingSize, width) }),
      batchNorm({ name: 'bn_ip' }),
      ...(variant === 'released' ? [relu({ name: 'relu_ip' })] : []),
    ],
  };
}
