/** A part of a data set, by classes and by numbers of images: no pixel is copied, and images in a file stay there. */
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { type Checked, checkOptions, integer } from '../base/optionTable.js';
import { CLASSES, type Classes, classNumbers } from './classes.js';
import { chosen, sortedByClass, spread } from './samples.js';
import type { DataInput, Dataset, Split } from './types.js';
import { checkLoaded } from './validate.js';

/** Which classes and images `datasets.subset` takes. */
export interface SubsetOptions {
  /**
   * Only these classes, by name or number, in this order, or the first so many: their labels count from 0, their names stay. Applies to test
   * images too. A text that is no name but a whole number is a class number. Default: all.
   */
  readonly classes?: Classes;
  /** At most so many training images of each class, evenly spread over its images. Default: all. */
  readonly takePerClass?: number;
  /**
   * So many training images in all, of those that the other options leave: evenly spread over them sorted by class, so that each
   * class keeps its share, to within one image. Test images stay. Default: all.
   */
  readonly take?: number;
}

export const SUBSET_OPTIONS = {
  classes: CLASSES,
  takePerClass: integer('training images of each class at most, evenly spread', {
    defaultText: 'all',
    min: 1,
  }),
  take: integer('training images in all, evenly spread, each class by its share', {
    defaultText: 'all',
    min: 1,
  }),
} as const;

type CheckedSubset = Checked<typeof SUBSET_OPTIONS>;

/**
 * Classes are chosen first, then images of each class, then images of all. Throws INVALID_OPTION for a class that there is not and for more images
 * than there are.
 */
export function subset(data: DataInput, options: SubsetOptions): Dataset {
  const wanted = checkOptions(
    options,
    undefined,
    SUBSET_OPTIONS,
    'an object of classes, takePerClass and take',
  );
  return chosenFrom(checkLoaded(data), wanted);
}

/** Of a data set that was checked. */
export function chosenFrom(dataset: Dataset, { classes, takePerClass, take }: CheckedSubset): Dataset {
  const labels = classes === undefined ? undefined : classNumbers(classes, dataset.classNames);
  const part = labels === undefined ? dataset : withClasses(dataset, labels);
  const { train, numClasses } = part;
  if (takePerClass === undefined && take === undefined) return part;
  const sorted = sortedByClass(train.labels, numClasses);
  const ofEach = takePerClass === undefined ? sorted.order : spreadInClasses(sorted, takePerClass);
  if (take !== undefined && take > ofEach.length) {
    const hint = 'There are no more training images to take from';
    throw invalidOption('take', `a whole number in [1, ${ofEach.length}]`, take, hint);
  }
  const taken = spread(ofEach, take ?? ofEach.length).sort();
  return { ...part, train: chosen(train, taken) };
}

/** At most `count` of each class, in the order of the classes. */
function spreadInClasses({ order, starts }: ReturnType<typeof sortedByClass>, count: number): Int32Array {
  const taken = new Int32Array(order.length);
  let end = 0;
  for (let label = 0; label + 1 < starts.length; label++) {
    const some = spread(order.subarray(starts[label], starts[label + 1]), count);
    taken.set(some, end);
    end += some.length;
  }
  return taken.subarray(0, end);
}

/** The samples of a split that are of these classes, whose places become their labels; undefined where there are none. */
export function ofClasses(split: Split, classes: readonly number[], numClasses: number): Split | undefined {
  const labelOf = new Int32Array(numClasses).fill(-1);
  for (const [label, number] of classes.entries()) labelOf[number] = label;
  const numbers = Int32Array.from(split.labels.keys()).filter(
    (number) => labelOf[split.labels[number]!]! >= 0,
  );
  if (numbers.length === 0) return undefined;
  const { images, labels } = chosen(split, numbers);
  return { images, labels: labels.map((label) => labelOf[label]!) };
}

/** With labels that count from 0, in the order of `classes`. */
export function withClasses(
  { train, test, classNames, numClasses, ...about }: Dataset,
  classes: readonly number[],
): Dataset {
  const trained = ofClasses(train, classes, numClasses);
  if (trained === undefined) {
    throw new MarginCoreError('INVALID_DATA', 'classes: none of these classes has a training image', {
      details: { option: 'classes' },
    });
  }
  const tested = test && ofClasses(test, classes, numClasses);
  return {
    ...about,
    train: trained,
    ...(tested && { test: tested }),
    classNames: classes.map((number) => classNames[number]!),
    numClasses: classes.length,
  };
}
