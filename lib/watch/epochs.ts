/** Epochs of a run, which its event file has by their last steps. */
import type { Point } from './series.js';
import type { WatchedRun } from './watchedRun.js';

/** A value of each epoch */
const OF_EPOCHS = 'epoch/loss';

/** Steps of an epoch; undefined before the first one's end. */
export function stepsPerEpoch(run: WatchedRun): number | undefined {
  const steps = run.points(OF_EPOCHS).map(([step]) => step);
  // The last epoch may be cut short; the first recorded may be a later one, of a run that was resumed in a new folder.
  const apart = steps.slice(1).map((step, index) => step - steps[index]!);
  return apart.length > 1 ? Math.max(...apart) : steps[0];
}

export function lastEpoch(run: WatchedRun): number | undefined {
  const steps = stepsPerEpoch(run);
  const step = run.points(OF_EPOCHS).at(-1)?.[0];
  return steps === undefined || step === undefined ? undefined : Math.ceil(step / steps);
}

/** @param steps Of an epoch */
export const byEpoch = (points: readonly Point[], steps: number): readonly Point[] =>
  points.map(([step, value]) => [step / steps, value]);
