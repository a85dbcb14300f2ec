/** How images are divided into those that are trained on and those that are tested on, and which classes are left out. */
import { checkNumber } from '../../base/check.js';
import { NUMBER } from '../../base/notation.js';
import { type Note, note } from '../../base/note.js';
import { integer, option } from '../../base/optionTable.js';
import { callNative, native } from '../../native/load.js';

/** What a test set is called, in folders and lists: the first that is there is taken. */
export const TEST_NAMES = ['test', 'val', 'valid', 'validation'];

/** Where nothing else says which images are test images. */
export const DEFAULT_TEST = 0.1;

/** How images are divided whose source does not say it, and which classes are too small. */
export const DIVISION_OPTIONS = {
  test: option(
    'the fraction of each class that is test images',
    (value, name) => checkNumber(value, name, { min: 0, below: 1 }),
    { defaultText: String(DEFAULT_TEST), notation: NUMBER },
  ),
  minPerClass: integer('classes with fewer images are left out', { default: 0, min: 0 }),
  seed: integer('which images are test images follows from it', { default: 0, min: 0, below: 2 ** 32 }),
} as const;

/**
 * Which of a class's `count` images are test images: of two or more one at least, and never all.
 * @param place Of the class among all: each draws numbers of its own
 */
export function drawTest(count: number, fraction: number, seed: number, place: number): Set<number> {
  if (fraction === 0 || count < 2) return new Set();
  const wanted = Math.min(count - 1, Math.max(1, Math.round(count * fraction)));
  return new Set(callNative(() => native().permutation(seed, place, count)).subarray(0, wanted));
}

export function classesLeftOut(all: number, kept: number, minPerClass: number): Note[] {
  return note(
    'CLASSES_LEFT_OUT',
    all === kept
      ? undefined
      : `${all - kept} of ${all} classes have fewer than ${minPerClass} images, and are left out`,
  );
}
