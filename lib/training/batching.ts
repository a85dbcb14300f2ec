/** How an epoch's samples are divided into steps. */

export interface Batching {
  readonly samples: number;
  /** At most `samples` */
  readonly batchSize: number;
  /** A last batch of one sample joins the one before it: over one sample there are no batch statistics. */
  readonly joinsTail: boolean;
}

export function hasJoinedTail({ samples, batchSize, joinsTail }: Batching): boolean {
  return joinsTail && samples % batchSize === 1;
}

/** The last step of an epoch has the images that are left, so it may be smaller. */
export function stepsPerEpoch(batching: Batching): number {
  const { samples, batchSize } = batching;
  return hasJoinedTail(batching) ? Math.floor(samples / batchSize) : Math.ceil(samples / batchSize);
}

/** @param step of the epoch, from 0 */
export function samplesOfStep(batching: Batching, step: number): number {
  const { samples, batchSize } = batching;
  const isLast = step === stepsPerEpoch(batching) - 1;
  return isLast ? samples - step * batchSize : batchSize;
}

export function largestBatch(batching: Batching): number {
  return batching.batchSize + (hasJoinedTail(batching) ? 1 : 0);
}
