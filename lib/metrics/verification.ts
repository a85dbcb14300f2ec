/** Whether two embeddings show the same, decided by a threshold on their cosine. */
import { checkNumber } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { checkOptions, option } from '../base/optionTable.js';

/** A threshold, and how it does on the pairs that it was found with. */
export interface Calibration {
  /** Pairs whose cosine is at least this count as the same. */
  readonly threshold: number;
  /** False accept rate: the share of pairs of different ones that count as the same. */
  readonly far: number;
  /** True accept rate: the share of pairs of the same that count as the same. */
  readonly tar: number;
  /** Pairs of the same */
  readonly same: number;
  /** Pairs of different ones. A false accept rate below 1 in so many is beyond what they can show: none of them is accepted then. */
  readonly different: number;
}

const OPTIONS = {
  far: option('', (value, name) => checkNumber(value, name, { min: 0, max: 1 }), { required: true }),
} as const;

/** Of cosines, −1…1 */
const BINS = 2 ** 16;

/**
 * The lowest threshold whose false accept rate on these pairs is not above `options.far`: the most pairs of the same are then accepted.
 * Rates are steps: pairs of equal cosines are accepted together.
 * @param cosines (pairs) @param isSame (pairs): whether a pair shows the same
 * @throws INVALID_DATA for cosines beyond −1…1 or not finite, without a pair of either kind, and where more pairs of different ones than
 *   `options.far` allows have the cosine 1, beyond which there is no threshold.
 */
export function calibrateThreshold(
  cosines: Float32Array,
  isSame: ArrayLike<boolean | number>,
  options: { far: number },
): Calibration {
  const { far } = checkOptions(options, undefined, OPTIONS);
  const { same, different } = dividedPairs(cosines, isSame);
  const mayBeAccepted = most(different.length, far);
  const threshold = mayBeAccepted === different.length ? -1 : above(largestBut(different, mayBeAccepted));
  const accepted = (values: Float32Array) =>
    values.reduce((count, cosine) => (cosine >= threshold ? count + 1 : count), 0);
  return {
    threshold,
    far: accepted(different) / different.length,
    tar: accepted(same) / same.length,
    same: same.length,
    different: different.length,
  };
}

/** Cosines by what their pairs show. Throws as `calibrateThreshold` does. */
export function dividedPairs(
  cosines: Float32Array,
  isSame: ArrayLike<boolean | number>,
): { same: Float32Array; different: Float32Array } {
  checkPairs(cosines, isSame);
  const same = cosines.filter((_, pair) => isSame[pair]);
  const different = cosines.filter((_, pair) => !isSame[pair]);
  if (same.length > 0 && different.length > 0) return { same, different };
  throw new MarginCoreError(
    'INVALID_DATA',
    `Expected pairs of the same and pairs of different ones, found ${same.length} and ${different.length}`,
  );
}

function checkPairs(cosines: unknown, isSame: unknown): void {
  if (Object.prototype.toString.call(cosines) !== '[object Float32Array]') {
    throw invalidOption('cosines', 'a Float32Array', cosines);
  }
  const values = cosines as Float32Array;
  const length = (isSame as ArrayLike<unknown> | null)?.length;
  if (length !== values.length) {
    throw invalidOption('isSame', `${values.length} values, one for each pair,`, isSame);
  }
  const bad = values.findIndex((cosine) => !(Math.abs(cosine) <= 1));
  if (bad < 0) return;
  throw new MarginCoreError('INVALID_DATA', `cosines: expected −1…1, found ${values[bad]} for pair ${bad}`);
}

/** The largest count whose share of the total is not above a rate: a product alone may round to the next one. */
function most(total: number, rate: number): number {
  const near = Math.round(rate * total);
  return near / total > rate ? near - 1 : near < total && (near + 1) / total <= rate ? near + 1 : near;
}

function above(cosine: number): number {
  if (cosine < 1) return nextAbove(cosine);
  throw new MarginCoreError(
    'INVALID_DATA',
    'No threshold keeps that rate: too many pairs of different ones have the cosine 1, as two copies of one picture have it. Is one there under two names?',
  );
}

/** The value that `rank` others come before in descending order: without sorting millions of which one is asked for. */
function largestBut(values: Float32Array, rank: number): number {
  const binOf = (cosine: number) => Math.floor(((cosine + 1) / 2) * (BINS - 1));
  const counts = new Uint32Array(BINS);
  for (const cosine of values) counts[binOf(cosine)]! += 1;
  let before = 0;
  let bin = BINS - 1;
  for (; before + counts[bin]! <= rank; bin--) before += counts[bin]!;
  const within = values.filter((cosine) => binOf(cosine) === bin).sort();
  return within[within.length - 1 - (rank - before)]!;
}

/** The next number of fp32. */
function nextAbove(value: number): number {
  const float = new Float32Array([value]);
  const bits = new Int32Array(float.buffer);
  if (value === 0) bits[0] = 1;
  else bits[0]! += value > 0 ? 1 : -1;
  return float[0]!;
}
