/** How well cosines tell pairs of the same from pairs of different ones, over all thresholds: the ROC curve in a few numbers. */
import { checkNumber } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { checkOptions, option } from '../base/optionTable.js';
import { type RocPoint, rocPoints } from './rocCurve.js';
import { dividedPairs } from './verification.js';

/** What `verificationScores` returns: rates are fractions. */
export interface VerificationScores {
  /** Equal error rate: where the curve has as large a share of false accepts as of false rejects. */
  readonly eer: number;
  /** Area under the curve: how often a pair of the same has a higher cosine than a pair of different ones; equal ones count half. */
  readonly auc: number;
  /** True accept rate at the highest false accept rate that is not above `far`. Undefined: not measurable, with fewer than 1/far pairs. */
  readonly tarAtFar: readonly { readonly far: number; readonly tar: number | undefined }[];
  /** Pairs of the same */
  readonly same: number;
  /** Pairs of different ones */
  readonly different: number;
}

const OPTIONS = { far: option('', checkRates, { default: [0.1, 0.01, 0.001, 1e-4] }) } as const;

/**
 * Pairs of equal cosines are accepted together: rates change by steps, between which the curve is taken to be straight.
 * @param cosines (pairs) @param isSame (pairs): whether a pair shows the same
 * @param options.far False accept rates to give the true accept rate at. Default 0.1, 0.01, 0.001, 0.0001.
 * @throws INVALID_DATA for cosines beyond −1…1 or not finite, and without a pair of either kind.
 */
export function verificationScores(
  cosines: Float32Array,
  isSame: ArrayLike<boolean | number>,
  options: { far?: readonly number[] } = {},
): VerificationScores {
  const { far: rates } = checkOptions(options, undefined, OPTIONS);
  const { same, different } = dividedPairs(cosines, isSame);
  const accepted = rates.map(() => 0);
  let last: RocPoint = { threshold: Number.POSITIVE_INFINITY, far: 0, tar: 0 };
  let auc = 0;
  let eer: number | undefined;
  for (const point of rocPoints(same.sort(), different.sort())) {
    auc += ((point.far - last.far) * (point.tar + last.tar)) / 2;
    if (eer === undefined && excess(point) >= 0) eer = equalErrorRate(last, point);
    for (const [index, far] of rates.entries()) if (point.far <= far) accepted[index] = point.tar;
    last = point;
  }
  const isMeasurable = (far: number) => far * different.length >= 1;
  return {
    eer: eer!,
    auc,
    tarAtFar: rates.map((far, index) => ({ far, tar: isMeasurable(far) ? accepted[index] : undefined })),
    same: same.length,
    different: different.length,
  };
}

function checkRates(value: unknown, name: string): readonly number[] {
  if (!Array.isArray(value)) throw invalidOption(name, 'a list of rates', value);
  return value.map((rate, index) => checkNumber(rate, `${name}[${index}]`, { above: 0, max: 1 }));
}

/** Of false accepts over false rejects: −1 where nothing is accepted, 1 where all is. */
const excess = ({ far, tar }: RocPoint) => far - (1 - tar);

/** Where the line between the last point before and the first beyond equal errors crosses them. */
function equalErrorRate(before: RocPoint, beyond: RocPoint): number {
  const share = -excess(before) / (excess(beyond) - excess(before));
  return before.far + share * (beyond.far - before.far);
}
