/** Three small networks of the kinds that are graphs; the same as test/parity/graphs.py describes. */
import {
  averagePool2d,
  batchNorm,
  concat,
  conv2d,
  globalAveragePool,
  type LayerDescription,
  linear,
  maxPool2d,
  prelu,
  relu,
  residual,
} from '../../lib/networks/layers.js';

/** A 3×3 convolution that keeps the image's size, or halves it. */
const conv3x3 = (name: string, outChannels: number, stride = 1) =>
  conv2d({ name, outChannels, kernelSize: 3, stride, padding: 1, bias: false });

const conv1x1 = (name: string, outChannels: number, stride = 1) =>
  conv2d({ name, outChannels, kernelSize: 1, stride, bias: false });

const norm = (name: string) => batchNorm({ name });

const resnet = [
  conv3x3('stem', 4, 2),
  norm('stemNorm'),
  relu(),
  residual({
    body: [
      conv3x3('block1.conv1', 4),
      norm('block1.norm1'),
      relu(),
      conv3x3('block1.conv2', 4),
      norm('block1.norm2'),
    ],
  }),
  relu(),
  residual({
    body: [
      conv3x3('block2.conv1', 8, 2),
      norm('block2.norm1'),
      relu(),
      conv3x3('block2.conv2', 8),
      norm('block2.norm2'),
    ],
    shortcut: [conv1x1('block2.shortcut', 8, 2), norm('block2.shortcutNorm')],
  }),
  relu(),
  globalAveragePool(),
  linear({ name: 'fc', outFeatures: 16 }),
];

const dense = (name: string) =>
  concat({
    branches: [
      [],
      [
        norm(`${name}.norm1`),
        relu(),
        conv1x1(`${name}.conv1`, 8),
        norm(`${name}.norm2`),
        relu(),
        conv3x3(`${name}.conv2`, 4),
      ],
    ],
  });

const densenet = [
  conv3x3('stem', 6, 2),
  dense('dense1'),
  dense('dense2'),
  norm('transition.norm'),
  relu(),
  conv1x1('transition.conv', 6),
  averagePool2d({ kernelSize: 2 }),
  maxPool2d({ kernelSize: 3, stride: 2, padding: 1 }),
  linear({ name: 'fc', outFeatures: 16 }),
];

const resnext = [
  conv2d({ name: 'stem', outChannels: 12, kernelSize: 3, stride: 2, padding: 1 }),
  prelu({ name: 'stemSlope', shared: true }),
  residual({
    body: [
      conv1x1('reduce', 8),
      norm('reduceNorm'),
      prelu({ name: 'reduceSlopes' }),
      { ...conv3x3('grouped', 8), groups: 4 },
      norm('groupedNorm'),
      prelu({ name: 'groupedSlopes' }),
      conv1x1('expand', 12),
      norm('expandNorm'),
    ],
  }),
  prelu({ name: 'sumSlopes' }),
  averagePool2d({ kernelSize: 3, stride: 2, padding: 1 }),
  globalAveragePool(),
  linear({ name: 'fc', outFeatures: 16 }),
];

export const GRAPHS = { resnet, densenet, resnext } satisfies Record<string, LayerDescription[]>;
