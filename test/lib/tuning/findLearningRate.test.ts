import { HEAD_NAMES } from '../../../lib/heads/resolve.js';
import {
  type Dataset,
  type FindLearningRateOptions,
  findLearningRate,
  type MarginCoreError,
  type Model,
  schedules,
  train,
} from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { sample } from '../../support/sample.js';
import { tinyModel } from '../../support/tinyModel.js';

let data: Dataset;
beforeAll(async () => {
  data = await sample(400, 20);
});

const find = (options: object) =>
  findLearningRate({
    ...{ data, model: tinyModel, batchSize: 20, device: 'cpu', threads: 1 },
    ...options,
  } as FindLearningRateOptions);

test.each(['sgd', 'adam'] as const)(
  '%s: what is suggested trains better than a hundredth of it, or a hundred times',
  async (optimizer) => {
    const { steepest, minimumTenth } = await find({ optimizer });
    const lossAt = async (rate: number): Promise<number> => {
      const given = {
        data,
        model: tinyModel,
        batchSize: 20,
        device: 'cpu',
        threads: 1,
        progress: false,
      } as const;
      const run = train({ ...given, optimizer, epochs: 3, learningRate: schedules.constant(rate) });
      const { model, history } = await run;
      model.dispose();
      return history.at(-1)!.loss;
    };
    for (const rate of [steepest!, minimumTenth!]) {
      const loss = await lossAt(rate);
      expect(loss).toBeLessThan(await lossAt(rate / 100));
      const tooHigh = await lossAt(100 * rate).catch((error: MarginCoreError) => {
        (error.details.model as Model).dispose();
        return Number.POSITIVE_INFINITY; // NON_FINITE
      });
      expect(loss).toBeLessThan(tooHigh);
    }
  },
);

test('rates, losses and their end: those of the steps that were run', async () => {
  const { rates, losses, smoothed, ended } = await find({ maxRate: 1e-3, minRate: 1e-5, steps: 30 });
  expect(ended).toBe('steps');
  expect([rates.length, losses.length, smoothed.length]).toEqual([30, 30, 30]);
  expect(rates[0]).toBe(1e-5);
  expect(rates[29]).toBeCloseTo(1e-3, 12);
  expect(smoothed[0]).toBeCloseTo(losses[0]!, 12);
});

test('a rate that is far too high ends the search as diverged, or not finite: no error', async () => {
  const { ended, rates, losses } = await find({ optimizer: 'sgd', minRate: 1e-3, maxRate: 1e12, steps: 100 });
  expect(['diverged', 'nonFinite']).toContain(ended);
  expect(rates.length).toBeLessThan(100);
  expect(losses.every(Number.isFinite)).toBe(true);
});

test('NON_FINITE at the very first step: nothing is suggested', async () => {
  const result = await find({ optimizer: 'sgd', head: 'arcface', minRate: 1e30, maxRate: 1e37, steps: 20 });
  expect(result.ended).not.toBe('steps');
  expect(result.steepest).toBeUndefined();
});

test('the same seed has the same curve', async () => {
  const options = { steps: 20, maxRate: 1e-2, deterministic: true };
  expect(await find(options)).toEqual(await find(options));
});

test.each(HEAD_NAMES)('%s', async (head) => {
  const { losses, rates, ended } = await find({
    head,
    ...(head === 'pedcc' ? { m: 0.1 } : {}),
    minRate: 1e-6,
    maxRate: 1e-2,
    steps: 25,
  });
  expect(ended).toBe('steps');
  expect(rates).toHaveLength(25);
  expect(losses.every(Number.isFinite)).toBe(true);
});

test.each<[object, string]>([
  [{ epochs: 3 }, 'epochs'],
  [{ learningRate: 0.1 }, 'learningRate'],
  [{ validation: 0.1 }, 'validation'],
  [{ logDir: 'runs' }, 'logDir'],
  [{ steps: 5 }, 'steps'],
  [{ minRate: 0 }, 'minRate'],
  [{ minRate: 1, maxRate: 0.1 }, 'maxRate'],
  [{ minrate: 1 }, 'minrate'],
])('%j is refused', async (options, option) => {
  expect(await refusal(() => find(options))).toMatchObject({ code: 'INVALID_OPTION', details: { option } });
});

test('the reason of an abort is what it rejects with', async () => {
  const reason = new Error('no more');
  await expect(find({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
