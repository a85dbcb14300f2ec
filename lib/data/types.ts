import type { Note } from '../base/note.js';
import type { Preprocessing } from './preprocessing.js';

/** [number of images, height, width, channels] */
export type ImageShape = [N: number, H: number, W: number, C: number];

/** Images as bytes 0…255, row-major in the order of `shape` (NHWC). */
export interface ImageArray {
  data: Uint8Array;
  shape: ImageShape;
}

/** Images with the class of each: `labels[n]` is the class number of image n. */
export interface Split {
  images: ImageArray;
  labels: Int32Array;
}

/** Validated data (see validate.ts): labels lie in 0…numClasses-1, and every class has a name. */
export interface Dataset {
  name: string;
  train: Split;
  test?: Split;
  classNames: string[];
  numClasses: number;
  /** How its pictures were brought to size: what a model that is trained on it does by default. */
  preprocessing?: Preprocessing;
  /** What whoever trains on it should know. */
  notes?: readonly Note[];
}

/** Bytes 0…255. */
export type PixelBytes = Uint8Array | Uint8ClampedArray;

/** Images as a caller gives them: bytes 0…255, row-major in the order of `shape` (NHWC). */
export interface ImageInput {
  data: PixelBytes;
  shape: Readonly<ImageShape>;
}

/** Class numbers; a floating-point array may hold them as well, where every value is an integer. */
export type LabelInput =
  | readonly number[]
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** Images with labels, as a caller gives them. */
export interface SplitInput {
  images: ImageInput;
  labels: LabelInput;
}

/** A user's own arrays. Without `classNames` there are as many classes as the largest training label + 1. */
export interface ArraysInput extends SplitInput {
  classNames?: readonly string[];
  test?: SplitInput;
}

/** What a user may give as data. */
export type DataInput = Dataset | ArraysInput;
