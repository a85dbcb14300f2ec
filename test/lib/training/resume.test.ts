/** Runs that were broken off, and go on: to the very numbers that they would have come to. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import {
  type Dataset,
  Model,
  schedules,
  type TrainOptions,
  type TrainResult,
  train,
} from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();

let data: Dataset;

beforeAll(async () => {
  data = await sample(300, 100);
});

const OPTIONS = {
  model: tinyModel,
  epochs: 3,
  batchSize: 32,
  featureDropout: 0.2,
  device: 'cpu',
  deterministic: true,
  validation: 0.1,
} satisfies TrainOptions;

/** All that a run computes but for its time. */
interface Outcome {
  readonly steps: readonly number[][];
  readonly history: unknown;
  readonly test: unknown;
  readonly firstLoss: unknown;
  readonly predictions: unknown;
}

async function outcomeOf(options: TrainOptions): Promise<Outcome> {
  const steps: number[][] = [];
  const result = await train({
    data,
    ...OPTIONS,
    ...options,
    onStep: (event, controls) => {
      steps.push([event.step, event.loss, event.gradientNorm, event.learningRate, event.lambda]);
      return options.onStep?.(event, controls);
    },
  });
  using model = result.model;
  return {
    steps,
    history: withoutTime(result),
    test: result.test,
    firstLoss: result.firstLoss,
    predictions: await model.predict(data.test!.images),
  };
}

const withoutTime = ({ history }: Pick<TrainResult, 'history'>) =>
  history.map(({ seconds, imagesPerSecond, ...record }) => record);

/** Ends as Ctrl-C would end it, before the second epoch does: on a fast machine step 15 is run with it, as steps come in groups. */
const AFTER = 14;

async function interrupted(options: TrainOptions): Promise<void> {
  const controller = new AbortController();
  const run = outcomeOf({
    checkpointEvery: { steps: 5 }, // so that no more are run at once
    ...options,
    signal: controller.signal,
    onStep: ({ step }) => {
      if (step === AFTER) controller.abort(new Error('interrupted'));
    },
  });
  await expect(run).rejects.toThrow('interrupted');
}

const CASES: [string, TrainOptions][] = [
  ['softmax, Adam', {}],
  ['arcface, AdamW, a warm-up of the margin', { head: 'arcface', optimizer: 'adamw', marginWarmup: 0.5 }],
  ['l-softmax with its λ, SGD', { head: 'l-softmax', optimizer: 'sgd' }],
  ['scaled-bn with its running statistics', { head: 'scaled-bn' }],
  ['center with its centres', { head: 'center' }],
  ['pedcc with its centroids', { head: 'pedcc' }],
  ['a frozen layer, another rate for the other', { freeze: 'conv1', layerLr: { embedding: 0.5 } }],
  ['as many of each class', { sampler: { type: 'classBalanced', draws: 290 } }],
  ['batches of eight classes', { sampler: { type: 'perClass', classes: 8, images: 4 } }],
  [
    'images that are changed',
    { augment: { crop: 2, flip: 'alternating', rotate: 10, brightness: 0.3, erase: 0.3 } },
  ],
  ['all frozen but the head, SGD', { freeze: 'all', optimizer: 'sgd' }],
  [
    'one cycle with its momentum',
    { learningRate: schedules.oneCycle({ peak: 3e-3, momentum: { base: 0.7, max: 0.95 } }) },
  ],
  ['gradients that are clipped', { clipGradients: 0.5, optimizer: 'sgd' }],
  ['a moving average of the weights', { ema: 0.9, head: 'scaled-bn' }],
  [
    'a learned scale, SGD with Nesterov',
    { head: 'normface', s: { learn: true, init: 16 }, optimizer: { type: 'sgd', nesterov: true } },
  ],
];

test.each(CASES)('%s: goes on bit by bit, from the middle of an epoch', async (_, options) => {
  const whole = await outcomeOf(options);
  const checkpoint = inFolder('run');
  await interrupted({ ...options, checkpoint });
  const rest = await outcomeOf({ ...options, checkpoint, resume: true });
  expect([AFTER + 1, AFTER + 2]).toContain(rest.steps[0]![0]);
  expect({ ...rest, steps: undefined }).toEqual({ ...whole, steps: undefined });
  expect(rest.steps).toEqual(whole.steps.slice(-rest.steps.length));
});

test('from the end of an epoch, and from every step at which a checkpoint was due', async () => {
  const whole = await outcomeOf({});
  const checkpoint = inFolder('run');
  await outcomeOf({ checkpoint, checkpointEvery: { steps: 4 }, keepCheckpoints: 100 });
  const names = readdirSync(checkpoint).filter((name) => name.startsWith('checkpoint-'));
  const steps = names.map((name) => Number(/step-(\d+)/.exec(name)![1])).sort((a, b) => a - b);
  expect(steps).toEqual([4, 8, 12, 16, 20, 24, 27]);
  for (const name of names) {
    const single = inFolder(`from ${name}`);
    mkdirSync(single);
    await copyFile(`${checkpoint}/${name}`, `${single}/${name}`);
    const rest = await outcomeOf({ checkpoint: single, resume: true });
    expect([name, { ...rest, steps: undefined }]).toEqual([name, { ...whole, steps: undefined }]);
  }
});

test('a run that is complete is not trained again', async () => {
  const checkpoint = inFolder('run');
  const whole = await outcomeOf({ checkpoint });
  const again = await outcomeOf({ checkpoint, resume: true });
  expect(again).toEqual({ ...whole, steps: [] });
});

test('what the sampler is by default may be said', async () => {
  const checkpoint = inFolder('run');
  await interrupted({ checkpoint });
  const rest = await outcomeOf({ checkpoint, resume: true, sampler: 'shuffled' });
  expect(rest.predictions).toEqual((await outcomeOf({})).predictions);
});

test('where nothing is there yet, resume begins', async () => {
  expect(await outcomeOf({ checkpoint: inFolder('run'), resume: true })).toEqual(await outcomeOf({}));
});

test('what onEpoch stops goes on with the next epoch, and what onStep stops within it', async () => {
  const whole = await outcomeOf({});
  const checkpoint = inFolder('run');
  await outcomeOf({
    checkpoint,
    checkpointEvery: { steps: 5 },
    onStep: ({ step }, { stop }) => (step === 4 ? stop() : undefined),
  });
  const rest = await outcomeOf({ checkpoint, resume: true });
  expect(rest.history).toEqual(whole.history);
  expect(rest.predictions).toEqual(whole.predictions);
});

test('the notes say from where', async () => {
  const checkpoint = inFolder('run');
  await interrupted({ checkpoint });
  const { notes, model } = await train({
    data,
    ...OPTIONS,
    checkpoint,
    resume: true,
    onStep: (_, { stop }) => stop(),
  });
  model.dispose();
  const resumed = notes.filter(({ code }) => code === 'RESUMED');
  expect(resumed).toHaveLength(1);
  expect(resumed[0]!.message).toMatch(
    /Resumed from .*checkpoint-\d{4}-step-\d+\.safetensors: \d+ steps \(1 epochs? and \d+ steps\) are done/,
  );
  const again = await train({ data, ...OPTIONS, checkpoint, resume: true });
  again.model.dispose();
  expect(again.notes.filter(({ code }) => code === 'RESUMED')).not.toEqual(resumed);
});

test('only the last checkpoints stay', async () => {
  const checkpoint = inFolder('run');
  await outcomeOf({ checkpoint, checkpointEvery: { steps: 2 }, keepCheckpoints: 2 });
  expect(readdirSync(checkpoint).filter((name) => name.startsWith('checkpoint-'))).toHaveLength(2);
});

test('more epochs go on where the rate does not depend on their number', async () => {
  const constant: TrainOptions = { learningRate: schedules.constant(1e-3) };
  const whole = await outcomeOf(constant);
  const checkpoint = inFolder('run');
  await outcomeOf({ ...constant, checkpoint, epochs: 2 });
  const rest = await outcomeOf({ ...constant, checkpoint, resume: true });
  expect(rest.predictions).toEqual(whole.predictions);
});

describe('refused', () => {
  const WRONG: [string, TrainOptions, RegExp][] = [
    ['another rate', { learningRate: 0.01 }, /learningRate: .* there, .* now.* would have been others/],
    ['more epochs under a cosine', { epochs: 5 }, /epochs: 3 there, 5 now.*would have been others/],
    ['another batch size', { batchSize: 16 }, /batchSize: 32 there, 16 now/],
    ['another head', { head: 'arcface' }, /head: "softmax" there, "arcface" now/],
    ['another seed', { seed: 1 }, /seed: 0 there, 1 now/],
    [
      'another optimizer',
      { optimizer: 'sgd', learningRate: 1e-3 },
      /optimizer: \{"type":"adam".* there, \{"type":"sgd".* now/,
    ],
    [
      'another network',
      { model: { ...tinyModel, layers: [...tinyModel.layers, { type: 'relu' }] } as never },
      /model: .* there/,
    ],
    ['a layer that is frozen now', { freeze: 'conv1' }, /freeze: none there, \["conv1"\] now/],
    ['gradients that are clipped now', { clipGradients: 1 }, /clipGradients: none there, 1 now/],
    ['a moving average now', { ema: 0.9 }, /ema: none there, 0.9 now/],
    ['other changes of images', { augment: 'cifar' }, /augment: none there, \{"crop":4,"flip":true\} now/],
    ['another rate of a layer', { layerLr: { conv1: 0.5 } }, /layerLr: none there, \{"conv1":0.5\} now/],
    ['another sampler', { sampler: 'classBalanced' }, /sampler: none there, \{"type":"classBalanced"\} now/],
    ['more validation', { validation: 0.2 }, /number of training images: \d+ there, \d+ now/],
  ];

  let folder: string;
  beforeEach(async () => {
    folder = inFolder('run');
    await interrupted({ checkpoint: folder });
  });

  test.each(WRONG)('%s', async (_, options, message) => {
    const error = await refusal(() =>
      train({ data, ...OPTIONS, ...options, checkpoint: folder, resume: true }),
    );
    expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH', message: expect.stringMatching(message) });
  });

  test('other momentum beside the same rates', async () => {
    const cycle = (momentum?: { base: number }) => ({
      learningRate: schedules.oneCycle({ peak: 3e-3, ...(momentum && { momentum }) }),
    });
    for (const [before, now] of [
      [cycle({ base: 0.8 }), cycle({ base: 0.7 })],
      [cycle(), cycle({ base: 0.8 })],
      [cycle({ base: 0.8 }), cycle()],
    ] as const) {
      const checkpoint = inFolder('cycle');
      await interrupted({ ...before, checkpoint });
      const error = await refusal(() => train({ data, ...OPTIONS, ...now, checkpoint, resume: true }));
      expect(error).toMatchObject({
        code: 'CHECKPOINT_MISMATCH',
        message: expect.stringMatching(/learningRate: .* there, .* now/),
      });
      rmSync(checkpoint, { recursive: true });
    }
  });

  test('other images, and the same in another order', async () => {
    const images = { ...data.train.images, data: data.train.images.data.slice() };
    images.data[5] = images.data[5]! ^ 1;
    const other = { ...data, train: { ...data.train, images } };
    const error = await refusal(() => train({ ...OPTIONS, data: other, checkpoint: folder, resume: true }));
    expect(error).toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      details: { option: 'SHA-256 of the training images' },
    });
  });

  test('another number of classes, but for the network alone', async () => {
    const more = { ...data, classNames: [...data.classNames, 'eleventh'], numClasses: 11 };
    const options = { ...OPTIONS, data: more, checkpoint: folder, resume: true } satisfies TrainOptions;
    const error = await refusal(() => train(options));
    expect(error).toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringMatching(/number of classes: 10 there, 11 now.*resetHead/),
    });
    const { model, notes, history } = await train({ ...options, resetHead: true, epochs: 1 });
    using reset = model;
    expect(reset.classNames).toHaveLength(11);
    expect(history).toHaveLength(1);
    expect(notes.find(({ code }) => code === 'RESUMED')!.message).toContain('the head is new');
    // What it left goes on as itself.
    const again = await train({ ...options, resetHead: true, epochs: 1 });
    again.model.dispose();
    expect(again.notes.find(({ code }) => code === 'RESUMED')!.message).toContain('Resumed from');
  });

  test('a new run beside an old one', async () => {
    const error = await refusal(() => train({ data, ...OPTIONS, checkpoint: folder }));
    expect(error).toMatchObject({
      code: 'CHECKPOINT_EXISTS',
      message: expect.stringContaining('resume: true'),
    });
  });

  test.each([
    [
      'a bit of it differs',
      (bytes: Buffer) => bytes.fill(bytes.at(-100)! ^ 4, bytes.length - 100, bytes.length - 99),
    ],
    ['its end is missing', (bytes: Buffer) => bytes.subarray(0, -50)],
    [
      'its description was edited',
      (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('softmax', 'softmaX'), 'latin1'),
    ],
    ['it is empty', () => Buffer.alloc(0)],
  ])('a checkpoint of which %s', async (_, damage) => {
    const name = readdirSync(folder)
      .filter((each) => each.startsWith('checkpoint-'))
      .sort()
      .at(-1)!;
    await writeFile(`${folder}/${name}`, damage(await readFile(`${folder}/${name}`)));
    const error = await refusal(() => train({ data, ...OPTIONS, checkpoint: folder, resume: true }));
    expect(error).toMatchObject({ code: 'FILE_CORRUPT', message: expect.stringContaining(name) });
  });
});

test('two runs cannot have the same folder', async () => {
  const checkpoint = inFolder('run');
  let error: unknown;
  await outcomeOf({
    checkpoint,
    epochs: 1,
    onStep: async ({ step }) => {
      if (step === 1) error = await refusal(() => train({ data, ...OPTIONS, checkpoint, resume: true }));
    },
  });
  expect(error).toMatchObject({
    code: 'FOLDER_IN_USE',
    message: expect.stringContaining(`process ${process.pid}`),
  });
  await outcomeOf({ checkpoint, resume: true, epochs: 1 }); // it is free again
});

test('a checkpoint is a model', async () => {
  const checkpoint = inFolder('run');
  const { model } = await train({ data, ...OPTIONS, checkpoint });
  using trained = model;
  const name = readdirSync(checkpoint)
    .filter((each) => each.startsWith('checkpoint-'))
    .sort()
    .at(-1)!;
  using loaded = await Model.load(`${checkpoint}/${name}`, { device: 'cpu' });
  expect(await loaded.predict(data.test!.images)).toEqual(await trained.predict(data.test!.images));
});

test('fewer epochs than were begun are refused', async () => {
  const checkpoint = inFolder('run');
  const constant: TrainOptions = { learningRate: schedules.constant(1e-3), checkpoint };
  await interrupted(constant);
  const error = await refusal(() => outcomeOf({ ...constant, epochs: 1, resume: true }));
  expect(error).toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
    message: expect.stringMatching(/in epoch 2 already, and epochs is 1/),
  });
});

describe('a schedule that is a function', () => {
  const falling = ({ step }: { step: number }) => 1e-3 / (1 + step);

  test('goes on', async () => {
    const whole = await outcomeOf({ learningRate: falling });
    const checkpoint = inFolder('run');
    await interrupted({ learningRate: falling, checkpoint });
    const rest = await outcomeOf({ learningRate: falling, checkpoint, resume: true });
    expect(rest.predictions).toEqual(whole.predictions);
  });

  test.each([() => 0.5, schedules.constant(1e-3)])('is not another one', async (learningRate) => {
    const checkpoint = inFolder('run');
    await interrupted({ learningRate: falling, checkpoint });
    const error = await refusal(() => outcomeOf({ learningRate, checkpoint, resume: true }));
    expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH', details: { option: 'learningRate' } });
  });
});

test('what a callback throws loses no step', async () => {
  const whole = await outcomeOf({});
  const checkpoint = inFolder('run');
  const broken = outcomeOf({
    checkpoint,
    checkpointEvery: { steps: 5 },
    onStep: ({ step }) => {
      if (step === 12) throw new Error('mine');
    },
  });
  await expect(broken).rejects.toThrow('mine');
  const rest = await outcomeOf({ checkpoint, resume: true });
  // How many steps are done when the twelfth is told of is a matter of time.
  expect(rest.steps[0]![0]).toBeGreaterThan(12);
  expect(rest.predictions).toEqual(whole.predictions);
});

test('a checkpoint that cannot be written costs the run nothing', async () => {
  const { model, notes, bestEpoch } = await train({
    ...{ data, ...OPTIONS, checkpoint: inFolder('run'), keepBest: true, epochs: 1 },
    onEpoch: () => rmSync(inFolder('run'), { recursive: true }),
  });
  using trained = model;
  expect((await trained.predict(data.test!.images)).labels).toHaveLength(100);
  expect(notes.find(({ code }) => code === 'CHECKPOINT_FAILED')!.message).toContain('cannot be written');
  expect(bestEpoch).toBeUndefined();
});

test('other files of the folder are left alone', async () => {
  writeFileSync(inFolder('download.part'), 'mine');
  await outcomeOf({ checkpoint: inFolder(), epochs: 1 });
  expect(readdirSync(inFolder())).toContain('download.part');
});

test('the folder stays the same wherever the process goes', async () => {
  const before = process.cwd();
  mkdirSync(inFolder('elsewhere'));
  process.chdir(inFolder());
  try {
    await outcomeOf({
      checkpoint: 'run',
      keepBest: true,
      onEpoch: () => process.chdir(inFolder('elsewhere')),
    } as TrainOptions);
  } finally {
    process.chdir(before);
  }
  expect(readdirSync(inFolder('run'))).toContain('best.safetensors');
  expect(readdirSync(inFolder('elsewhere'))).toEqual([]);
});

test('validation images that are others are another run', async () => {
  const checkpoint = inFolder('run');
  const validation = { images: data.test!.images, labels: data.test!.labels };
  await interrupted({ checkpoint, validation });
  const labels = validation.labels.slice().reverse();
  const images = { ...validation.images, data: validation.images.data.slice().reverse() };
  const other = { checkpoint, resume: true, validation: { images, labels } };
  expect(await refusal(() => outcomeOf(other))).toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
  const relabelled = { ...other, validation: { images: validation.images, labels } };
  expect(await refusal(() => outcomeOf(relabelled))).toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
  await outcomeOf({ checkpoint, resume: true, validation });
});

describe('the best epoch', () => {
  test('is none of those whose model is nowhere', async () => {
    const checkpoint = inFolder('run');
    const options = { data, ...OPTIONS, checkpoint, learningRate: schedules.constant(1e-3) };
    // The first part keeps no best; stopped in the third epoch, before its end.
    const part = await train({
      ...{ ...options, checkpointEvery: { steps: 5 } },
      onStep: ({ step }, { stop }) => (step === 20 ? stop() : undefined),
    });
    part.model.dispose();
    const { model, bestEpoch } = await train({ ...options, resume: true, keepBest: true });
    model.dispose();
    expect(bestEpoch).toBe(3);
  });

  test('of a run that is stopped in its first epoch is that', async () => {
    const { model, bestEpoch } = await train({
      ...{ data, ...OPTIONS, keepBest: true, checkpoint: inFolder('run'), checkpointEvery: { steps: 5 } },
      onStep: (_, { stop }) => stop(),
    });
    model.dispose();
    expect(bestEpoch).toBe(1);
  });

  // Half of the training makes it worse.
  const UP_AND_DOWN: TrainOptions = {
    epochs: 4,
    learningRate: schedules.step({ base: 3e-3, gamma: 100, milestones: [2] }),
  };

  test.each([undefined, 'run'])('is the one whose model is returned, kept in %p', async (folder) => {
    const kept = folder === undefined ? {} : { checkpoint: inFolder(folder) };
    const { model, history, bestEpoch } = await train({
      data,
      ...OPTIONS,
      ...UP_AND_DOWN,
      ...kept,
      keepBest: true,
    });
    using best = model;
    const accuracies = history.map(({ validation }) => validation!.accuracy);
    const first = accuracies.indexOf(Math.max(...accuracies));
    expect(first).toBeLessThan(3);
    expect(bestEpoch).toBe(first + 1);
    let then: unknown;
    const again = await train({
      data,
      ...OPTIONS,
      ...UP_AND_DOWN,
      onEpoch: async ({ epoch }, { model }) => {
        if (epoch === bestEpoch) then = await model.predict(data.test!.images);
      },
    });
    again.model.dispose();
    expect(await best.predict(data.test!.images)).toEqual(then);
  });

  test('is waited for no longer than patience allows', async () => {
    const { model, history } = await train({ data, ...OPTIONS, ...UP_AND_DOWN, epochs: 30, patience: 2 });
    model.dispose();
    const accuracies = history.map(({ validation }) => validation!.accuracy);
    expect(history.length - 1 - accuracies.indexOf(Math.max(...accuracies))).toBe(2);
  });
});

test.each<[TrainOptions, string]>([
  [{ resume: true }, 'resume'],
  [{ resetHead: true }, 'resetHead'],
  [{ keepBest: true, validation: undefined as never }, 'keepBest'],
  [{ patience: 3, validation: undefined as never }, 'patience'],
  [{ checkpoint: '' }, 'checkpoint'],
  [{ checkpoint: 'x', checkpointEvery: {} }, 'checkpointEvery'],
  [{ checkpoint: 'x', checkpointEvery: { steps: 0 } }, 'checkpointEvery.steps'],
  [{ checkpoint: 'x', checkpointEvery: { hours: 1 } as never }, 'checkpointEvery.hours'],
])('%p is refused', async (options, option) => {
  expect(await refusal(() => train({ data, ...OPTIONS, ...options }))).toMatchObject({
    code: 'INVALID_OPTION',
    details: { option },
  });
});
