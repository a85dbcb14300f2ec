/** Which images an epoch has, and in what order: what a user may say about it. */
import { checkOneOf, isRecord } from '../../base/check.js';
import { invalidOption } from '../../base/errors.js';
import { type Checked, checkVariant, type Given, integer } from '../../base/optionTable.js';

/** Every class comes as often as any other, to within one image. */
export interface ClassBalancedOptions {
  type: 'classBalanced';
  /** Images of an epoch. Default: as many as there are. */
  draws?: number;
}

/** Every batch has so many classes, and so many images of each. */
export interface PerClassOptions {
  type: 'perClass';
  /** Of a batch: P. */
  classes: number;
  /** Of each of them: K. */
  images: number;
}

/** A sampler's name, or its options. */
export type SamplerOptions =
  | 'shuffled'
  | 'classBalanced'
  | { type: 'shuffled' }
  | ClassBalancedOptions
  | PerClassOptions;

export const SAMPLERS = {
  shuffled: {},
  classBalanced: {
    draws: integer('images of an epoch', { defaultText: 'as many as there are', min: 1, max: 2 ** 29 }),
  },
  perClass: {
    classes: integer('classes of a batch', { required: true, min: 1, flag: 'classesPerBatch' }),
    images: integer('images of each of them', { required: true, min: 1, flag: 'imagesPerClass' }),
  },
} as const;

type SamplerType = keyof typeof SAMPLERS;
export type Sampler = {
  [T in SamplerType]: { readonly type: T } & Checked<(typeof SAMPLERS)[T]>;
}[SamplerType];

export function checkSampler(value: unknown, option: string): Sampler {
  const types = Object.keys(SAMPLERS) as SamplerType[];
  const given = typeof value === 'string' ? { type: checkOneOf(value, option, types) } : value;
  return checkVariant(given, option, SAMPLERS, 'a name or { type, … }') as Sampler;
}

/** Whether every class comes as often as any other, however many images it has. */
export const drawsClassesAlike = (sampler: Sampler | undefined): boolean =>
  sampler !== undefined && sampler.type !== 'shuffled';

const DEFAULT_BATCH_SIZE = 128;

export const BATCH_SIZE_TEXT = `${DEFAULT_BATCH_SIZE}; with the sampler perClass its classes × images`;

/** By the sampler as a user wrote it. */
export function defaultBatchSize({ sampler }: Given): number {
  if (!isRecord(sampler) || sampler.type !== 'perClass') return DEFAULT_BATCH_SIZE;
  const product = Number(sampler.classes) * Number(sampler.images);
  return Number.isSafeInteger(product) && product > 0 ? product : DEFAULT_BATCH_SIZE;
}

/** Throws INVALID_OPTION for options beside the sampler that contradict it. */
export function requireFitting(
  sampler: Sampler | undefined,
  { shuffle, batchSize }: { readonly shuffle: boolean; readonly batchSize: number },
): void {
  if (sampler === undefined) return;
  if (!shuffle) throw invalidOption('sampler', 'no value beside shuffle: false', sampler);
  if (sampler.type !== 'perClass') return;
  const { classes, images } = sampler;
  if (batchSize === classes * images) return;
  const expected = `${classes * images}, which are the sampler's ${classes} classes with ${images} images each,`;
  throw invalidOption('batchSize', expected, batchSize);
}
