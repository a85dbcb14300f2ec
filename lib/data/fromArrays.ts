import { invalidOption } from '../base/errors.js';
import type { Dataset, ImageInput, ImageShape, LabelInput, PixelBytes, SplitInput } from './types.js';
import { checkDataset, checkFields } from './validate.js';

/** Images and labels of a split, as arrays. */
export interface SplitArrays {
  /** Bytes 0…255 in the order [N, H, W, C]: with `shape` beside them, or as { data, shape } */
  images: PixelBytes | ImageInput;
  /** [N, H, W, C], where `images` has none. */
  shape?: Readonly<ImageShape>;
  /** (N): class numbers from 0. */
  labels: LabelInput;
}

/** Options of `datasets.fromArrays`: the training images beside what follows. */
export interface FromArraysOptions extends SplitArrays {
  /** Default: '0', '1', … up to the highest training label */
  classNames?: readonly string[];
  /** What the model is scored on after training. Default: nothing. */
  test?: SplitArrays;
}

/**
 * Your own arrays as a data set.
 * @throws INVALID_DATA for arrays that do not fit each other, INVALID_OPTION for other fields.
 */
export function fromArrays(options: FromArraysOptions): Dataset {
  checkFields(options, 'fromArrays', ['images', 'shape', 'labels', 'classNames', 'test']);
  const { classNames, test } = options;
  const arrays = {
    ...joinShape(options, 'fromArrays'),
    ...(classNames !== undefined && { classNames }),
  };
  if (test === undefined) return checkDataset(arrays, 'fromArrays');
  checkFields(test, 'fromArrays.test', ['images', 'shape', 'labels']);
  return checkDataset({ ...arrays, test: joinShape(test, 'fromArrays.test') }, 'fromArrays');
}

function joinShape({ images, shape, labels }: SplitArrays, where: string): SplitInput {
  if (ArrayBuffer.isView(images)) return { images: { data: images, shape: shape! }, labels };
  if (shape === undefined) return { images, labels };
  throw invalidOption(`${where}.shape`, 'no second shape beside images that have one', shape);
}
