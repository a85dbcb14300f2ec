/**
 * Whole training of networks that are graphs against numbers that PyTorch computed in fp64 (test/pytorch/graphs.py):
 * residual, dense, and residual with groups and PReLU; on each backend.
 */
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
} from '../../lib/models/layers.js';
import { type GraphReference, readJson, trainingLimits } from '../pytorch/reference.js';
import { BACKENDS } from '../support/backends.js';
import { describeTraining, expectLimitsNearNoise, strayStages } from './describeTraining.js';

const setting: GraphReference = readJson('graph_reference.json');
const limits = trainingLimits('graphs');

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

const GRAPHS: Record<string, LayerDescription[]> = { resnet, densenet, resnext };

it('covers every graph of the reference', () => {
  expect(Object.keys(GRAPHS)).toEqual(Object.keys(setting.networks));
});

for (const [name, layers] of Object.entries(GRAPHS)) {
  describeTraining(name, { setting, reference: setting.networks[name]!, layers, limits });
}

it('has limits between 3 and 30 times the noise of fp32', () => {
  expectLimitsNearNoise(limits, Object.values(setting.networks));
});

describe('a network that is described otherwise', () => {
  /** Every layer, nested ones too, as `change` makes it. */
  const changed = (
    layers: readonly LayerDescription[],
    change: (layer: LayerDescription) => LayerDescription,
  ): LayerDescription[] =>
    layers.map((layer) => {
      if (layer.type === 'concat') {
        return { ...layer, branches: layer.branches.map((branch) => changed(branch, change)) };
      }
      if (layer.type !== 'residual') return change(layer);
      const { body, shortcut } = layer;
      const nested = { ...layer, body: changed(body, change) };
      return shortcut === undefined ? nested : { ...nested, shortcut: changed(shortcut, change) };
    });

  /** All but the random weights */
  const EVERY = ['embeddings', 'scores', 'first loss', 'gradients', 'losses', 'way moved', 'prediction'];

  it.each<[string, keyof typeof GRAPHS, (layer: LayerDescription) => LayerDescription, string[]]>([
    ['as it is', 'resnet', (layer) => layer, []],
    [
      "batch norm's epsilon 1e-4",
      'resnet',
      (layer) => (layer.type === 'batchNorm' ? { ...layer, epsilon: 1e-4 } : layer),
      EVERY,
    ],
    [
      "batch norm's momentum 0.11",
      'densenet',
      (layer) => (layer.type === 'batchNorm' ? { ...layer, momentum: 0.11 } : layer),
      ['way moved', 'prediction'],
    ],
    [
      'slopes that start at 0',
      'resnext',
      (layer) => (layer.type === 'prelu' ? { ...layer, init: 0 } : layer),
      EVERY,
    ],
    [
      'an average where the maximum of a window is due',
      'densenet',
      (layer) => (layer.type === 'maxPool2d' ? { ...layer, type: 'averagePool2d' } : layer),
      EVERY,
    ],
  ])('%s', async (_, name, change, stages) => {
    const backend = BACKENDS[0]!;
    const suite = {
      setting,
      reference: setting.networks[name]!,
      layers: changed(GRAPHS[name]!, change),
      limits,
    };
    expect(await strayStages(backend, suite, 'softmax')).toEqual(stages);
  });
});
