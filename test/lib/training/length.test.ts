/** How long a run is: in steps, or in epochs that need not be whole. */
import { type Dataset, type StepEvent, schedules, type TrainOptions, train } from '../../../lib/index.js';
import { meanBatch, runLength, stepsOfEpoch } from '../../../lib/training/batching.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { tinyModel } from '../../support/tinyModel.js';

const inFolder = temporaryFolder();
let data: Dataset;
beforeAll(async () => {
  data = await sample(100, 10);
});

/** Ten steps in an epoch. */
async function run(options: TrainOptions) {
  const events: StepEvent[] = [];
  const result = await train({
    ...{ data, model: tinyModel, batchSize: 10, device: 'cpu', deterministic: true, progress: false },
    ...options,
    onStep: (event) => {
      events.push(event);
    },
  });
  const { probabilities } = await result.model.predict(data.test!.images);
  result.model.dispose();
  return { ...result, events, probabilities };
}

test('steps end it in the middle of an epoch, as far as the first steps of a longer run come', async () => {
  const learningRate = schedules.constant(1e-3);
  const { events, history, options } = await run({ steps: 14, learningRate });
  expect(events.map(({ step }) => step)).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
  expect(events.at(-1)).toMatchObject({ step: 14, steps: 14, epoch: 2, epochs: 2 });
  expect(history.map(({ steps, epoch, epochs }) => [steps, epoch, epochs])).toEqual([
    [10, 1, 2],
    [4, 2, 2],
  ]);
  expect(options).toMatchObject({ steps: 14 });
  expect(options).not.toHaveProperty('epochs');
  const longer = await run({ epochs: 2, learningRate });
  expect(events.map(({ loss }) => loss)).toEqual(longer.events.slice(0, 14).map(({ loss }) => loss));
});

test('epochs need not be whole, and a run of them is that of as many steps', async () => {
  const [half, steps] = [await run({ epochs: 0.5 }), await run({ steps: 5 })];
  expect(half.events).toHaveLength(5);
  expect(half.options).toMatchObject({ epochs: 0.5 });
  expect(half.probabilities).toEqual(steps.probabilities);
  // Rules over the run end with it: the last step of a cosine is a small one.
  expect(half.events.at(-1)!.learningRate).toBeLessThan(half.events[1]!.learningRate / 4);
  expect((await run({ epochs: 1e-6 })).events).toHaveLength(1);
});

test('what is given again repeats the run', async () => {
  const first = await run({ steps: 3 });
  const { model: _, ...options } = first.options;
  expect((await run(options as TrainOptions)).probabilities).toEqual(first.probabilities);
});

test('a run of steps is resumed in its short last epoch, and when it is over', async () => {
  const checkpoint = inFolder('run');
  const whole = await run({ steps: 14 });
  const controller = new AbortController();
  const part = train({
    ...{ data, model: tinyModel, batchSize: 10, device: 'cpu', deterministic: true, progress: false },
    ...{ steps: 14, checkpoint, signal: controller.signal, checkpointEvery: { steps: 1 } },
    onStep: ({ step }) => {
      if (step === 12) controller.abort(new Error('enough'));
    },
  });
  await expect(part).rejects.toThrow('enough');
  const rest = await run({ steps: 14, checkpoint, resume: true });
  expect(rest.events[0]!.step).toBeGreaterThan(11);
  expect(rest.probabilities).toEqual(whole.probabilities);
  expect(rest.history.map(({ steps }) => steps)).toEqual([10, 4]);
  const again = await run({ steps: 14, checkpoint, resume: true });
  expect(again.events).toEqual([]);
  expect(again.probabilities).toEqual(whole.probabilities);
  for (const [options, option] of [
    [{ steps: 13 }, 'steps'],
    [{ epochs: 1 }, 'epochs'],
    [{ steps: 20 }, 'steps'],
  ] as const) {
    const error = await refusal(() => run({ ...options, checkpoint, resume: true }));
    expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH', message: expect.stringContaining(option) });
  }
});

test('a constant rate goes on where a short last epoch ended a run', async () => {
  const checkpoint = inFolder('run');
  const learningRate = schedules.constant(1e-3);
  await run({ steps: 10, learningRate, checkpoint });
  const rest = await run({ steps: 14, learningRate, checkpoint, resume: true });
  expect(rest.probabilities).toEqual((await run({ steps: 14, learningRate })).probabilities);
});

test('a run that ended within an epoch goes on there, with a constant rate', async () => {
  const checkpoint = inFolder('run');
  const learningRate = schedules.constant(1e-3);
  const kept = { learningRate, checkpoint, validation: 0.2, keepBest: true, monitor: 'loss' } as const;
  await run({ ...kept, steps: 5 });
  // Eight steps in an epoch.
  await run({ ...kept, steps: 11, resume: true });
  const rest = await run({ ...kept, steps: 19, resume: true });
  const whole = await run({ ...kept, checkpoint: inFolder('whole'), steps: 19 });
  expect(rest.events.map(({ step }) => step)).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
  expect(rest.history.map(({ steps, loss }) => [steps, loss])).toEqual(
    whole.history.map(({ steps, loss }) => [steps, loss]),
  );
  expect(rest.bestEpoch).toBe(whole.bestEpoch);
  expect(rest.probabilities).toEqual(whole.probabilities);
});

test('in file order every epoch has the samples as the data has them; shuffled each has its own', async () => {
  // With one image per step and no learning the loss tells which image it was.
  const still = { batchSize: 1, epochs: 2, learningRate: schedules.constant(0), optimizer: 'sgd' } as const;
  const losses = async (options: TrainOptions) =>
    (await run({ ...still, ...options })).events.map(({ loss }) => loss);
  const ordered = await losses({ shuffle: false });
  expect(ordered.slice(0, 100)).toEqual(ordered.slice(100));
  const shuffled = await losses({});
  expect(shuffled.slice(0, 100)).not.toEqual(shuffled.slice(100));
  expect(shuffled.slice(0, 100).toSorted()).toEqual(ordered.slice(0, 100).toSorted());
  const [H, W, C] = [28, 28, 1];
  const backwards = Uint8Array.from({ length: 100 * H * W * C }, (_, at) => {
    const image = 99 - Math.floor(at / (H * W * C));
    return data.train.images.data[image * H * W * C + (at % (H * W * C))]!;
  });
  const images = { data: backwards, shape: [100, H, W, C] as [number, number, number, number] };
  const labels = data.train.labels.toReversed();
  const reversed = await losses({ shuffle: false, data: { ...data, train: { images, labels } } });
  expect(reversed.slice(0, 100)).toEqual(ordered.slice(0, 100).toReversed());
});

test('a last batch of fewer images is left out', async () => {
  const { events, history } = await run({ batchSize: 30, epochs: 2, dropLast: true });
  expect(events).toHaveLength(6);
  expect(history.map(({ steps }) => steps)).toEqual([3, 3]);
  const whole = await run({ batchSize: 30, epochs: 2 });
  expect(whole.events).toHaveLength(8);
  const first = ({ loss }: StepEvent) => loss;
  // The steps of the first epoch see the same images; the rates differ with the length.
  const learningRate = schedules.constant(1e-3);
  const [dropped, kept] = [
    await run({ batchSize: 30, epochs: 1, dropLast: true, learningRate }),
    await run({ batchSize: 30, epochs: 1, learningRate }),
  ];
  expect(dropped.events.map(first)).toEqual(kept.events.slice(0, 3).map(first));
  expect(dropped.events.map(({ accuracy }) => accuracy * 30)).toEqual(
    dropped.events.map(({ accuracy }) => Math.round(accuracy * 30)),
  );
});

test('the order is part of what a run is', async () => {
  const learningRate = schedules.constant(1e-3);
  for (const [name, options] of [
    ['shuffle', { shuffle: false }],
    ['dropLast', { dropLast: true }],
  ] as const) {
    const checkpoint = inFolder(name);
    await run({ epochs: 1, learningRate, checkpoint });
    const error = await refusal(() => run({ epochs: 2, learningRate, checkpoint, resume: true, ...options }));
    expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH', message: expect.stringContaining(name) });
  }
});

test('lengths', () => {
  const batching = { samples: 95, batchSize: 10, joinsTail: false, dropsTail: false };
  expect(runLength(batching, 2)).toEqual({ steps: 20, stepsPerEpoch: 10, epochs: 2 });
  expect(runLength(batching, 1.26)).toEqual({ steps: 13, stepsPerEpoch: 10, epochs: 2 });
  expect(runLength(batching, 10, 7)).toEqual({ steps: 7, stepsPerEpoch: 10, epochs: 1 });
  const length = runLength(batching, 10, 27);
  expect([0, 1, 2].map((epoch) => stepsOfEpoch(length, epoch))).toEqual([10, 10, 7]);
  expect([meanBatch(batching), meanBatch({ ...batching, dropsTail: true })]).toEqual([9.5, 10]);
});
