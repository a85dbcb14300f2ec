/** The one check of everything that a user may give as data. Code behind it takes a Dataset at its word. */
import { inspect } from 'node:util';
import { checkKeys, isRecord } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import type { Note } from '../base/note.js';
import { checkLabelArray, checkPixels } from './checkViews.js';
import { isView } from './pixels.js';
import { checkPreprocessing } from './preprocessing.js';
import type {
  DataInput,
  Dataset,
  ImageArray,
  ImageInput,
  ImageShape,
  LabelInput,
  Split,
  SplitInput,
} from './types.js';

const MAX_CHANNELS = 16;
const MIN_CLASSES = 2;

/** The largest face sets have four million identities: a label above is an identifier, not a class number. */
export const MAX_CLASSES = 2 ** 22;

/** Labels are copied, so that no later write gets past this check. Pixels are not: every byte is a valid one. */
export function checkDataset(input: DataInput, optionName: string): Dataset {
  const parts = partsOf(input, optionName);
  const train = checkSplit(parts.train, parts.trainName, parts.classNames?.length);
  const classNames = parts.classNames ?? numberedClasses(train.labels);
  const numClasses = classNames.length;
  const { name, about } = parts;
  if (parts.test === undefined) return { name, train, classNames, numClasses, ...about };

  const testName = `${optionName}.test`;
  const test = checkSplit(parts.test, testName, numClasses);
  checkSameImageSize(train.images.shape, test.images.shape, testName);
  return { name, train, test, classNames, numClasses, ...about };
}

/** Of data that is there: it is not awaited. */
export function checkLoaded(data: DataInput): Dataset {
  if (!(data instanceof Promise)) return checkDataset(data, 'data');
  throw invalidOption('data', 'a data set', data, 'It is still being loaded: await it first');
}

/** Data may be of a class, whose fields are getters, where options are plain objects. */
export function checkFields(value: unknown, where: string, fields: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw invalidOption(where, `an object of ${fields.join(', ')}`, value);
  }
  checkKeys(value as Record<string, unknown>, fields, `${where}.`);
}

interface Parts {
  name: string;
  train: SplitInput;
  trainName: string;
  test: SplitInput | undefined;
  classNames: string[] | undefined;
  about?: Pick<Dataset, 'preprocessing' | 'notes'>;
}

/** The two forms of data, a Dataset and a user's arrays, as one. */
function partsOf(input: DataInput, where: string): Parts {
  if (typeof input !== 'object' || input === null || !('train' in input)) {
    checkFields(input, where, ['images', 'labels', 'classNames', 'test']);
    const { images, labels, classNames, test } = input;
    return {
      name: 'arrays',
      train: { images, labels },
      trainName: where,
      test,
      classNames: classNames === undefined ? undefined : checkClassNames(classNames, `${where}.classNames`),
    };
  }
  checkFields(input, where, ['name', 'train', 'test', 'classNames', 'numClasses', 'preprocessing', 'notes']);
  if (typeof input.name !== 'string') throw invalidOption(`${where}.name`, 'a string', input.name);
  const classNames = checkClassNames(input.classNames, `${where}.classNames`);
  if (input.numClasses !== classNames.length) {
    const expected = `${classNames.length}, the number of class names`;
    throw invalidData(`${where}.numClasses`, expected, String(input.numClasses));
  }
  const { name, train, test, preprocessing, notes } = input;
  const about = {
    ...(preprocessing && { preprocessing: checkPreprocessing(preprocessing, `${where}.preprocessing`) }),
    ...(notes && { notes: checkNotes(notes, `${where}.notes`) }),
  };
  return { name, train, trainName: `${where}.train`, test, classNames, about };
}

function checkNotes(notes: readonly Note[], where: string): readonly Note[] {
  const isNote = (each: unknown): each is Note =>
    isRecord(each) && typeof each.code === 'string' && typeof each.message === 'string';
  if (!Array.isArray(notes) || !notes.every(isNote)) {
    throw invalidOption(where, 'a list of notes { code, message }', notes);
  }
  return [...notes];
}

export function checkClassNames(classNames: readonly string[], where: string): string[] {
  if (!Array.isArray(classNames) || !classNames.every((name) => typeof name === 'string')) {
    throw invalidOption(where, 'an array of strings', classNames);
  }
  if (classNames.length < MIN_CLASSES || classNames.length > MAX_CLASSES) {
    throw invalidData(where, `${MIN_CLASSES} to ${MAX_CLASSES} names`, `${classNames.length}`);
  }
  return [...classNames];
}

function numberedClasses(labels: Int32Array): string[] {
  const highest = labels.reduce((max, label) => Math.max(max, label), 0);
  return numberedNames(Math.max(MIN_CLASSES, highest + 1));
}

/** '0', '1', … for classes that have no other names. */
export function numberedNames(count: number): string[] {
  return Array.from({ length: count }, (_, label) => String(label));
}

/** Without `numClasses` any label of 0 or more is a class. */
export function checkSplit(split: SplitInput, where: string, numClasses?: number): Split {
  checkFields(split, where, ['images', 'labels']);
  const images = checkImages(split.images, `${where}.images`);
  return { images, labels: checkLabels(split.labels, images.shape[0], numClasses, `${where}.labels`) };
}

export function checkImages(images: ImageInput, where: string): ImageArray {
  if (isView(images)) return images;
  checkFields(images, where, ['data', 'shape']);
  const shape = checkShape(images.shape, `${where}.shape`);
  const data = checkPixels(images.data, `${where}.data`);
  const bytes = shape.reduce((product, size) => product * size, 1);
  if (data.length !== bytes) {
    throw invalidData(`${where}.data`, `${bytes} bytes for shape ${show(shape)}`, `${data.length}`);
  }
  return { data, shape };
}

function checkShape(shape: Readonly<ImageShape>, where: string): ImageShape {
  if (!Array.isArray(shape) || shape.length !== 4 || !shape.every((size) => typeof size === 'number')) {
    throw invalidOption(
      where,
      'an array [N, H, W, C]',
      shape,
      'Images without a channel dimension have C = 1',
    );
  }
  const [N, H, W, C] = shape as ImageShape;
  if (![N, H, W, C].every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw invalidData(where, '[N, H, W, C] of whole numbers above 0', show(shape));
  }
  if (C > MAX_CHANNELS) {
    throw invalidData(where, `[N, H, W, C], channels last, with C up to ${MAX_CHANNELS}`, show(shape));
  }
  return [N, H, W, C];
}

function checkLabels(
  labels: LabelInput,
  count: number,
  numClasses: number | undefined,
  where: string,
): Int32Array {
  const given = checkLabelArray(labels, where);
  if (given.length !== count) throw invalidData(where, `${count} labels, one per image`, `${given.length}`);
  const highest = (numClasses ?? MAX_CLASSES) - 1;
  const checked = new Int32Array(count);
  for (let sample = 0; sample < count; sample += 1) {
    const label = given[sample]!;
    if (!Number.isInteger(label) || label < 0 || label > highest) {
      const found = inspect(label, { depth: 0, maxStringLength: 40 });
      throw invalidData(`${where}: label of sample ${sample}`, `an integer in 0…${highest}`, found, {
        sample,
      });
    }
    checked[sample] = label;
  }
  return checked;
}

function checkSameImageSize(train: ImageShape, test: ImageShape, testName: string): void {
  const size = show(train.slice(1));
  if (show(test.slice(1)) !== size) {
    throw invalidData(
      `${testName}.images.shape`,
      `[H, W, C] = ${size} as in the training images`,
      show(test.slice(1)),
    );
  }
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function invalidData(
  where: string,
  expected: string,
  found: string,
  details: Record<string, unknown> = {},
): MarginCoreError {
  return new MarginCoreError('INVALID_DATA', `${where}: expected ${expected}, found ${found}`, {
    details: { ...details, expected, found },
  });
}
