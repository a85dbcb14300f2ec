/**
 * CIFAR-10 and CIFAR-100 as published, in binary (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte, or of
 * a coarse and a fine one, and 32×32 red, then green, then blue bytes.
 */
import { basename, join, resolve } from 'node:path';
import { turnEventLoop } from '../../base/abort.js';
import { checkPath } from '../../base/check.js';
import { MarginCoreError } from '../../base/errors.js';
import { note } from '../../base/note.js';
import { checkOptions, choice } from '../../base/optionTable.js';
import { readBytes } from '../../files/readBytes.js';
import type { Dataset, Split } from '../types.js';
import { checkDataset } from '../validate.js';
import type { FolderFormat } from './format.js';
import { refused } from './refused.js';

const SIDE = 32;
const PLANE = SIDE * SIDE;
const PIXELS = 3 * PLANE;

/** How one of the two data sets lies in its folder. */
interface Layout {
  readonly train: readonly string[];
  readonly test: string;
  /** Of the names of the classes, one a line */
  readonly names: string;
  /** How many classes each of the bytes before the pixels tells apart, and which of them is the label */
  readonly classes: readonly number[];
  readonly label: number;
}

const CIFAR_10: Layout = {
  train: [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`),
  ...{ test: 'test_batch.bin', names: 'batches.meta.txt', classes: [10], label: 0 },
};

const CIFAR_100 = { train: ['train.bin'], test: 'test.bin', classes: [20, 100] } as const;
const FINE: Layout = { ...CIFAR_100, names: 'fine_label_names.txt', label: 1 };
const COARSE: Layout = { ...CIFAR_100, names: 'coarse_label_names.txt', label: 0 };

const PUBLISHED = { train: 50_000, test: 10_000 } as const;

/** Options of `datasets.cifar100`. */
export interface Cifar100Options {
  /** 'fine': 100 classes. 'coarse': the 20 superclasses. Default 'fine' */
  readonly labels?: 'fine' | 'coarse';
}

export const CIFAR_100_OPTIONS = {
  labels: choice('fine: 100 classes; coarse: 20 superclasses', ['fine', 'coarse'], { default: 'fine' }),
} as const;

/** The folder of CIFAR-10's binary version, cifar-10-batches-bin: data_batch_1.bin to _5.bin, test_batch.bin, batches.meta.txt. */
export const cifar10 = (folder: string): Promise<Dataset> => load(folder, CIFAR_10);

/** The folder of CIFAR-100's binary version, cifar-100-binary: train.bin, test.bin, fine_label_names.txt, coarse_label_names.txt. */
export async function cifar100(folder: string, options: Cifar100Options = {}): Promise<Dataset> {
  const { labels } = checkOptions(options, undefined, CIFAR_100_OPTIONS);
  return load(folder, labels === 'fine' ? FINE : COARSE);
}

/** Any of their files will do: the loader says which one is missing. */
const fits = ({ train, test }: Layout): FolderFormat['fits'] => {
  return ({ files }) => [...train, test].some((name) => files.has(name));
};

export const cifar10Format: FolderFormat = {
  files: 'CIFAR-10 in binary (data_batch_1.bin, …)',
  fits: fits(CIFAR_10),
  load: (folder, { options }) => {
    checkOptions(options ?? {}, undefined, {});
    return cifar10(folder);
  },
};

export const cifar100Format: FolderFormat = {
  files: 'CIFAR-100 in binary (train.bin, test.bin, …)',
  fits: fits(FINE),
  load: (folder, { options }) => cifar100(folder, options),
};

async function load(path: string, layout: Layout): Promise<Dataset> {
  const folder = checkPath(path, 'the folder of CIFAR');
  const classNames = await namesIn(join(folder, layout.names), layout.classes[layout.label]!);
  const train = await readSplit(folder, layout.train, layout);
  const test = await readSplit(folder, [layout.test], layout);
  const found = { train: train.labels.length, test: test.labels.length };
  const isWhole = found.train === PUBLISHED.train && found.test === PUBLISHED.test;
  const notes = note(
    'DATA_INCOMPLETE',
    isWhole
      ? undefined
      : `${folder}: ${found.train} and ${found.test} images, of ${PUBLISHED.train} and ${PUBLISHED.test} that were published`,
  );
  const dataset = { name: basename(resolve(folder)), train, test, classNames, numClasses: classNames.length };
  return checkDataset({ ...dataset, notes }, folder);
}

async function namesIn(path: string, count: number): Promise<string[]> {
  const lines = (await readBytes(path)).toString().split('\n');
  const names = lines.map((line) => line.trim()).filter((line) => line !== '');
  if (names.length !== count)
    throw refused('FILE_CORRUPT', path, `${count} names of classes`, `${names.length}`);
  return names;
}

async function readSplit(folder: string, names: readonly string[], layout: Layout): Promise<Split> {
  const record = layout.classes.length + PIXELS;
  const files: { path: string; bytes: Buffer }[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const bytes = await readBytes(path);
    if (bytes.length === 0 || bytes.length % record !== 0) {
      throw refused('FILE_CORRUPT', path, `whole records of ${record} bytes`, `${bytes.length} bytes`);
    }
    files.push({ path, bytes });
  }
  const N = files.reduce((sum, { bytes }) => sum + bytes.length / record, 0);
  const data = new Uint8Array(N * PIXELS);
  const labels = new Int32Array(N);
  let sample = 0;
  for (const { path, bytes } of files) {
    for (let begin = 0; begin < bytes.length; begin += record) {
      expectLabels(path, bytes, begin, layout);
      labels[sample] = bytes[begin + layout.label]!;
      interleave(bytes, begin + layout.classes.length, data, sample * PIXELS);
      if (++sample % 1000 === 0) await turnEventLoop(undefined); // some milliseconds
    }
  }
  return { images: { data, shape: [N, SIDE, SIDE, 3] }, labels };
}

/** A byte too many or too few would show in a label, since they are small. */
function expectLabels(path: string, bytes: Buffer, begin: number, { classes }: Layout): void {
  for (const [index, count] of classes.entries()) {
    const found = bytes[begin + index]!;
    if (found < count) continue;
    throw new MarginCoreError(
      'FILE_CORRUPT',
      `${path}: expected a label of 0…${count - 1} at byte ${begin + index}, found ${found}`,
      { details: { path, byte: begin + index, found } },
    );
  }
}

/** Three planes → red, green, blue of each pixel. */
function interleave(from: Uint8Array, begin: number, to: Uint8Array, first: number): void {
  for (let pixel = 0; pixel < PLANE; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      to[first + 3 * pixel + channel] = from[begin + channel * PLANE + pixel]!;
    }
  }
}
