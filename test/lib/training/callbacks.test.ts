import { type Dataset, MarginCoreError, type TrainOptions, train } from '../../../lib/index.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;

beforeAll(async () => {
  data = await sample(300, 50);
});

const run = (options: TrainOptions) =>
  train({ data, model: tinyModel, epochs: 4, batchSize: 16, device: 'cpu', ...options });

test.each(['onStep', 'onEpoch'] as const)('what %s throws is what train() rejects with', async (callback) => {
  const error = { not: 'even an Error' };
  const called = jest.fn(() => {
    throw error;
  });
  await expect(run({ [callback]: called })).rejects.toBe(error);
  expect(called).toHaveBeenCalledTimes(1);
});

test.each(['onStep', 'onEpoch'] as const)('so is the rejection of an async %s', async (callback) => {
  const error = new MarginCoreError('NON_FINITE', 'of the caller');
  const called = jest.fn(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw error;
  });
  await expect(run({ [callback]: called })).rejects.toBe(error);
  expect(called).toHaveBeenCalledTimes(1);
});

test('what a schedule throws is what train() rejects with', async () => {
  const error = new Error('no rate');
  const learningRate = () => {
    throw error;
  };
  await expect(run({ learningRate })).rejects.toBe(error);
});

test('async callbacks are awaited, one after another', async () => {
  const log: string[] = [];
  const slowly = async (text: string) => {
    log.push(`${text} begins`);
    await new Promise((resolve) => setTimeout(resolve, 3));
    log.push(`${text} ends`);
  };
  const { model } = await run({
    epochs: 1,
    batchSize: 100,
    onStep: ({ step }) => slowly(`step ${step}`),
    onEpoch: ({ epoch }) => slowly(`epoch ${epoch}`),
  });
  model.dispose();
  const names = ['step 1', 'step 2', 'step 3', 'epoch 1'];
  expect(log).toEqual(names.flatMap((name) => [`${name} begins`, `${name} ends`]));
});

test('stop() in onEpoch ends training with that epoch', async () => {
  const result = await run({ onEpoch: ({ epoch }, controls) => epoch === 2 && controls.stop() });
  using model = result.model;
  expect(result.history.map((record) => record.epoch)).toEqual([1, 2]);
  expect(result.test).toEqual(await model.evaluate(data.test!));
});

test('stop() in onStep ends the epoch early, and its record says how many steps it had', async () => {
  const steps: number[] = [];
  const onEpoch = jest.fn();
  const { model, history } = await run({
    epochs: 1000,
    onStep: ({ step }, controls) => {
      steps.push(step);
      if (step === 30) controls.stop();
    },
    onEpoch,
  });
  model.dispose();
  const perEpoch = Math.ceil(300 / 16);
  expect(history.reduce((sum, record) => sum + record.steps, 0)).toBe(steps.length);
  expect(history).toHaveLength(Math.ceil(steps.length / perEpoch));
  expect(history.every((record) => Number.isFinite(record.loss))).toBe(true);
  expect(onEpoch).toHaveBeenCalledTimes(history.length);
});

test('a callback may train another model meanwhile', async () => {
  const { model } = await run({
    epochs: 1,
    onEpoch: async () => (await run({ epochs: 1, head: 'arcface' })).model.dispose(),
  });
  model.dispose();
});
