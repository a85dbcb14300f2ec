/** The size of images that are given beside a model or a data set, which they have to fit. */

import { MarginCoreError } from '../base/errors.js';
import type { ImageArray, ImageInput, Split, SplitInput } from './types.js';
import { checkImages, checkSplit } from './validate.js';

/** [H, W, C] */
export type ImageSize = readonly [H: number, W: number, C: number];

export function imageSize({ shape: [, H, W, C] }: ImageArray): ImageSize {
  return [H, W, C];
}

/** Whether a value from outside is one. */
export function isImageSize(value: unknown): value is ImageSize {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    value.every((size) => Number.isSafeInteger(size) && size > 0)
  );
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
