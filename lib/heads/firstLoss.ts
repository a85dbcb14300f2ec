/** What an untrained network's first loss should be: far from it, data, margin or scale are not what the user thinks. */
import { lambdaAt } from '../schedules/annealing.js';
import { NO_MARGIN } from './margin.js';
import type { ResolvedHead } from './resolve.js';
import { expectedLossAtRightAngles } from './scale.js';

/** The loss of the first step, and the one an untrained network would have: undefined where no such statement holds. */
export interface FirstLoss {
  readonly measured: number;
  readonly expected?: number;
}

/** λ from which on a margin does not show in the first loss. */
const HIDING = 100;

/**
 * The loss to expect at the first step; undefined where no such statement holds: in few dimensions random cosines are
 * far from 0, with `easyMargin` about half of the targets have a margin, and normalised logits or the distance to
 * centres depend on the embeddings. `classShare`: of the classes that a step compares.
 */
export function expectedFirstLoss(
  { native, marginWarmup, lambda }: ResolvedHead,
  { embeddingSize, steps, classShare }: { embeddingSize: number; steps: number; classShare: number },
): number | undefined {
  const { normalizeFeatures, normalizeWeights, fixedWeights, centerWeight, m1 } = native;
  const numClasses = Math.ceil(native.numClasses * classShare);
  if (native.scaledBn || (centerWeight > 0 && !fixedWeights)) return undefined;
  if (!normalizeFeatures) {
    const hidden = m1 === 1 || marginWarmup !== 0 || lambdaAt(lambda, 0, steps) >= HIDING;
    return hidden ? Math.log(numClasses) : undefined;
  }
  if (!normalizeWeights || embeddingSize < 256 || native.easyMargin) return undefined;
  const margin = marginWarmup === 0 ? native : NO_MARGIN;
  const distance = fixedWeights ? centerWeight : 0; // of unit vectors at 90°: weight/2·|x − c|² with |x − c|² = 2
  return expectedLossAtRightAngles(native.scale, margin, numClasses, native.labelSmoothing) + distance;
}
