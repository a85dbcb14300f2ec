/** Which epoch is the best so far, and when to stop waiting for a better one. */
import type { Scores } from '../metrics/accuracy.js';

/** What of the validation's scores is looked at. */
export const MONITORS = ['accuracy', 'loss'] as const;

/** What of the validation's scores is looked at: the highest accuracy or the lowest loss is the best. */
export type Monitor = (typeof MONITORS)[number];

type Scored = { readonly validation?: Scores };

/** Index in the history; of several that are equal the first. Undefined of no epoch, or without validation. */
export function bestEpoch(history: readonly Scored[], monitor: Monitor): number | undefined {
  let best: number | undefined;
  for (const [index, { validation }] of history.entries()) {
    if (
      validation !== undefined &&
      (best === undefined || isBetter(validation, history[best]!.validation!, monitor))
    ) {
      best = index;
    }
  }
  return best;
}

function isBetter(a: Scores, b: Scores, monitor: Monitor): boolean {
  if (monitor === 'accuracy') return a.accuracy > b.accuracy;
  return a.loss < b.loss || (Number.isNaN(b.loss) && !Number.isNaN(a.loss));
}

/** Whether as many epochs came after the best as are waited for. */
export function isOutOfPatience(
  history: readonly Scored[],
  monitor: Monitor,
  patience: number | undefined,
): boolean {
  const best = bestEpoch(history, monitor);
  return patience !== undefined && best !== undefined && history.length - 1 - best >= patience;
}
