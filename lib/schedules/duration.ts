import { checkInteger, checkNumber } from '../base/check.js';
import { NUMBER } from '../base/notation.js';
import { option, type Spec } from '../base/optionTable.js';

/** A stretch at the start of training: below 1 a fraction of the run (0.01 is its first 1 %), otherwise whole steps. */
export type Duration = number;

/** A row of an option table. */
export const duration = <const S extends Spec>(help: string, spec: S) =>
  option(help, checkDuration, { notation: NUMBER, ...spec });

/** The fraction of a duration that lies behind once `done` steps are: 1 when it is over. */
export function fractionOver(duration: Duration, done: number, totalSteps: number): number {
  const steps = duration < 1 ? Math.round(duration * totalSteps) : duration;
  return done >= steps ? 1 : done / steps;
}

function checkDuration(value: unknown, option: string): Duration {
  if (typeof value === 'number' && value >= 1) return checkInteger(value, option);
  return checkNumber(value, `${option} (a fraction of training below 1, or whole steps)`, { min: 0 });
}
