/** `verify --pairs`: how well a model tells given pairs apart, as people read it. */
import { lfwPairs } from '../../data/formats/lfwPairs.js';
import { dividedPairs } from '../../metrics/verification.js';
import { type VerificationAccuracy, verificationAccuracy } from '../../metrics/verificationAccuracy.js';
import { type VerificationScores, verificationScores } from '../../metrics/verificationScores.js';
import type { Model } from '../../model/model.js';
import { cosinesOfPairs } from '../../model/picturePairs.js';
import { count, significant, wrap } from '../../report/format.js';

/** Columns of a terminal. */
const WIDTH = 80;
/** As many as LFW's View 2 has. */
const FOLDS = 10;

export interface PairsResult extends VerificationScores {
  /** Undefined with fewer pairs of either kind than folds. */
  readonly folded?: VerificationAccuracy;
  /** Mean of the folds' thresholds */
  readonly threshold?: Threshold;
  readonly given?: Threshold & { readonly far: number; readonly tar: number };
  readonly pairs: readonly { a: string; b: string; same: boolean; fold: number; cosine: number }[];
}

/** The same decision on embeddings of length 1, either way. */
interface Threshold {
  readonly cosine: number;
  readonly squaredDistance: number;
}

/** @param threshold A cosine to tell rates at @throws As `lfwPairs` and `model.embed` do. */
export async function scorePairs(
  model: Model,
  { folder, file, threshold }: { folder: string; file: string; threshold: number | undefined },
  signal: AbortSignal,
): Promise<PairsResult> {
  const pairs = await lfwPairs(folder, file);
  const cosines = await cosinesOfPairs(model, pairs, signal);
  const isSame = pairs.map(({ same }) => same);
  const scores = verificationScores(cosines, isSame);
  const hasFolds = pairs.some(({ fold }) => fold > 0);
  const isEnough = hasFolds || Math.min(scores.same, scores.different) >= FOLDS;
  const folds = hasFolds ? pairs.map(({ fold }) => fold) : FOLDS;
  const folded = isEnough ? verificationAccuracy(cosines, isSame, { folds }) : undefined;
  return {
    ...scores,
    ...(folded && { folded, threshold: meanThreshold(folded) }),
    ...(threshold !== undefined && {
      given: { ...thresholdAt(threshold), ...ratesAt(threshold, cosines, isSame) },
    }),
    pairs: pairs.map((pair, index) => ({ ...pair, cosine: cosines[index]! })),
  };
}

const thresholdAt = (cosine: number): Threshold => ({ cosine, squaredDistance: 2 - 2 * cosine });

function meanThreshold({ folds }: VerificationAccuracy): Threshold {
  return thresholdAt(folds.reduce((sum, { threshold }) => sum + threshold, 0) / folds.length);
}

function ratesAt(threshold: number, cosines: Float32Array, isSame: readonly boolean[]) {
  const { same, different } = dividedPairs(cosines, isSame);
  const accepted = (values: Float32Array) =>
    values.filter((cosine) => cosine >= threshold).length / values.length;
  return { far: accepted(different), tar: accepted(same) };
}

export function pairsLines({
  same,
  different,
  auc,
  eer,
  tarAtFar,
  folded,
  threshold,
  given,
}: PairsResult): string[] {
  return [
    `${count(same)} pairs of the same, ${count(different)} of different ones`,
    `AUC ${auc.toFixed(4)}, EER ${exact(eer)}`,
    ...tarAtFar.map(({ far, tar }) => {
      const accepted = tar === undefined ? 'not measurable' : exact(tar);
      return `true accepts at a false accept rate of ${significant(100 * far)} %: ${accepted}`;
    }),
    ...(given === undefined
      ? []
      : [`at ${describe(given)}: true accepts ${exact(given.tar)}, false ${exact(given.far)}`]),
    ...(folded === undefined || threshold === undefined
      ? [`accuracy over folds needs ${FOLDS} pairs of either kind`]
      : foldLines(folded, threshold)),
  ];
}

function foldLines(
  { accuracy, std, standardError, folds, protocol }: VerificationAccuracy,
  threshold: Threshold,
): string[] {
  return [
    `accuracy over ${folds.length} folds ${exact(accuracy)} ± ${exact(std)} (standard error ${exact(standardError)})`,
    `mean threshold of the folds: ${describe(threshold)}`,
    ...wrap(protocol, WIDTH),
  ];
}

const describe = ({ cosine, squaredDistance }: Threshold) =>
  `cosine ${cosine.toFixed(4)}, squared L2 ${squaredDistance.toFixed(4)}`;

/** Published accuracies have two decimals. */
const exact = (share: number) => `${(100 * share).toFixed(2)} %`;
