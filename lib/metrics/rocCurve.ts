/** The receiver operating characteristic of cosines: what is accepted of either kind of pairs at each threshold. */
import { dividedPairs } from './verification.js';

/** A step function, from where nothing is accepted to where all is: between two points nothing else happens. */
export interface RocCurve {
  /** Descending: of each point, pairs whose cosine is at least this are accepted. The first is Infinity, the others every cosine that occurs. */
  readonly thresholds: Float32Array;
  /** False accept rates: shares of the pairs of different ones */
  readonly far: Float64Array;
  /** True accept rates: shares of the pairs of the same */
  readonly tar: Float64Array;
}

export interface RocPoint {
  readonly threshold: number;
  readonly far: number;
  readonly tar: number;
}

/**
 * Pairs of equal cosines are accepted together: where all are equal there are two points, (0, 0) and (1, 1).
 * @param cosines (pairs) @param isSame (pairs): whether a pair shows the same
 * @throws INVALID_DATA for cosines beyond −1…1 or not finite, and without a pair of either kind.
 */
export function rocCurve(cosines: Float32Array, isSame: ArrayLike<boolean | number>): RocCurve {
  const { same, different } = dividedPairs(cosines, isSame);
  const points = [
    { threshold: Number.POSITIVE_INFINITY, far: 0, tar: 0 },
    ...rocPoints(same.sort(), different.sort()),
  ];
  return {
    thresholds: Float32Array.from(points, ({ threshold }) => threshold),
    far: Float64Array.from(points, ({ far }) => far),
    tar: Float64Array.from(points, ({ tar }) => tar),
  };
}

/** From where something is accepted to where all is, a point after each cosine that occurs. Both ascending. */
export function* rocPoints(same: Float32Array, different: Float32Array): Generator<RocPoint> {
  let ofSame = same.length;
  let ofDifferent = different.length;
  while (ofSame > 0 || ofDifferent > 0) {
    const threshold = Math.max(same[ofSame - 1] ?? -2, different[ofDifferent - 1] ?? -2);
    while (ofSame > 0 && same[ofSame - 1] === threshold) ofSame--;
    while (ofDifferent > 0 && different[ofDifferent - 1] === threshold) ofDifferent--;
    yield {
      threshold,
      far: (different.length - ofDifferent) / different.length,
      tar: (same.length - ofSame) / same.length,
    };
  }
}
