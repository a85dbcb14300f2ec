/** Known ways in which training goes wrong without an error, told by name. */

import type { NativeHead } from '../native/contract.js';
import type { Diagnosis, EpochRecord } from './events.js';

/** Steps after which a loss that is still that of guessing is no beginning any more. */
const MANY_STEPS = 50;

export function diagnose(
  record: Omit<EpochRecord, 'diagnoses'>,
  { numClasses, scaledBn }: Pick<NativeHead, 'numClasses' | 'scaledBn'>,
  stepsSoFar: number,
): Diagnosis[] {
  const { loss, head, pastPi } = record;
  const found: Diagnosis[] = [];
  const guessing = Math.log(numClasses);
  if (stepsSoFar >= MANY_STEPS && !scaledBn && Math.abs(loss - guessing) < 0.02 * guessing) {
    found.push({
      name: 'predicting-uniformly',
      message:
        `the loss stays at ${loss.toFixed(2)} ≈ ln ${numClasses}, that of guessing: the network has learned nothing yet. ` +
        'Try another learningRate, a larger scale, or λ that falls more slowly',
    });
  }
  if (head.spread < 1) {
    found.push({
      name: 'collapsed',
      message:
        `all embeddings lie within ${head.spread.toFixed(2)}° of one direction: the network answers the same to every ` +
        'image. Try a lower learningRate, marginWarmup, or a smaller margin',
    });
  }
  // A multiplied angle passes π for most of training, which alone is no harm.
  if (pastPi > 0.5 && head.targetAngle[1] > 90) {
    found.push({
      name: 'past-pi',
      message:
        `${Math.round(100 * pastPi)} % of the samples stand so far from their class that the margin passes 180°, and most ` +
        'point away from it: the margin is too large for now. Try marginWarmup, or a smaller margin',
    });
  }
  return found;
}
