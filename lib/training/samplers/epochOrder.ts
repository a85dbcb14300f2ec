/** The order of each epoch's images. It follows from seed and epoch alone, so a run is resumed in the middle of one. */
import { invalidOption } from '../../base/errors.js';
import { callNative, native } from '../../native/load.js';
import { classBalancedOrder } from './classBalanced.js';
import { classesOf } from './classes.js';
import type { Sampler } from './options.js';
import { perClassOrder } from './perClass.js';

export interface EpochOrder {
  /** Of an epoch, each as often as it comes. */
  readonly samples: number;
  /** Their places among the training samples. @param epoch From 0 */
  places(epoch: number): Int32Array;
}

interface OrderSettings {
  readonly seed: number;
  readonly shuffle: boolean;
  readonly sampler?: Sampler;
}

/** Throws INVALID_OPTION where a batch is to have more classes than have training images. */
export function epochOrder(
  { seed, shuffle, sampler = { type: 'shuffled' } }: OrderSettings,
  labels: Int32Array,
  numClasses: number,
): EpochOrder {
  const permutation = (epoch: number) => (count: number) =>
    callNative(() => native().permutation(seed, epoch, count));
  const samples = labels.length;
  if (!shuffle) return { samples, places: () => labels.map((_, place) => place) };
  if (sampler.type === 'shuffled') return { samples, places: (epoch) => permutation(epoch)(samples) };
  const all = classesOf(labels, numClasses);
  if (sampler.type === 'classBalanced') {
    const { draws = samples } = sampler;
    return { samples: draws, places: (epoch) => classBalancedOrder(all, draws, permutation(epoch)) };
  }
  const { classes, images } = sampler;
  if (classes > all.present.length) {
    const expected = `a whole number in [1, ${all.present.length}], as so many classes have training images,`;
    throw invalidOption('sampler.classes', expected, classes);
  }
  const batches = Math.max(1, Math.floor(samples / (classes * images)));
  return {
    samples: batches * classes * images,
    places: (epoch) => perClassOrder(all, { classes, images, batches }, permutation(epoch)),
  };
}
