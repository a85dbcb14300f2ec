/** How weights start, against PyTorch's own functions (test/parity/make_starts.py). */
import { conv2d, type Init, linear, type ModelDescription, models, sequential } from '../../lib/index.js';
import { type Distribution, eachStart, expectDrawnFrom } from '../support/starts.js';
import { type Digest, readJson } from './reference.js';

interface Starts {
  seed: number;
  input: [number, number, number];
  embeddingSize: number;
  indices: Record<string, number[]>;
  rules: Record<string, Record<string, Digest>>;
  networks: Record<string, Record<string, Distribution>>;
}

const STARTS: Starts = readJson('starts.json');

/** fp32's rounding of a number, relative. */
const ROUNDING = 2 ** -24;

const initOf = (rule: string) => (rule === 'std' ? { std: 0.01 } : rule) as Init;

const layers = (init?: Init) => {
  const own = init === undefined ? {} : { init };
  return [
    conv2d({ name: 'conv', outChannels: 12, kernelSize: [3, 5], groups: 4, ...own }),
    linear({ name: 'fc', outFeatures: STARTS.embeddingSize, ...own }),
  ];
};

/** Of the stored entries and of the norm, the larger relative difference. */
function distance(values: Float32Array, { norm, entries }: Digest, indices: readonly number[]): number {
  const length = (numbers: Iterable<number>) => Math.hypot(...numbers);
  const off = length(indices.map((at, i) => values[at]! - entries[i]!)) / length(entries);
  return Math.max(off, Math.abs(length(values) / norm - 1));
}

describe.each(Object.entries(STARTS.rules))('%s', (rule, expected) => {
  test.each<[string, ModelDescription]>([
    ['of each layer', sequential(layers(initOf(rule)))],
    ['of the network', sequential(layers(), { init: initOf(rule) })],
  ])('%s: the draws of philox.py, as wide as PyTorch makes them', async (_, network) => {
    const distances: Record<string, number> = {};
    await eachStart(network, STARTS.input, STARTS.seed, (name, values) => {
      const digest = expected[name];
      distances[name] = digest
        ? distance(values, digest, STARTS.indices[name]!)
        : Math.max(...values.map(Math.abs));
    });
    expect(Object.keys(distances)).toEqual(Object.keys(STARTS.indices));
    const over = ([name, off]: [string, number]) => off > (name in expected ? ROUNDING : 0);
    expect(Object.entries(distances).filter(over)).toEqual([]);
  });
});

test.each<[string, ModelDescription]>([
  ['resnet18', models.resnet18()],
  ['resnext50_32x4d', models.resnext50()],
  ['densenet121', models.densenet121()],
  // The first linear layer reads fewer numbers, which its start does not depend on.
  ['vgg11_bn', models.vgg11({ imageSize: 32 })],
])("%s starts as torchvision's", async (name, network) => {
  const expected = { ...STARTS.networks[name] };
  const size = network.name === 'vgg11' ? 32 : 224;
  let count = 0;
  await eachStart(network, [size, size, 3], 1, (parameter, values) => {
    // torchvision's VGG has no batch norm behind its linear layers.
    if (/\.running(Mean|Variance)$|^classifier\.1\./.test(parameter)) return;
    expect([parameter, expected[parameter]]).toEqual([parameter, expect.anything()]);
    expectDrawnFrom(parameter, values, expected[parameter]!);
    count += 1;
    delete expected[parameter];
  });
  expect(count).toBeGreaterThan(20);
  // What is left is torchvision's classifier, in whose place is a head.
  for (const left of Object.keys(expected)) expect(left).toMatch(/^(fc|classifier)\b/);
});
