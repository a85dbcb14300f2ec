/** Embeddings as they are given: `Model.embed` returns them, and so may whoever has them from elsewhere. */
import { checkInteger } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';

/** N embeddings of D numbers each. */
export interface Embeddings {
  /** Row-major */
  readonly data: Float32Array;
  readonly shape: [N: number, D: number];
  /** (N): the file of each image, where some came from files; '' of others. */
  readonly files?: readonly string[];
}

/** By its form alone: what tells embeddings from images. */
export function isEmbeddings(value: unknown): value is Embeddings {
  const { data, shape } = (value ?? {}) as Partial<Embeddings>;
  return (
    Object.prototype.toString.call(data) === '[object Float32Array]' &&
    Array.isArray(shape) &&
    shape.length === 2
  );
}

/** Throws INVALID_OPTION for what are no embeddings, SHAPE_MISMATCH where there are not as many numbers as the shape says. */
export function checkEmbeddings(value: unknown, option: string): Embeddings {
  if (!isEmbeddings(value)) throw invalidOption(option, '{ data: Float32Array, shape: [N, D] }', value);
  const { data, shape } = value;
  const count = checkInteger(shape[0], `${option}.shape[0]`, { min: 0 });
  const size = checkInteger(shape[1], `${option}.shape[1]`, { min: 1 });
  if (data.length === count * size) return value;
  throw new MarginCoreError(
    'SHAPE_MISMATCH',
    `${option}: expected ${count * size} numbers for the shape [${shape.join(', ')}], found ${data.length}`,
  );
}
