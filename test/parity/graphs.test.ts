/**
 * Whole training of networks that are graphs against numbers that PyTorch computed in fp64 (test/parity/graphs.py):
 * residual, dense, and residual with groups and PReLU; on each backend.
 */
import type { LayerDescription } from '../../lib/networks/layers.js';
import { BACKENDS } from '../support/backends.js';
import { describeTraining, expectLimitsNearNoise, strayStages } from './describeTraining.js';
import { GRAPHS } from './graphs.js';
import { type GraphReference, readJson, trainingLimits } from './reference.js';

const setting: GraphReference = readJson('graph_reference.json');
const limits = trainingLimits('graphs');

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
