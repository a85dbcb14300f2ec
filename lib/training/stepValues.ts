/** What changes from step to step by rule: a function of the options and the step alone. */
import type { ResolvedHead } from '../heads/resolve.js';
import type { STEP_VALUES } from '../native/contract.js';
import { lambdaAt } from '../schedules/annealing.js';
import { fractionOver } from '../schedules/duration.js';
import { learningRateAt, type Schedule } from '../schedules/learningRate.js';
import { momentumAt } from '../schedules/momentum.js';
import type { RunLength } from './batching.js';

export type StepValues = Record<(typeof STEP_VALUES)[number], number> & {
  /** Where the schedule of the rate moves it. */
  readonly momentum?: number;
};

export interface StepRules {
  readonly learningRate: Schedule;
  readonly head: Pick<ResolvedHead, 'lambda' | 'marginWarmup'>;
}

/** @param step Of the run, from 0 */
export function stepValues(
  { learningRate, head }: StepRules,
  step: number,
  { steps: totalSteps, stepsPerEpoch }: RunLength,
): StepValues {
  const momentum = momentumAt(learningRate, { step, totalSteps });
  return {
    learningRate: learningRateAt(learningRate, { step, totalSteps, stepsPerEpoch }),
    lambda: lambdaAt(head.lambda, step, totalSteps),
    marginRamp: fractionOver(head.marginWarmup, step, totalSteps),
    ...(momentum !== undefined && { momentum }),
  };
}
