/** Schedules against PyTorch's: schedules.json, by make_schedules.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { learningRateAt, type Schedule, schedules } from '../../lib/schedules/learningRate.js';

interface Run {
  readonly steps: number;
  readonly rates: readonly number[];
}

const { base, oneCycle, polynomial, multiStep } = JSON.parse(
  readFileSync(join(packageRoot(), 'test/parity/schedules.json'), 'utf8'),
) as {
  base: number;
  oneCycle: (Run & {
    max_lr: number;
    pct_start?: number;
    div_factor?: number;
    final_div_factor?: number;
    anneal_strategy?: 'linear';
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

test.each(oneCycle)('one cycle: %j', (run) => {
  const { max_lr: peak, pct_start: rise, div_factor: divFactor, final_div_factor: finalDivFactor } = run;
  const schedule = schedules.oneCycle({
    peak,
    ...(rise !== undefined && { rise }),
    ...(divFactor !== undefined && { divFactor }),
    ...(finalDivFactor !== undefined && { finalDivFactor }),
    ...(run.anneal_strategy && { anneal: run.anneal_strategy }),
  });
  expectRates(schedule, run);
});

test.each(polynomial)('polynomial: %j', (run) => {
  expectRates(schedules.polynomial({ base, power: run.power }), run);
});

test.each(multiStep)('milestones in steps: %j', (run) => {
  const { milestones, gamma } = run;
  expectRates(schedules.step({ base, gamma, milestones, unit: 'steps' }), run);
});
