/** How an epoch's samples are divided into steps. */

export interface Batching {
  /** That are divided, in the order of the epoch */
  readonly samples: number;
  /** At most `samples` */
  readonly batchSize: number;
  /** A last batch of one sample joins the one before it: over one sample there are no batch statistics. */
  readonly joinsTail: boolean;
  /** A last batch of fewer samples is left out. */
  readonly dropsTail: boolean;
}

/** How long a run is. */
export interface RunLength {
  readonly steps: number;
  readonly stepsPerEpoch: number;
  /** The last of them may have fewer steps. */
  readonly epochs: number;
}

/**
 * @param epochs Need not be whole.
 * @param steps In place of epochs, where given.
 */
export function runLength(batching: Batching, epochs: number, steps?: number): RunLength {
  const perEpoch = stepsPerEpoch(batching);
  const all = steps ?? Math.max(1, Math.round(epochs * perEpoch));
  return { steps: all, stepsPerEpoch: perEpoch, epochs: Math.ceil(all / perEpoch) };
}

/** @param epoch From 0 */
export function stepsOfEpoch({ steps, stepsPerEpoch: perEpoch }: RunLength, epoch: number): number {
  return Math.min(perEpoch, steps - epoch * perEpoch);
}

export function hasJoinedTail({ samples, batchSize, joinsTail, dropsTail }: Batching): boolean {
  return joinsTail && !dropsTail && samples % batchSize === 1;
}

/** The last step of an epoch has the images that are left, so it may be smaller. */
export function stepsPerEpoch(batching: Batching): number {
  const { samples, batchSize, dropsTail } = batching;
  const hasNoTail = dropsTail || hasJoinedTail(batching);
  return hasNoTail ? Math.floor(samples / batchSize) : Math.ceil(samples / batchSize);
}

/** Samples of the steps before one of an epoch. @param step From 0 to `stepsPerEpoch` */
export function samplesBefore(batching: Batching, step: number): number {
  const { samples, batchSize, dropsTail } = batching;
  return step === stepsPerEpoch(batching) && !dropsTail ? samples : step * batchSize;
}

/** @param step of the epoch, from 0 */
export function samplesOfStep(batching: Batching, step: number): number {
  return samplesBefore(batching, step + 1) - samplesBefore(batching, step);
}

/** Images of a step, on average of a whole epoch. */
export function meanBatch(batching: Batching): number {
  const steps = stepsPerEpoch(batching);
  return samplesBefore(batching, steps) / steps;
}

export function largestBatch(batching: Batching): number {
  return batching.batchSize + (hasJoinedTail(batching) ? 1 : 0);
}
