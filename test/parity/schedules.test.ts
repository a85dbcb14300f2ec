/** Schedules against PyTorch's: schedules.json, by make_schedules.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { learningRateAt, type Schedule, schedules } from '../../lib/schedules/learningRate.js';
import { momentumAt } from '../../lib/schedules/momentum.js';

interface Run {
  readonly steps: number;
  readonly rates: readonly number[];
}

interface OneCycleOptions {
  max_lr: number;
  pct_start?: number;
  div_factor?: number;
  final_div_factor?: number;
  anneal_strategy?: 'linear';
}

const { base, oneCycle, momentum, polynomial, multiStep } = JSON.parse(
  readFileSync(join(packageRoot(), 'test/parity/schedules.json'), 'utf8'),
) as {
  base: number;
  oneCycle: (Run & OneCycleOptions)[];
  momentum: (OneCycleOptions & {
    steps: number;
    base_momentum?: number;
    max_momentum?: number;
    momentum: number[];
    beta1: number[];
  })[];
  polynomial: (Run & { power: number })[];
  multiStep: (Run & { milestones: number[]; gamma: number })[];
};

function expectRates(schedule: Schedule, { steps, rates }: Run): void {
  for (const [step, rate] of rates.entries()) {
    const found = learningRateAt(schedule, { step, totalSteps: steps, stepsPerEpoch: 4 });
    expect(Math.abs(found - rate)).toBeLessThan(1e-7 * Math.max(...rates));
  }
}

function cycleOf(options: OneCycleOptions) {
  const { max_lr: peak, pct_start: rise, div_factor: divFactor, final_div_factor: finalDivFactor } = options;
  return {
    peak,
    ...(rise !== undefined && { rise }),
    ...(divFactor !== undefined && { divFactor }),
    ...(finalDivFactor !== undefined && { finalDivFactor }),
    ...(options.anneal_strategy && { anneal: options.anneal_strategy }),
  };
}

test.each(oneCycle)('one cycle: %j', (run) => {
  expectRates(schedules.oneCycle(cycleOf(run)), run);
});

test.each(momentum)('momentum of one cycle: %j', (run) => {
  const { base_momentum: base, max_momentum: max, steps } = run;
  const range = { ...(base !== undefined && { base }), ...(max !== undefined && { max }) };
  const schedule = schedules.oneCycle({ ...cycleOf(run), momentum: range });
  expect([run.momentum.length, run.beta1.length]).toEqual([steps, steps]);
  for (const expected of [run.momentum, run.beta1]) {
    for (const [step, value] of expected.entries()) {
      expect(Math.abs(momentumAt(schedule, { step, totalSteps: steps })! - value)).toBeLessThan(1e-8);
    }
  }
});

test.each(polynomial)('polynomial: %j', (run) => {
  expectRates(schedules.polynomial({ base, power: run.power }), run);
});

test.each(multiStep)('milestones in steps: %j', (run) => {
  const { milestones, gamma } = run;
  expectRates(schedules.step({ base, gamma, milestones, unit: 'steps' }), run);
});
