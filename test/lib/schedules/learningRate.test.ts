import { fractionOver } from '../../../lib/schedules/duration.js';
import {
  checkSchedule,
  defaultSchedule,
  learningRateAt,
  type Schedule,
  schedules,
} from '../../../lib/schedules/learningRate.js';
import { momentumAt } from '../../../lib/schedules/momentum.js';
import { refusal } from '../../support/refusal.js';

const STEPS = 100;

/** Ten epochs of ten steps. */
const at = (schedule: Schedule, step: number) =>
  learningRateAt(schedule, { step, totalSteps: STEPS, stepsPerEpoch: 10 });

test('constant', () => {
  expect([0, 99].map((step) => at(schedules.constant(0.1), step))).toEqual([0.1, 0.1]);
});

test('step: milestones are epochs, whole or not', () => {
  const schedule = schedules.step({ base: 1, gamma: 0.5, milestones: [2, 3.5] });
  expect([19, 20, 34, 35, 99].map((step) => at(schedule, step))).toEqual([1, 0.5, 0.5, 0.25, 0.25]);
});

test('cosine falls from base to min', () => {
  const schedule = schedules.cosine({ base: 1, min: 0.2 });
  expect(at(schedule, 0)).toBe(1);
  expect(at(schedule, 50)).toBeCloseTo(0.6, 12);
  expect(at(schedule, 99)).toBeCloseTo(0.2 + (0.8 * (1 + Math.cos(0.99 * Math.PI))) / 2, 12);
});

test.each([0.04, 4])('a warm-up of %d rises linearly and never starts at 0', (length) => {
  const schedule = schedules.warmup(schedules.constant(8), length);
  expect([0, 1, 2, 3, 4].map((step) => at(schedule, step))).toEqual([2, 4, 6, 8, 8]);
});

test("cosine's warmup is the same as a warm-up around it", () => {
  expect(schedules.cosine({ base: 1, warmup: 5 })).toEqual(
    schedules.warmup(schedules.cosine({ base: 1 }), 5),
  );
});

test('the default warms up over the first 1 % and falls to 0', () => {
  const last = { step: 999, totalSteps: 1000, stepsPerEpoch: 100 };
  expect(learningRateAt(defaultSchedule(1), { ...last, step: 0 })).toBeCloseTo(0.1, 12);
  expect(learningRateAt(defaultSchedule(1), { ...last, step: 10 })).toBeGreaterThan(0.999);
  expect(learningRateAt(defaultSchedule(1), last)).toBeLessThan(1e-5);
});

test('a function is told where the run stands', () => {
  const progress = jest.fn(() => 0.5);
  expect(at(progress, 37)).toBe(0.5);
  expect(progress).toHaveBeenCalledWith({ step: 37, steps: 100, epoch: 3, epochs: 10 });
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, undefined])(
  'a function that gives %p is refused',
  async (value) => {
    const error = await refusal(() => at(() => value as number, 4));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(`learningRate gave ${value} at step 5`);
  },
);

test('descriptions survive JSON', () => {
  const schedule = schedules.warmup(schedules.step({ base: 1, milestones: [3] }), 0.1);
  expect(checkSchedule(JSON.parse(JSON.stringify(schedule)), 'learningRate')).toEqual(schedule);
});

test.each<[unknown, string]>([
  [{ type: 'cosin', base: 1 }, "Did you mean 'cosine'?"],
  [{ type: 'cosine', base: 1, min: 0, period: 3 }, 'for learningRate.period'],
  [{ type: 'cosine', base: -1, min: 0 }, 'for learningRate.base'],
  [{ type: 'step', base: 1, gamma: 0.1, milestones: 3 }, 'an array of numbers for learningRate.milestones'],
  [{ type: 'warmup', length: 2, schedule: 3 }, 'for learningRate.schedule'],
  [{ type: 'oneCycle', peak: 1, momentum: 0.9 }, '{ base, max } for learningRate.momentum but received 0.9'],
  [{ type: 'oneCycle', peak: 1, momentum: { max: 1 } }, 'a number in [0, 1) for learningRate.momentum.max'],
  [
    { type: 'oneCycle', peak: 1, momentum: { base: -1 } },
    'a number in [0, 1) for learningRate.momentum.base',
  ],
  [
    { type: 'oneCycle', peak: 1, momentum: { base: 0.96 } },
    'a number of at most max (0.95) for learningRate.momentum.base but received 0.96',
  ],
  [{ type: 'oneCycle', peak: 1, momentum: { min: 0.8 } }, 'for learningRate.momentum.min'],
  [{ type: 'cosine', base: 1, momentum: {} }, 'no value (there is no such option) for learningRate.momentum'],
])('%j is refused', async (schedule, message) => {
  expect((await refusal(() => checkSchedule(schedule, 'learningRate'))).message).toContain(message);
});

describe('momentum', () => {
  const momenta = (schedule: Schedule, steps: readonly number[]) =>
    steps.map((step) => momentumAt(schedule, { step, totalSteps: STEPS }));

  test("is the optimizer's, but of one cycle that is asked to move it", () => {
    const still = [0.1, () => 0.1].map((rate) =>
      typeof rate === 'number' ? schedules.constant(rate) : rate,
    );
    for (const schedule of [...still, schedules.oneCycle({ peak: 1 })]) {
      expect(momenta(schedule, [0, 50])).toEqual([undefined, undefined]);
    }
    expect(schedules.oneCycle({ peak: 1 })).not.toHaveProperty('momentum');
  });

  test("falls as the rate rises, and rises as it falls; PyTorch's values by default", () => {
    const schedule = schedules.oneCycle({ peak: 1, rise: 0.5, anneal: 'linear', momentum: {} });
    expect(schedule).toMatchObject({ momentum: { base: 0.85, max: 0.95 } });
    const found = momenta(schedule, [0, 49, 99]);
    for (const [index, expected] of [0.95, 0.85, 0.95].entries())
      expect(found[index]).toBeCloseTo(expected, 12);
  });

  test('a warm-up leaves it as it is', () => {
    const schedule = schedules.oneCycle({ peak: 1, momentum: { base: 0.5 } });
    const steps = [0, 1, 30, 99];
    expect(momenta(schedules.warmup(schedule, 20), steps)).toEqual(momenta(schedule, steps));
  });
});

test('the margin rises from 0 to 1 over its warm-up', () => {
  const ramp = (warmup: number, step: number) => fractionOver(warmup, step, STEPS);
  expect([0, 5, 10, 99].map((step) => ramp(0.1, step))).toEqual([0, 0.5, 1, 1]);
  expect([0, 1, 2, 3].map((step) => ramp(2, step))).toEqual([0, 0.5, 1, 1]);
  expect(ramp(0, 0)).toBe(1);
});

test.each<[string, unknown, string]>([
  [
    'cosine',
    { base: 1, warmpu: 5 },
    "for schedules.cosine.warmpu but received 5 of type number. Did you mean 'warmup'?",
  ],
  ['cosine', { base: 1, gamma: 0.5 }, 'no value (there is no such option) for schedules.cosine.gamma'],
  ['cosine', { base: 1, warmup: -1 }, 'for schedules.cosine.warmup'],
  ['cosine', undefined, 'an object of options for schedules.cosine but received undefined'],
  ['cosine', 0.1, 'an object of options for schedules.cosine but received 0.1'],
  [
    'step',
    { base: 1, gama: 0.5, milestones: [1] },
    "for schedules.step.gama but received 0.5 of type number. Did you mean 'gamma'?",
  ],
  [
    'step',
    { base: 1, milestones: [1], warmup: 5 },
    'no value (there is no such option) for schedules.step.warmup',
  ],
  ['step', undefined, 'an object of options for schedules.step but received undefined'],
])('schedules.%s(%j) is refused', async (name, given, message) => {
  const error = await refusal(() => schedules[name as 'cosine'](given as never));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});
