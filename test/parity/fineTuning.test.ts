/**
 * Fine-tuning by `train()`, from a state dict that PyTorch wrote, with frozen layers and learning rates of layers, against
 * what PyTorch computed in fp64 (fine_tuning_reference.json).
 */
import { join } from 'node:path';
import { usingFile } from '../../lib/files/tensorFile.js';
import {
  batchNorm,
  conv2d,
  globalAveragePool,
  type HeadOptions,
  type RunOptions,
  relu,
  residual,
  schedules,
  sequential,
  type TrainOptions,
  train,
} from '../../lib/index.js';
import { BACKENDS, reportMissing, whyMissing } from '../support/backends.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { type Digest, distance, exceeding, ROOT, readJson, relativeError, spread } from './reference.js';
import { twoChannels } from './trainRun.js';

interface Case {
  options: Pick<Required<RunOptions>, 'freeze' | 'layerLr' | 'seed' | 'normalize' | 'optimizer'> & {
    learningRate: number;
    head: HeadOptions;
    headLr: number;
    clipGradients?: number;
  };
  /** Of each step */
  losses: number[];
  /** Tensors that are frozen, by PyTorch's names */
  unchanged: string[];
  /** What training added to each other tensor of the network, in PyTorch's layout */
  moved: Record<string, Digest>;
}

const reference: {
  images: number;
  batchSize: number;
  epochs: number;
  cases: Record<string, Case>;
  fp32Noise: Record<'losses' | 'movedWeights' | 'movedRest', number>;
} = readJson('fine_tuning_reference.json');

const LIMITS: Record<keyof typeof reference.fp32Noise, { limit: number }> =
  readJson('tolerances.json').fineTuning;

const START = join(ROOT, 'test', 'parity', 'fine_tuning_start.safetensors');

const conv = (name: string, outChannels: number, kernelSize: number, stride: number) =>
  conv2d({ name, outChannels, kernelSize, stride, padding: (kernelSize - 1) / 2, bias: false });

const block = (at: string, channels: number, stride: number) => [
  residual({
    name: at,
    body: [
      conv(`${at}.conv1`, channels, 3, stride),
      batchNorm({ name: `${at}.bn1` }),
      relu(),
      conv(`${at}.conv2`, channels, 3, 1),
      batchNorm({ name: `${at}.bn2` }),
    ],
    ...(stride > 1 && {
      shortcut: [conv(`${at}.downsample.0`, channels, 1, stride), batchNorm({ name: `${at}.downsample.1` })],
    }),
  }),
  relu(),
];

const MODEL = sequential(
  [
    conv('conv1', 6, 3, 1),
    batchNorm({ name: 'bn1' }),
    relu(),
    ...block('layer1.0', 6, 1),
    ...block('layer2.0', 8, 2),
    ...block('layer3.0', 10, 2),
    globalAveragePool(),
  ],
  { weights: START },
);

const inFolder = temporaryFolder();

/** Values by PyTorch's names, in its layout. */
const stateDict = (path: string) =>
  usingFile(path, async (file) => {
    const tensors: Record<string, Float32Array> = {};
    for (const [name, { dtype }] of file.tensors)
      if (dtype === 'F32') tensors[name] = await file.floats(name);
    return tensors;
  });

async function fineTune(device: 'cpu' | 'cuda', options: Case['options']) {
  const { images, labels } = twoChannels();
  const { learningRate, head, ...others } = options;
  const losses: number[] = [];
  const result = await train({
    data: {
      images: { data: images.slice(0, reference.images * 16 * 16 * 2), shape: [reference.images, 16, 16, 2] },
      labels: labels.slice(0, reference.images),
      classNames: Array.from('0123456789'),
    },
    model: MODEL,
    batchSize: reference.batchSize,
    epochs: reference.epochs,
    learningRate: schedules.constant(learningRate),
    ...head,
    ...others,
    device,
    deterministic: true,
    progress: false,
    onStep: ({ loss }) => losses.push(loss),
  } as TrainOptions);
  using model = result.model;
  const path = inFolder('fine-tuned.safetensors');
  await model.exportPyTorch(path);
  return { losses, start: await stateDict(START), end: await stateDict(path), notes: result.notes };
}

type Received = Awaited<ReturnType<typeof fineTune>>;

const relativeErrors = ({ losses }: Received, expected: Case) =>
  Object.fromEntries(
    expected.losses.map((loss, step) => [`step ${step}`, relativeError([losses[step]!], [loss])]),
  );

const errorsOfMoved = ({ start, end }: Received, { moved }: Case): Record<string, number> =>
  Object.fromEntries(
    Object.entries(moved).map(([name, digest]) => {
      const way = end[name]!.map((value, index) => value - start[name]![index]!);
      return [name, distance(way, spread(way.length), digest)];
    }),
  );

/** All that is over its limit, in words. */
function stray(received: Received, expected: Case): string[] {
  const isMatrix = (name: string) => /(^|\.)(conv\d|downsample\.0)\.weight$/.test(name);
  const unlike = expected.unchanged.filter(
    (name) => relativeError(received.end[name]!, received.start[name]!) !== 0,
  );
  return [
    ...unlike.map((name) => `${name} is frozen and changed`),
    ...exceeding(relativeErrors(received, expected), LIMITS.losses.limit),
    ...exceeding(errorsOfMoved(received, expected), (name) =>
      isMatrix(name) ? LIMITS.movedWeights.limit : LIMITS.movedRest.limit,
    ),
  ];
}

test('limits are between 3 and 30 times the noise of fp32', () => {
  for (const [name, noise] of Object.entries(reference.fp32Noise)) {
    const ratio = LIMITS[name as keyof typeof LIMITS].limit / noise;
    expect([name, ratio >= 3 && ratio <= 30]).toEqual([name, true]);
  }
});

/** Options that are a little off: what they change has to be seen. */
const CHANGES: [name: string, change: Partial<Case['options']>][] = [
  ['the beginning frozen, sgd', { freeze: ['conv1', 'layer1'] }],
  ['the beginning frozen, sgd', { freeze: ['conv1', 'bn1'] }],
  ['the beginning frozen, sgd', { layerLr: { layer2: 0.25 } }],
  ['the beginning frozen, sgd', { layerLr: { layer2: 0.2501, 'layer3.0.bn2': 3 } }],
  ['the middle frozen, adam', { layerLr: { layer3: 1.5 } }],
  ['the middle frozen, adam', { freeze: ['layer2.0.conv1', 'layer2.0.conv2', 'layer2.0.downsample.0'] }],
  ['the middle frozen, clipped, sgd', { clipGradients: 2.51 }],
  ['all frozen, adamw', { headLr: 1.501 }],
];

describe.each(BACKENDS)('fine-tuning on %s', (backend) => {
  const missing = whyMissing(backend);
  if (missing !== '') {
    reportMissing(backend, missing);
    return;
  }

  test.each(Object.entries(reference.cases))(
    '%s',
    async (_, expected) => {
      const received = await fineTune(backend, expected.options);
      expect(received.losses).toHaveLength(expected.losses.length);
      expect(received.notes.filter(({ code }) => code === 'WEIGHTS_INCOMPLETE')).toEqual([]);
      expect(stray(received, expected)).toEqual([]);
    },
    60_000,
  );

  test.each(CHANGES)(
    '%s: with %j it is another run',
    async (name, change) => {
      const expected = reference.cases[name]!;
      expect(stray(await fineTune(backend, { ...expected.options, ...change }), expected)).not.toEqual([]);
    },
    60_000,
  );
});
