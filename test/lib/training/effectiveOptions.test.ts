/** `result.options` is a copy: what a caller does to objects of their own reaches neither the run nor its result. */
import {
  type Dataset,
  type LayerDescription,
  linear,
  relu,
  residual,
  type TrainOptions,
  train,
} from '../../../lib/index.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(60, 20);
});

const small = {
  model: tinyModel,
  device: 'cpu',
  threads: 1,
  batchSize: 20,
  epochs: 1,
  progress: false,
} as const;

/** Every object and array in a value, itself included; of typed arrays their memory. */
function parts(value: unknown, found = new Set<unknown>()): Set<unknown> {
  if (typeof value !== 'object' || value === null || found.has(value)) return found;
  found.add(value);
  if (ArrayBuffer.isView(value)) return found.add(value.buffer);
  for (const part of Object.values(value)) parts(part, found);
  return found;
}

/** Overwrites every number, boolean and string, and shortens every list. */
function spoil(value: unknown, done = new Set<unknown>()): void {
  if (typeof value !== 'object' || value === null || done.has(value)) return;
  done.add(value);
  if (ArrayBuffer.isView(value)) return void (value as Float32Array).fill(99);
  const object = value as Record<string, unknown>;
  for (const [key, part] of Object.entries(object)) {
    if (typeof part === 'object') spoil(part, done);
    else object[key] = typeof part === 'number' ? part + 99 : 'spoilt';
  }
  if (Array.isArray(value)) value.length = 0;
}

/** Of each option that may be an object: made anew for each run. */
const OPTIONS: Readonly<Record<string, () => TrainOptions>> = {
  model: () => ({
    model: {
      name: 'mine',
      input: [28, 28, 1],
      layers: [
        ...structuredClone(tinyModel.layers),
        residual({ body: [linear({ outFeatures: 16 }), relu()], shortcut: [linear({ outFeatures: 16 })] }),
        { type: 'dropout', rate: 0.1 },
      ] as LayerDescription[],
    },
  }),
  'kernelSize of a layer': () => ({
    model: {
      name: 'mine',
      layers: [{ type: 'conv2d', outChannels: 2, kernelSize: [3, 5] }, ...structuredClone(tinyModel.layers)],
    },
  }),
  'learningRate, nested': () => ({
    learningRate: {
      type: 'warmup',
      length: 2,
      schedule: { type: 'step', base: 0.01, gamma: 0.5, milestones: [0.3, 0.6] },
    },
  }),
  'learningRate, cosine': () => ({ learningRate: { type: 'cosine', base: 0.01, min: 0.001 } }),
  optimizer: () => ({ optimizer: { type: 'sgd', momentum: 0.5 }, learningRate: 0.01 }),
  sampler: () => ({ sampler: { type: 'perClass', classes: 5, images: 4 } }),
  classes: () => ({ classes: [1, 2, 3, 4] }),
  augment: () => ({ augment: { crop: 2, scale: [0.8, 1.2] } }),
  'normalize, arrays': () => ({ normalize: { mean: [0.3], std: [0.4] } }),
  'normalize, typed arrays': () => ({
    normalize: { mean: Float32Array.of(0.3), std: Float64Array.of(0.4) },
  }),
  'classWeights, a typed array': () => ({ classWeights: new Float32Array(10).fill(2) }),
  'classWeights, an array': () => ({ classWeights: Array(10).fill(2) }),
  s: () => ({ head: 'arcface', s: { learn: true, init: 8 } }),
  alpha: () => ({ head: 'l2-softmax', alpha: { learn: true, init: 8 } }),
  'lambda, until': () => ({ head: 'a-softmax', lambda: { base: 10, until: 0.5, min: 1 } }),
  'lambda, power': () => ({ head: 'l-softmax', lambda: { base: 10, gamma: 0.1, power: 1 } }),
  logitNormalizer: () => ({ logitNormalizer: { type: 'scaled-bn', m: 2 } }),
  auxiliary: () => ({ auxiliary: { type: 'center', weight: 0.1, rate: 0.2 } }),
};

const timeless = <T extends { seconds: number; imagesPerSecond: number }>(history: readonly T[]) =>
  history.map(({ seconds: _, imagesPerSecond: __, ...record }) => record);

describe.each(Object.entries(OPTIONS))('%s', (_, make) => {
  test('shares no object with the caller', async () => {
    const given = make();
    const { model, options } = await train({ data, ...small, ...given });
    model.dispose();
    const callers = parts(given);
    expect([...parts(options)].filter((part) => callers.has(part))).toEqual([]);
    const models = parts([model.head, model.normalization, model.input, model.classNames]);
    expect([...parts(options)].filter((part) => models.has(part))).toEqual([]);
  });

  test.each([
    ['once the call has returned', 0],
    ['during the run', 1],
    ['after it', 2],
  ])('what is changed %s changes nothing', async (_when, when) => {
    const untouched = await train({ data, ...small, deterministic: true, ...make() });
    const given = make();
    const run = train({
      ...{ data, ...small, deterministic: true, ...given },
      ...(when === 1 && { onStep: ({ step }: { step: number }) => void (step === 1 && spoil(given)) }),
    });
    if (when === 0) spoil(given);
    const result = await run;
    const before = JSON.stringify(result.options);
    if (when === 2) spoil(given);
    for (const { model } of [untouched, result]) model.dispose();
    expect(JSON.stringify(result.options)).toBe(before);
    expect(result.options).toEqual(untouched.options);
    expect(timeless(result.history)).toEqual(timeless(untouched.history));
  });
});

test('it is the own copy of whoever has it: a change reaches neither the model nor the next run', async () => {
  const result = await train({ data, ...small, head: 'arcface', s: 8, classWeights: Array(10).fill(2) });
  const { classWeights } = result.model.head as { classWeights?: number[] };
  spoil(result.options);
  result.model.dispose();
  expect(classWeights).toEqual(Array(10).fill(2));
  const again = await train({ data, ...small });
  again.model.dispose();
  expect(again.options.model.layers).toHaveLength(tinyModel.layers.length);
});

test('a schedule that is a function is kept as it is', async () => {
  const learningRate = () => 0.01;
  const { model, options } = await train({ data, ...small, learningRate });
  model.dispose();
  expect(options.learningRate).toBe(learningRate);
});
