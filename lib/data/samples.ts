/** Samples given beside a model or a data set, which they have to fit. */

import { MarginCoreError } from '../base/errors.js';
import type { ImageArray, ImageInput, Split, SplitInput } from './types.js';
import { checkImages, checkSplit } from './validate.js';

/** [H, W, C] */
export type ImageSize = readonly [H: number, W: number, C: number];

export function imageSize({ shape: [, H, W, C] }: ImageArray): ImageSize {
  return [H, W, C];
}

/** Throws SHAPE_MISMATCH for images of another size, and what any data throws. */
export function checkImagesOfSize(images: ImageInput, size: ImageSize, option: string): ImageArray {
  const checked = checkImages(images, option);
  requireSize(checked, size, option);
  return checked;
}

/** Throws SHAPE_MISMATCH for images of another size, INVALID_DATA for labels of 0…numClasses−1 outside. */
export function checkSplitOfSize(
  split: SplitInput,
  size: ImageSize,
  numClasses: number,
  option: string,
): Split {
  const checked = checkSplit(split, option, numClasses);
  requireSize(checked.images, size, `${option}.images`);
  return checked;
}

/** @param reason Why it has to be this size. */
export function requireSize(
  images: ImageArray,
  expected: ImageSize,
  option: string,
  reason = 'as in training',
): void {
  const found = imageSize(images);
  if (found.every((size, axis) => size === expected[axis])) return;
  throw new MarginCoreError(
    'SHAPE_MISMATCH',
    `${option}: expected images of [H, W, C] = [${expected.join(', ')}], ${reason}, found [${found.join(', ')}]`,
    { details: { expected, found } },
  );
}

/**
 * Training samples and, where asked for, the samples that training is scored on: those given, or a fraction held out
 * of every class, evenly spread over its samples in their order. So the same data gives the same split, whatever the seed.
 */
export function splitValidation(
  train: Split,
  numClasses: number,
  validation: number | SplitInput | undefined,
): { train: Split; validation?: Split } {
  if (validation === undefined) return { train };
  if (typeof validation !== 'number') {
    return {
      train,
      validation: checkSplitOfSize(validation, imageSize(train.images), numClasses, 'validation'),
    };
  }
  const seen = new Uint32Array(numClasses);
  const kept: number[] = [];
  const heldOut: number[] = [];
  for (const [sample, label] of train.labels.entries()) {
    const rank = seen[label]!++;
    const isHeldOut = Math.floor((rank + 1) * validation) > Math.floor(rank * validation);
    (isHeldOut ? heldOut : kept).push(sample);
  }
  if (heldOut.length === 0) {
    throw new MarginCoreError(
      'INVALID_DATA',
      `validation: a fraction of ${validation} holds out no image, since no class has ${Math.ceil(1 / validation)}`,
      { details: { option: 'validation' } },
    );
  }
  return { train: selectSamples(train, kept), validation: selectSamples(train, heldOut) };
}

function selectSamples({ images, labels }: Split, samples: readonly number[]): Split {
  const [, H, W, C] = images.shape;
  const size = H * W * C;
  const data = new Uint8Array(samples.length * size);
  samples.forEach((sample, row) => {
    data.set(images.data.subarray(sample * size, (sample + 1) * size), row * size);
  });
  return {
    images: { data, shape: [samples.length, H, W, C] },
    labels: Int32Array.from(samples, (sample) => labels[sample]!),
  };
}
