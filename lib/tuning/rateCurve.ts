/**
 * The loss over a rising learning rate (Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3; the exponential form,
 * smoothing, end and suggestions are those of fastai's `lr_find`).
 */

/** Of the running mean: fastai's. */
const SMOOTHING = 0.98;
/** A smoothed loss that is so many times the least one will not come back: fastai's. */
const DIVERGED = 4;
/** Points that suggestions leave out: the part of all that is the beginning, and the last ones, where the loss goes up. */
const FIRST_PART = 10;
const LAST = 5;

/** Learning rates that a search suggests. */
export interface Suggestions {
  /** The rate at which the smoothed loss falls fastest, by the logarithm of the rate; where it falls at all. */
  readonly steepest?: number;
  /** A tenth of the rate at which the smoothed loss is least. */
  readonly minimumTenth?: number;
}

/** min·(max/min)^(step/(steps − 1)) @param step From 0 */
export function risingRate(step: number, steps: number, min: number, max: number): number {
  return min * (max / min) ** (step / (steps - 1));
}

/** Losses in the order of their steps. */
export class SmoothedLosses {
  readonly values: number[] = [];
  #mean = 0;
  #least = Number.POSITIVE_INFINITY;

  /** The exponential running mean, divided by the weight that it has come to: the first is the loss itself. */
  add(loss: number): void {
    this.#mean = SMOOTHING * this.#mean + (1 - SMOOTHING) * loss;
    const value = this.#mean / (1 - SMOOTHING ** (this.values.length + 1));
    this.values.push(value);
    this.#least = Math.min(this.#least, value);
  }

  get hasDiverged(): boolean {
    return this.values.length > 0 && this.values.at(-1)! > DIVERGED * this.#least;
  }
}

/** None of a curve that is too short. @param smoothed Of each rate @param steps That the curve would have had */
export function suggest(rates: readonly number[], smoothed: readonly number[], steps: number): Suggestions {
  const first = Math.floor(steps / FIRST_PART);
  const end = smoothed.length - LAST;
  if (end - first < 2) return {};
  let minimum = first;
  let steepest: number | undefined;
  let slope = 0;
  for (let index = first; index < end; index++) {
    if (smoothed[index]! < smoothed[minimum]!) minimum = index;
    if (index + 1 === end) break;
    const here = (smoothed[index + 1]! - smoothed[index]!) / Math.log(rates[index + 1]! / rates[index]!);
    if (here < slope) [steepest, slope] = [index, here];
  }
  return {
    ...(steepest !== undefined && { steepest: rates[steepest]! }),
    minimumTenth: rates[minimum]! / 10,
  };
}
