/** A recipe at another length: what falls during a run has fallen as far at the same part of it. */
import { withLength } from '../../../lib/experiments/length.js';
import { schedules, type TrainOptions } from '../../../lib/index.js';
import { type Annealing, lambdaAt } from '../../../lib/schedules/annealing.js';
import { learningRateAt, type Schedule } from '../../../lib/schedules/learningRate.js';

const IMAGES = 12_800;
const BATCH = 128;
const PER_EPOCH = IMAGES / BATCH;

const own: TrainOptions = {
  head: 'l-softmax',
  lambda: 'mnist',
  batchSize: BATCH,
  steps: 10_000,
  learningRate: schedules.step({ base: 0.1, milestones: [5000, 7500], unit: 'steps' }),
};

const rateAt = ({ learningRate }: TrainOptions, step: number, totalSteps: number) =>
  learningRateAt(learningRate as Schedule, { step, totalSteps, stepsPerEpoch: PER_EPOCH });

const lambdaOf = (options: TrainOptions) => (options as { lambda: Annealing }).lambda;

describe.each([
  ['a tenth, in steps', { steps: 1000 }, 1000],
  ['a tenth, in epochs', { epochs: 10 }, 1000],
  ['twice as long', { steps: 20_000 }, 20_000],
] as const)('%s', (_, given, steps) => {
  const other = withLength(own, given, IMAGES);

  test.each([0, 0.3, 0.49, 0.51, 0.74, 0.76, 0.99])('at %d of the run', (part) => {
    expect(rateAt(other, part * steps, steps)).toBe(rateAt(own, part * 10_000, 10_000));
    const [found, wanted] = [
      lambdaAt(lambdaOf(other), part * steps, steps),
      lambdaAt('mnist', part * 10_000, 10_000),
    ];
    expect(found / wanted).toBeCloseTo(1, 10);
  });

  test('is of that length', () => {
    expect(other).toMatchObject({ ...{ epochs: undefined, steps: undefined }, ...given });
  });
});

test('milestones in epochs keep their parts, where a run is shorter than an epoch too', () => {
  const options = {
    epochs: 100,
    batchSize: BATCH,
    learningRate: schedules.step({ base: 1, milestones: [30, 60] }),
  };
  const short = withLength(options, { steps: 10 }, IMAGES);
  expect(Array.from({ length: 10 }, (_, step) => rateAt(short, step, 10).toFixed(2)).join(' ')).toBe(
    '1.00 1.00 1.00 0.10 0.10 0.10 0.01 0.01 0.01 0.01',
  );
});

test('a warm-up in steps takes the same part, and what is a fraction follows by itself', () => {
  const warm = { ...own, learningRate: schedules.cosine({ base: 1, warmup: 500 }) };
  const short = withLength(warm, { steps: 1000 }, IMAGES);
  expect(rateAt(short, 24, 1000)).toBeCloseTo(rateAt(warm, 249, 10_000), 2);
  const oneCycle = { ...own, learningRate: schedules.oneCycle({ peak: 1 }) };
  expect(withLength(oneCycle, { steps: 1000 }, IMAGES).learningRate).toEqual(oneCycle.learningRate);
});

test('without another length nothing is changed', () => {
  expect(withLength(own, {}, IMAGES)).toBe(own);
});
