/** The one-cycle policy (Smith & Topin 2018, "Super-convergence"), with the very values of PyTorch's OneCycleLR. */
import { invalidOption } from '../base/errors.js';
import { checkOptions, number } from '../base/optionTable.js';

/** What `schedules.oneCycle` makes. */
export interface OneCycle {
  readonly type: 'oneCycle';
  readonly peak: number;
  readonly rise: number;
  readonly divFactor: number;
  readonly finalDivFactor: number;
  readonly anneal: 'cosine' | 'linear';
  /** Default: the optimizer's, at every step */
  readonly momentum?: MomentumRange;
}

/** SGD's momentum, or Adam's beta1: where it is highest and where it is lowest. */
export interface MomentumRange {
  /** At the peak of the rate */
  readonly base: number;
  /** At both ends */
  readonly max: number;
}

/** As PyTorch has them by default. */
const MOMENTUM_RANGE = {
  base: number('at the peak of the rate', { default: 0.85, min: 0, below: 1 }),
  max: number('at both ends', { default: 0.95, min: 0, below: 1 }),
} as const;

export function checkMomentumRange(value: unknown, option: string): MomentumRange {
  const range = checkOptions(value, option, MOMENTUM_RANGE, '{ base, max }');
  if (range.base <= range.max) return range;
  throw invalidOption(`${option}.base`, `a number of at most max (${range.max})`, range.base);
}

export function oneCycleRate(cycle: OneCycle, step: number, totalSteps: number): number {
  const begin = cycle.peak / cycle.divFactor;
  return alongCycle(cycle, step, totalSteps, [begin, cycle.peak, begin / cycle.finalDivFactor]);
}

/** undefined: the optimizer's own. */
export function oneCycleMomentum(cycle: OneCycle, step: number, totalSteps: number): number | undefined {
  if (cycle.momentum === undefined) return undefined;
  const { base, max } = cycle.momentum;
  return alongCycle(cycle, step, totalSteps, [max, base, max]);
}

/** Both ends are values of steps: the one at the peak is that of a step, and the last step has the end's. */
function alongCycle(
  { rise, anneal }: OneCycle,
  step: number,
  totalSteps: number,
  [begin, peak, end]: readonly [number, number, number],
): number {
  const top = rise * totalSteps - 1;
  const isRising = top > 0 && step <= top;
  const [from, to] = isRising ? [begin, peak] : [peak, end];
  const done = isRising ? step / top : (step - top) / (totalSteps - 1 - top);
  if (anneal === 'linear') return from + (to - from) * done;
  return to + ((from - to) / 2) * (1 + Math.cos(Math.PI * done));
}
