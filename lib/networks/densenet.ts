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
import {
  averagePool2d,
  batchNorm,
  concat,
  conv2d,
  globalAveragePool,
  type LayerDescription,
  relu,
} from './layers.js';
import { nameOfWidth, widened } from './width.js';

/** Channels that a dense layer adds: k of the paper. */
const GROWTH = 32;

/** Here as everywhere torchvision's. */
const STEM_NAMES = {
  conv: 'features.conv0',
  norm: 'features.norm0',
  relu: 'features.relu0',
  pool: 'features.pool0',
};

/**
 * DenseNet-121 (Huang et al. 2017, table 1): dense blocks of 6, 12, 24 and 16 layers, each of which adds 32 channels to
 * those it reads; between blocks half the channels and half the size. The embedding is the mean over all places, 1024
 * numbers.
 *
 * From imageSize 128 on torchvision's: 224×224 → 112 → 56 → 28 → 14 → 7×7×1024. Below 64 the first layer is a 3×3
 * convolution of stride 1 and there is no max pool: 32×32 → 16 → 8 → 4×4×1024. (Huang et al.'s own networks for CIFAR
 * begin so too, but have three blocks.) In between the same with stride 2: 112×112 → 56 → 28 → 14 → 7×7×1024.
 * Convolutions start He-normal by fan-in, as torchvision's. `width` is a factor of the 64 first channels and of the 32 that a layer adds, from
 * which all others follow.
 */
export function densenet121(options: ImageModelOptions = {}): ModelDescription {
  const { imageSize, embeddingSize, weights, width } = checkModelOptions(options, IMAGE_MODEL_OPTIONS);
  const depths = [6, 12, 24, 16];
  const [first, growth] = [widened(64, width), widened(GROWTH, width)];
  let channels = first;
  const blocks = depths.flatMap((depth, index) => {
    const number = index + 1;
    const layers = Array.from({ length: depth }, (_, layer) =>
      denseLayer(`features.denseblock${number}.denselayer${layer + 1}`, growth),
    );
    channels += depth * growth;
    if (number === depths.length) return layers;
    channels /= 2;
    return [...layers, ...transition(`features.transition${number}`, channels)];
  });
  return {
    name: nameOfWidth('densenet121', width),
    init: 'heNormal',
    ...startingFrom(weights),
    layers: [
      ...stem(variantFor(imageSize), STEM_NAMES, first),
      ...blocks,
      batchNorm({ name: 'features.norm5' }),
      relu({ name: 'relu' }),
      globalAveragePool({ name: 'avgpool' }),
      ...embeddingLayers(embeddingSize),
    ],
  };
}

function denseLayer(name: string, growth: number): LayerDescription {
  const added = [
    ...normalized1x1(name, { norm: 'norm1', relu: 'relu1', conv: 'conv1' }, 4 * growth),
    batchNorm({ name: `${name}.norm2` }),
    relu({ name: `${name}.relu2` }),
    conv2d({ name: `${name}.conv2`, outChannels: growth, kernelSize: 3, padding: 1, bias: false }),
  ];
  return concat({ name, branches: [[], added] });
}

const transition = (name: string, outChannels: number) => [
  ...normalized1x1(name, { norm: 'norm', relu: 'relu', conv: 'conv' }, outChannels),
  averagePool2d({ name: `${name}.pool`, kernelSize: 2 }),
];

const normalized1x1 = (
  name: string,
  parts: { norm: string; relu: string; conv: string },
  outChannels: number,
) => [
  batchNorm({ name: `${name}.${parts.norm}` }),
  relu({ name: `${name}.${parts.relu}` }),
  conv2d({ name: `${name}.${parts.conv}`, outChannels, kernelSize: 1, bias: false }),
];
