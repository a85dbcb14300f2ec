/**
 * Learning rates over a run, as plain data: what a run used can be echoed, stored and given again. A function is
 * accepted as well.
 */
import { MarginCoreError } from '../base/errors.js';
import { checkOptions, checkVariant, choice, number, numbers, option } from '../base/optionTable.js';
import { type Duration, duration, fractionOver } from './duration.js';
import { checkMomentumRange, type OneCycle, oneCycleRate } from './oneCycle.js';

/** A learning rate over a run, as plain data that `schedules` makes; or a function of where the run stands. */
export type Schedule =
  | { readonly type: 'constant'; readonly value: number }
  | {
      readonly type: 'step';
      readonly base: number;
      readonly gamma: number;
      readonly milestones: readonly number[];
      /** What milestones count; default epochs. */
      readonly unit?: 'epochs' | 'steps';
    }
  | { readonly type: 'cosine'; readonly base: number; readonly min: number }
  | { readonly type: 'polynomial'; readonly base: number; readonly min: number; readonly power: number }
  | OneCycle
  | { readonly type: 'warmup'; readonly schedule: Schedule; readonly length: Duration }
  | ((progress: ScheduleProgress) => number);

/** Where in the run a step stands: how many steps and whole epochs lie behind it, so both count from 0. */
export interface ScheduleProgress {
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
}

/** Each schedule's options. */
export const SCHEDULES = {
  constant: { value: number('the rate', { required: true, min: 0 }) },
  step: {
    base: number('the rate at its beginning', { required: true, min: 0 }),
    gamma: number('factor at each milestone', { default: 0.1, min: 0 }),
    milestones: numbers('epochs, or steps, after which the rate changes', { required: true, above: 0 }),
    unit: choice('what milestones count', ['epochs', 'steps'], { default: 'epochs' }),
  },
  cosine: {
    base: number('the rate at its beginning', { required: true, min: 0 }),
    min: number('the rate at its end', { default: 0, min: 0 }),
  },
  polynomial: {
    base: number('the rate at its beginning', { required: true, min: 0 }),
    min: number('the rate at its end', { default: 0, min: 0 }),
    power: number('1 is a straight line', { default: 1, above: 0 }),
  },
  oneCycle: {
    peak: number('the highest rate', { required: true, min: 0 }),
    rise: number('fraction of training over which the rate rises', { default: 0.3, above: 0, below: 1 }),
    divFactor: number('it begins at the peak divided by this', { default: 25, above: 0 }),
    finalDivFactor: number('it ends at its beginning divided by this', { default: 1e4, above: 0 }),
    anneal: choice('how it rises and falls', ['cosine', 'linear'], { default: 'cosine' }),
    momentum: option(
      "SGD's momentum, or Adam's beta1, moves against the rate: from max to base at the peak, and back",
      checkMomentumRange,
      { defaultText: "the optimizer's; of { base, max } 0.85 and 0.95" },
    ),
  },
  warmup: {
    schedule: option('what is warmed up', (value, name): Schedule => checkSchedule(value, name), {
      required: true,
    }),
    length: duration('fraction of training, or number of steps, over which the rate rises', {
      required: true,
    }),
  },
} as const;

const COSINE = {
  ...SCHEDULES.cosine,
  warmup: duration('of a warm-up around it', { default: 0 }),
} as const;

const POLYNOMIAL = { ...SCHEDULES.polynomial, warmup: COSINE.warmup } as const;

/**
 * Learning rates over a run.
 * @throws INVALID_OPTION for a number out of its range.
 * @namespace
 */
export const schedules = {
  /** The same value at every step. */
  constant: (value: number): Schedule => checkSchedule({ type: 'constant', value }, 'schedules.constant'),

  /**
   * `base`, multiplied by `gamma` (default 0.1) at each milestone. Milestones are epochs that lie behind: with
   * `[2, 3.5]` the value changes after the second epoch and in the middle of the fourth. With `unit: 'steps'` they are steps
   * (default 'epochs').
   */
  step: (options: {
    base: number;
    gamma?: number;
    milestones: readonly number[];
    unit?: 'epochs' | 'steps';
  }): Schedule => ({
    type: 'step',
    ...checkOptions(options, 'schedules.step', SCHEDULES.step),
  }),

  /** min + (base − min)·(1 + cos(π·step/steps))/2: falls from `base` to `min` (default 0), a little at every step. */
  cosine: (options: { base: number; min?: number; warmup?: Duration }): Schedule => {
    const { warmup, ...rest } = checkOptions(options, 'schedules.cosine', COSINE);
    const cosine: Schedule = { type: 'cosine', ...rest };
    return warmup === 0 ? cosine : schedules.warmup(cosine, warmup);
  },

  /** min + (base − min)·(1 − step/steps)^power: falls from `base` to `min` (default 0), in a straight line by default. */
  polynomial: (options: { base: number; min?: number; power?: number; warmup?: Duration }): Schedule => {
    const { warmup, ...rest } = checkOptions(options, 'schedules.polynomial', POLYNOMIAL);
    const polynomial: Schedule = { type: 'polynomial', ...rest };
    return warmup === 0 ? polynomial : schedules.warmup(polynomial, warmup);
  },

  /**
   * Rises from peak/divFactor to `peak` over the first `rise` of training, and falls to peak/divFactor/finalDivFactor (Smith &
   * Topin 2018, "Super-convergence"), with the very values of PyTorch's OneCycleLR. With `momentum` SGD's momentum, or Adam's beta1, moves
   * against it: from `max` (default 0.95) to `base` (default 0.85) at the peak, and back. PyTorch does so by default; here it is
   * asked for, with `momentum: {}` for PyTorch's values, and otherwise momentum stays as the optimizer has it.
   */
  oneCycle: (options: {
    peak: number;
    rise?: number;
    divFactor?: number;
    finalDivFactor?: number;
    anneal?: 'cosine' | 'linear';
    momentum?: { base?: number; max?: number };
  }): Schedule => ({
    type: 'oneCycle',
    ...checkOptions(options, 'schedules.oneCycle', SCHEDULES.oneCycle),
  }),

  /** Multiplies the schedule's value by 1/n, 2/n, … 1 over its first n steps (linear warm-up). */
  warmup: (schedule: Schedule, length: Duration): Schedule =>
    checkSchedule({ type: 'warmup', schedule, length }, 'schedules.warmup'),
} as const;

/** The warm-up where the learning rate is given as a number. */
export const DEFAULT_WARMUP: Duration = 0.01;

/** The schedule when the learning rate is given as a number: cosine to 0 with 1 % warm-up. */
export function defaultSchedule(base: number): Schedule {
  return schedules.cosine({ base, warmup: DEFAULT_WARMUP });
}

/** Checks a schedule that may have been written by hand or read from a file. */
export function checkSchedule(value: unknown, option: string): Schedule {
  if (typeof value === 'function') return value as Schedule;
  return checkVariant(value, option, SCHEDULES, 'a number, a schedule or a function');
}

export interface StepPosition {
  /** From 0 */
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
}

/** The learning rate of one step. Throws INVALID_OPTION where a user's function gives no finite number ≥ 0. */
export function learningRateAt(schedule: Schedule, position: StepPosition): number {
  const value = valueAt(schedule, position);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new MarginCoreError(
    'INVALID_OPTION',
    `learningRate gave ${value} at step ${position.step + 1}: a schedule must give a finite number of at least 0`,
    { details: { option: 'learningRate', step: position.step + 1 } },
  );
}

function valueAt(schedule: Schedule, position: StepPosition): number {
  const { step, totalSteps, stepsPerEpoch } = position;
  if (typeof schedule === 'function') {
    return schedule({
      step,
      steps: totalSteps,
      epoch: Math.floor(step / stepsPerEpoch),
      epochs: Math.ceil(totalSteps / stepsPerEpoch),
    });
  }
  switch (schedule.type) {
    case 'constant':
      return schedule.value;
    case 'step': {
      const unit = schedule.unit === 'steps' ? 1 : stepsPerEpoch;
      const passed = schedule.milestones.filter((milestone) => step >= milestone * unit).length;
      return schedule.base * schedule.gamma ** passed;
    }
    case 'cosine': {
      const { base, min } = schedule;
      return min + ((base - min) * (1 + Math.cos((Math.PI * step) / totalSteps))) / 2;
    }
    case 'polynomial': {
      const { base, min, power } = schedule;
      return min + (base - min) * (1 - step / totalSteps) ** power;
    }
    case 'oneCycle':
      return oneCycleRate(schedule, step, totalSteps);
    case 'warmup': {
      // The first step already moves: a rate of 0 would be a step in vain.
      const ramp = fractionOver(schedule.length, step + 1, totalSteps);
      return ramp * valueAt(schedule.schedule, position);
    }
  }
}
