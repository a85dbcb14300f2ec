/**
 * Accuracy on pairs with a threshold that other pairs gave: the protocol of Labeled Faces in the Wild (Huang et al. 2007, "Labeled
 * Faces in the Wild", section on View 2).
 */
import { checkInteger, isTypedArray } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { checkOptions, integer, option } from '../base/optionTable.js';
import { rocPoints } from './rocCurve.js';
import { dividedPairs } from './verification.js';

/** What one fold of pairs came to. */
export interface FoldAccuracy {
  /** Of this fold's pairs, with the threshold that the other folds gave */
  readonly accuracy: number;
  /** Pairs whose cosine is at least this count as the same. */
  readonly threshold: number;
  /** The same as a squared L2 distance of embeddings of length 1, which is 2 − 2·cos: pairs of at most this count as the same. */
  readonly squaredDistance: number;
  /** Pairs of the same in this fold */
  readonly same: number;
  /** Pairs of different ones in this fold */
  readonly different: number;
}

/** What `verificationAccuracy` returns: accuracies are fractions. */
export interface VerificationAccuracy {
  /** Mean over the folds */
  readonly accuracy: number;
  /** Standard deviation of the folds' accuracies, with n − 1. */
  readonly std: number;
  /** Of the mean: std / √folds, which LFW's tables have after ±. */
  readonly standardError: number;
  readonly folds: readonly FoldAccuracy[];
  /** What was done, in words. */
  readonly protocol: string;
}

/** How `verificationAccuracy` divides the pairs. */
export interface VerificationAccuracyOptions {
  /** How many to draw, or (pairs) the fold of each, numbered from 0 without a gap as `datasets.lfwPairs` has them. Default 10. */
  folds?: number | ArrayLike<number>;
  /** Of the draw. Default 0. */
  seed?: number;
}

const OPTIONS = {
  folds: option('', checkFolds, { default: 10 }),
  seed: integer('', { default: 0, min: 0, max: 2 ** 32 - 1 }),
} as const;

/**
 * The accuracy of each fold's pairs, of which the threshold is the one that is right for the most pairs of all other folds: half-way
 * between two neighbouring cosines; the highest of those that are right for as many; −1 where all are to be accepted, and half-way
 * between the highest cosine and 1 where none is. Folds that are drawn have as many pairs of either kind as each other, to one.
 * A given fold may be without pairs of one kind. Where all cosines are equal, all pairs count as the kind that the other folds have more of.
 * @param cosines (pairs) @param isSame (pairs): whether a pair shows the same
 * @throws INVALID_DATA for cosines beyond −1…1 or not finite, where the folds but one have no pair of either kind, a fold without
 *   pairs, and fewer pairs of the same, or of different ones, than folds to draw.
 */
export function verificationAccuracy(
  cosines: Float32Array,
  isSame: ArrayLike<boolean | number>,
  options: VerificationAccuracyOptions = {},
): VerificationAccuracy {
  const { folds: given, seed } = checkOptions(options, undefined, OPTIONS);
  dividedPairs(cosines, isSame);
  const foldOf =
    typeof given === 'number' ? drawnFolds(isSame, given, seed) : givenFolds(given, cosines.length);
  const count = foldOf.reduce((most, fold) => Math.max(most, fold), 0) + 1;
  const folds = Array.from({ length: count }, (_, fold) => scoreFold(cosines, isSame, foldOf, fold));
  const accuracy = folds.reduce((sum, fold) => sum + fold.accuracy, 0) / count;
  const squares = folds.reduce((sum, fold) => sum + (fold.accuracy - accuracy) ** 2, 0);
  const std = Math.sqrt(squares / (count - 1));
  const origin =
    typeof given === 'number' ? `drawn with seed ${seed}, each kind of pairs evenly` : 'as given';
  return {
    accuracy,
    std,
    standardError: std / Math.sqrt(count),
    folds,
    protocol:
      `Mean accuracy over ${count} folds of pairs, ${origin}; the threshold on the cosine of a fold's pairs is the one with the ` +
      `highest accuracy on the pairs of the other ${count - 1} folds (LFW, View 2). std: of the folds' accuracies, with n − 1`,
  };
}

function checkFolds(value: unknown, name: string): number | ArrayLike<number> {
  if (typeof value === 'number') return checkInteger(value, name, { min: 2 });
  if (Array.isArray(value) || isTypedArray(value)) return value as ArrayLike<number>;
  throw invalidOption(name, 'a number of folds, or the fold of each pair', value);
}

function givenFolds(given: ArrayLike<number>, pairs: number): Int32Array {
  if (given.length !== pairs) throw invalidOption('folds', `${pairs} numbers, one for each pair,`, given);
  const range = { min: 0, max: pairs - 1 };
  const foldOf = Int32Array.from(given, (fold, pair) => checkInteger(fold, `folds[${pair}]`, range));
  const found = new Set(foldOf);
  for (let fold = 0; fold < Math.max(2, found.size); fold++) {
    if (found.has(fold)) continue;
    throw invalid(`folds: expected pairs in each of two or more, from 0 on, found none in fold ${fold}`);
  }
  return foldOf;
}

/** Of each kind the pairs are shuffled and dealt. */
function drawnFolds(isSame: ArrayLike<boolean | number>, folds: number, seed: number): Int32Array {
  const foldOf = new Int32Array(isSame.length);
  const random = generator(seed);
  for (const kind of [true, false]) {
    const pairs = Array.from(foldOf.keys()).filter((pair) => Boolean(isSame[pair]) === kind);
    if (pairs.length < folds) {
      const name = kind ? 'the same' : 'different ones';
      throw invalid(`Expected ${folds} pairs of ${name} or more, one for each fold, found ${pairs.length}`);
    }
    for (let end = pairs.length - 1; end > 0; end--) {
      const at = Math.floor(random() * (end + 1));
      [pairs[end], pairs[at]] = [pairs[at]!, pairs[end]!];
    }
    for (const [index, pair] of pairs.entries()) foldOf[pair] = index % folds;
  }
  return foldOf;
}

/** Numbers in [0, 1): SplitMix32, whose state is a counter. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

function scoreFold(
  cosines: Float32Array,
  isSame: ArrayLike<boolean | number>,
  foldOf: Int32Array,
  fold: number,
): FoldAccuracy {
  const chosen = (kind: boolean, isOwn: boolean) =>
    cosines.filter((_, pair) => Boolean(isSame[pair]) === kind && (foldOf[pair] === fold) === isOwn);
  const threshold = bestThreshold(chosen(true, false), chosen(false, false), fold);
  const [same, different] = [chosen(true, true), chosen(false, true)];
  const right =
    same.filter((cosine) => cosine >= threshold).length +
    different.filter((cosine) => cosine < threshold).length;
  return {
    accuracy: right / (same.length + different.length),
    threshold,
    squaredDistance: 2 - 2 * threshold,
    same: same.length,
    different: different.length,
  };
}

function bestThreshold(same: Float32Array, different: Float32Array, without: number): number {
  if (same.length === 0 || different.length === 0) {
    throw invalid(
      `Expected pairs of either kind in the folds other than ${without}, found ${same.length} of the same and ${different.length} of different ones`,
    );
  }
  // Before a point of the curve the threshold lies above it: that point's errors are known when the next cosine is.
  const rightAt = (far: number, tar: number) => Math.round(tar * same.length + (1 - far) * different.length);
  let right = rightAt(0, 0);
  let above = 1;
  let best = -1;
  let threshold = -1;
  for (const point of rocPoints(same.sort(), different.sort())) {
    // A cosine of 1 is accepted at every threshold.
    if (point.threshold < above && right > best) {
      best = right;
      threshold = (above + point.threshold) / 2;
    }
    right = rightAt(point.far, point.tar);
    above = point.threshold;
  }
  return right > best ? -1 : threshold;
}

const invalid = (message: string) => new MarginCoreError('INVALID_DATA', message);
