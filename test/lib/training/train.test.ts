import { type Dataset, type EpochRecord, type StepEvent, schedules, train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(250, 100);
});

test('arcface learns the bundled sample, and says what it did', async () => {
  const result = await train({
    data: await sample(2000, 500),
    head: 'arcface',
    s: 16,
    epochs: 3,
    device: 'cpu',
  });
  using model = result.model;
  expect(result.test!.accuracy).toBeGreaterThan(0.7);
  expect(result.history).toHaveLength(3);
  expect(result.history[2]!.loss).toBeLessThan(result.history[0]!.loss);
  expect(result.angles!.own).toHaveLength(500);
  expect(result.angles!.ownCentreMean).toBeLessThan(result.angles!.nearestOtherCentreMean);
  expect(model.head).toMatchObject({ head: 'arcface', m: 0.5, s: 16 });
  expect(result.environment).toMatchObject({ backend: 'cpu', device: 'cpu', simulated: false });
  expect(result.notes).toEqual([]);
  expect(result.environment.threads).toBeGreaterThan(0);
});

test('events count from 1, and the last batch of an epoch is smaller', async () => {
  const steps: StepEvent[] = [];
  const epochs: EpochRecord[] = [];
  const result = await train({
    data,
    model: tinyModel,
    epochs: 2,
    batchSize: 100,
    onStep: (event) => steps.push(event),
    onEpoch: (event) => epochs.push(event),
  });
  result.model.dispose();
  expect(steps.map(({ step, steps, epoch, epochs }) => [step, steps, epoch, epochs])).toEqual([
    [1, 6, 1, 2],
    [2, 6, 1, 2],
    [3, 6, 1, 2],
    [4, 6, 2, 2],
    [5, 6, 2, 2],
    [6, 6, 2, 2],
  ]);
  expect(epochs).toEqual(result.history);
  expect(epochs.map(({ epoch, steps }) => [epoch, steps])).toEqual([
    [1, 3],
    [2, 3],
  ]);
  for (const [index, record] of epochs.entries()) {
    const [a, b, c] = steps.slice(3 * index, 3 * index + 3);
    // 100, 100 and 50 of 250 images
    expect(record.loss).toBeCloseTo(0.4 * a!.loss + 0.4 * b!.loss + 0.2 * c!.loss, 6);
    expect(record.accuracy).toBeCloseTo(0.4 * a!.accuracy + 0.4 * b!.accuracy + 0.2 * c!.accuracy, 6);
    expect(record.learningRate).toBe(c!.learningRate);
    expect(record.imagesPerSecond).toBeCloseTo(250 / record.seconds, 6);
  }
});

test('the learning rate and the margin follow their schedules', async () => {
  const steps: StepEvent[] = [];
  const result = await train({
    data,
    model: tinyModel,
    head: 'arcface',
    marginWarmup: 2,
    epochs: 2,
    batchSize: 125,
    learningRate: schedules.step({ base: 0.01, gamma: 0.5, milestones: [1] }),
    onStep: (event) => steps.push(event),
  });
  result.model.dispose();
  expect(steps.map((event) => event.learningRate)).toEqual([0.01, 0.01, 0.005, 0.005]);
  expect(steps.map((event) => event.marginRamp)).toEqual([0, 0.5, 1, 1]);
});

test('a learning rate of 0 changes nothing', async () => {
  const result = await train({ data, model: tinyModel, epochs: 3, learningRate: 0 });
  result.model.dispose();
  const losses = result.history.map((record) => record.loss);
  expect(losses[1]).toBeCloseTo(losses[0]!, 5);
  expect(losses[2]).toBeCloseTo(losses[0]!, 5);
});

test('a batch larger than the data is one step per epoch', async () => {
  const result = await train({ data, model: tinyModel, epochs: 1, batchSize: 1000 });
  result.model.dispose();
  expect(result.history[0]!.steps).toBe(1);
});

test('validation on a fraction holds the same share of every class out', async () => {
  const result = await train({ data, model: tinyModel, epochs: 1, batchSize: 16, validation: 0.2 });
  result.model.dispose();
  const heldOut = perClass(data.train.labels).reduce((sum, count) => sum + Math.floor(count * 0.2), 0);
  expect(result.history[0]!.steps).toBe(Math.ceil((250 - heldOut) / 16));
  expect(result.history[0]!.validation!.accuracy).toBeGreaterThan(0);
  expect(result.options.validation).toBe(0.2);
});

test('validation on a split is what the model scores there', async () => {
  const result = await train({ data, model: tinyModel, epochs: 2, validation: data.test! });
  using model = result.model;
  expect(result.history[1]!.validation).toEqual(await model.evaluate(data.test!));
  expect(result.history[1]!.validation).toEqual(result.test);
});

test('without test samples nothing is said about them', async () => {
  const { test: _, ...untested } = data;
  const result = await train({ data: untested, model: tinyModel, epochs: 1 });
  result.model.dispose();
  expect(result).not.toHaveProperty('test');
  expect(result).not.toHaveProperty('angles');
});

test('every head option reaches a run that still learns', async () => {
  const result = await train({
    data,
    model: tinyModel,
    head: 'arcface',
    s: { learn: true, init: 10 },
    easyMargin: true,
    gradient: 'detached',
    wrap: 'linear',
    featureDropout: 0.1,
    labelSmoothing: 0.1,
    classWeights: Array(10).fill(2),
    headLr: 3,
    epochs: 6,
    batchSize: 32,
    learningRate: 0.01,
    optimizer: 'adamw',
  });
  result.model.dispose();
  expect(result.history[5]!.loss).toBeLessThan(result.history[0]!.loss);
  expect(result.options).toMatchObject({ s: { learn: true, init: 10 }, classWeights: Array(10).fill(2) });
});

test("'auto' without CUDA says why it took the CPU, and a scale below the bound is mentioned", async () => {
  const result = await train({ data, model: tinyModel, epochs: 1, head: 'arcface', s: 2 });
  result.model.dispose();
  expect(result.notes).toContainEqual({
    code: 'SCALE_TOO_SMALL',
    message: expect.stringContaining('s = 2 is below 4.44'),
  });
  if (result.environment.backend === 'cpu') {
    expect(result.notes).toContainEqual({
      code: 'CPU_TAKEN',
      message: expect.stringContaining('CUDA is not available: '),
    });
  }
});

function perClass(labels: Int32Array): number[] {
  const counts = Array<number>(10).fill(0);
  for (const label of labels) counts[label]! += 1;
  return counts;
}

test('class weights that weigh none of the images are refused', async () => {
  const { images, labels } = data.train;
  const two = { ...data, train: { images, labels: labels.map((label) => label % 2) } };
  const weighed = (first: number, other: number) =>
    train({
      ...{ data: two, model: tinyModel, epochs: 1, progress: false },
      classWeights: [first, ...Array(9).fill(other)].with(1, 0),
    });
  await expect(weighed(0, 1)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    details: { option: 'classWeights' },
  });
  const { model } = await weighed(0.5, 0);
  model.dispose();
});
