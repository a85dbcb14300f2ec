/** A learning rate found by trying: a short run of `train()` whose rate rises until the loss does. */
import { checkObject } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { integer, number, optionValues } from '../base/optionTable.js';
import type { HeadOptions } from '../heads/options.js';
import { inFullForce } from '../heads/resolve.js';
import type { Model } from '../model/model.js';
import { train } from '../train.js';
import type { RunOptions, TrainOptions } from '../training/options.js';
import { risingRate, SmoothedLosses, type Suggestions, suggest } from './rateCurve.js';

/** What a search says itself, and what is about a run that is kept, scored or watched. */
export const NOT_OF_A_SEARCH = [
  ...(['learningRate', 'epochs', 'steps', 'validation', 'keepBest', 'patience', 'monitor'] as const),
  ...(['checkpoint', 'checkpointEvery', 'keepCheckpoints', 'resume', 'resetHead'] as const),
  ...(['logDir', 'logEmbeddings', 'onStep', 'onEpoch', 'distributed'] as const),
] satisfies (keyof RunOptions)[];

export const SEARCH_OPTIONS = {
  minRate: number('the learning rate of the first step', { default: 1e-7, above: 0 }),
  maxRate: number('the learning rate that the last step would have', { default: 10, above: 0 }),
  steps: integer('steps from one to the other', { default: 100, min: 20, max: 1e6 }),
} as const;

/** Options of `findLearningRate`: those of `train()` that are about a step, and these. */
export type FindLearningRateOptions = Omit<RunOptions, (typeof NOT_OF_A_SEARCH)[number]> &
  HeadOptions & {
    /** Learning rate of the first step, above 0. Default 1e-7. */
    minRate?: number;
    /** Learning rate that the last step would have. Default 10. */
    maxRate?: number;
    /** From one to the other, 20 at least. Default 100. */
    steps?: number;
  };

/** What `findLearningRate` resolves to. */
export interface LearningRateSearch extends Suggestions {
  /** Learning rate of each step that was run. */
  readonly rates: readonly number[];
  /** Loss of each step. */
  readonly losses: readonly number[];
  /** Exponential running mean of the losses, with bias correction. */
  readonly smoothed: readonly number[];
  /**
   * 'diverged': the smoothed loss came to four times its least value; 'nonFinite': the step after the last one made the loss or a gradient NaN or
   * infinite; 'steps': neither until `maxRate`.
   */
  readonly ended: 'steps' | 'diverged' | 'nonFinite';
}

/**
 * Looks for a learning rate: trains for `steps` steps with a rate that rises exponentially from `minRate` to `maxRate`, and suggests
 * one by where the smoothed loss falls fastest, and one by where it is least. Nothing is left of the model. λ and `marginWarmup` are as at the end
 * of a run: λ at its least value, the whole margin. The suggestion is the base of a schedule, of this optimizer, batch size and head.
 * @param options Those of `train()`, but for the length, the rate, and whatever is about validation, checkpoints, logs and callbacks.
 *   `progress` is false by default.
 * @throws What `train()` throws, but not NON_FINITE: that is an outcome here.
 */
export async function findLearningRate(options: FindLearningRateOptions = {}): Promise<LearningRateSearch> {
  const { minRate, maxRate, steps, given } = checkSearch(options);
  const rateAt = (step: number) => risingRate(step, steps, minRate, maxRate);
  const losses: number[] = [];
  const smoothed = new SmoothedLosses();
  let ended: LearningRateSearch['ended'] = 'steps';
  const isOver = () => smoothed.hasDiverged || losses.length === steps;
  // Ends the run before its test images are scored: nobody asks how good that model is.
  const enough = new Error('The search is over');
  try {
    const { model } = await train({
      progress: false,
      ...given,
      steps,
      learningRate: ({ step }) => rateAt(step),
      onStep({ loss }, controls) {
        if (isOver()) return; // steps that were already running
        losses.push(loss);
        smoothed.add(loss);
        if (isOver()) controls.stop();
      },
      onEpoch() {
        if (isOver()) throw enough;
      },
    });
    model.dispose();
  } catch (error) {
    if (error instanceof MarginCoreError && error.code === 'NON_FINITE') {
      (error.details.model as Model | undefined)?.dispose();
      ended = 'nonFinite';
    } else if (error !== enough) throw error;
  }
  if (smoothed.hasDiverged) ended = 'diverged';
  const rates = losses.map((_, step) => rateAt(step));
  return { ...suggest(rates, smoothed.values, steps), rates, losses, smoothed: smoothed.values, ended };
}

function checkSearch(options: FindLearningRateOptions) {
  const given = checkObject(options, 'options');
  const { minRate, maxRate, steps } = optionValues(SEARCH_OPTIONS, given);
  if (maxRate <= minRate) throw invalidOption('maxRate', `a number above minRate, ${minRate},`, maxRate);
  const rest = Object.fromEntries(
    Object.entries(given).filter(([name]) => !Object.hasOwn(SEARCH_OPTIONS, name)),
  );
  const other = NOT_OF_A_SEARCH.find((name) => rest[name] !== undefined);
  if (other !== undefined) {
    throw invalidOption(other, 'no value', rest[other], 'A search for a learning rate has no such option');
  }
  return { minRate, maxRate, steps, given: { ...rest, ...inFullForce(rest) } as TrainOptions };
}
