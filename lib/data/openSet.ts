/** Data divided by its classes: some to train on, and others that the model has not seen, to verify on. */
import { MarginCoreError } from '../base/errors.js';
import { imagesOf } from './samples.js';
import type { Dataset, Split } from './types.js';

/** The last `count` classes of the training images are unseen. Throws INVALID_DATA where fewer than two are left. */
export function openSet(data: Dataset, count: number): { seen: Dataset; unseen: Split } {
  const { train, classNames, numClasses, test: _, ...rest } = data;
  const left = numClasses - count;
  if (left < 2) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `${data.name} has ${numClasses} classes: of ${count} unseen ones not two are left to train on`,
    );
  }
  const samplesWhere = (isWanted: (label: number) => boolean): Split => {
    const numbers = Int32Array.from(train.labels.keys()).filter((number) => isWanted(train.labels[number]!));
    return {
      images: imagesOf({ ...train, numbers }),
      labels: numbers.map((number) => train.labels[number]!),
    };
  };
  return {
    seen: {
      ...rest,
      train: samplesWhere((label) => label < left),
      classNames: classNames.slice(0, left),
      numClasses: left,
    },
    unseen: samplesWhere((label) => label >= left),
  };
}
