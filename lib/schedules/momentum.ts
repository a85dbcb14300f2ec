/** Momentum over a run, where the schedule of the learning rate moves it: SGD's, or Adam's beta1. */
import type { Schedule, StepPosition } from './learningRate.js';
import { type MomentumRange, type OneCycle, oneCycleMomentum } from './oneCycle.js';

/** At one step; undefined: the optimizer's own. */
export function momentumAt(
  schedule: Schedule,
  { step, totalSteps }: Pick<StepPosition, 'step' | 'totalSteps'>,
): number | undefined {
  const cycle = cycleIn(schedule);
  return cycle && oneCycleMomentum(cycle, step, totalSteps);
}

export const momentumRange = (schedule: Schedule): MomentumRange | undefined => cycleIn(schedule)?.momentum;

/** A warm-up is of rates alone. */
function cycleIn(schedule: Schedule): OneCycle | undefined {
  if (typeof schedule === 'function') return undefined;
  if (schedule.type === 'warmup') return cycleIn(schedule.schedule);
  return schedule.type === 'oneCycle' ? schedule : undefined;
}
