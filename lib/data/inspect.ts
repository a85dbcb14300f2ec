/** What a data set is made of, and what is wrong with it: each picture is decoded, and what cannot be is listed. */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { turnEventLoop } from '../base/abort.js';
import { MarginCoreError } from '../base/errors.js';
import type { Note } from '../base/note.js';
import { readBytes } from '../files/readBytes.js';
import { decodePictures, pictureSize } from './decode.js';
import type { Loading } from './loading.js';
import type { PictureList } from './pictures/pictureList.js';
import { digestOf } from './pictures/repetition.js';
import { pixelsOf } from './pixels.js';
import { DEFAULT_PREPROCESSING } from './preprocessing.js';
import { listPicturesNamed, loadDataNamed } from './sets/index.js';
import type { Dataset, Split } from './types.js';

/** What `inspectData` found. */
export interface DataInspection {
  readonly name: string;
  /** How many images there are, the broken ones as well. */
  readonly images: { readonly train: number; readonly test: number };
  /** By label */
  readonly classes: readonly ClassCount[];
  /** The most frequent first */
  readonly sizes: readonly { readonly height: number; readonly width: number; readonly images: number }[];
  /** Images whose content is the same to the byte: files, or 'train 17' of data that has none. */
  readonly duplicates: readonly (readonly string[])[];
  /** Pictures that cannot be decoded, and why. */
  readonly broken: readonly BrokenPicture[];
  readonly notes: readonly Note[];
}

/** A class by name, and how many images of it there are. */
export interface ClassCount {
  readonly name: string;
  readonly train: number;
  readonly test: number;
}

/** A picture that cannot be decoded, and what the decoder said. */
export interface BrokenPicture {
  readonly file: string;
  readonly reason: string;
}

/** Decoded to: all of a picture is read, whatever of it is kept. */
const SMALL = [8, 8, 3] as const;

/** Looks at all of a data set by its name or path. Rejects where its form is wrong, but not for a picture that is broken. */
export async function inspectData(name: string, loading: Loading = {}): Promise<DataInspection> {
  const list = await listPicturesNamed(name, loading.options ?? {});
  return list === undefined
    ? inspectArrays(await loadDataNamed(name, loading))
    : inspectPictures(list, loading);
}

async function inspectPictures(list: PictureList, { progress, signal }: Loading): Promise<DataInspection> {
  const { name, classNames, train, test, notes } = list;
  const files = [...new Set([...train, ...test].map(({ file }) => file))];
  const broken = new Map<string, string>();
  const sizes = new Map<string, number>();
  const contents = new Map<string, string[]>();
  let done = 0;
  const waiting = files.values();
  const work = async () => {
    for (const file of waiting) {
      signal?.throwIfAborted();
      try {
        await decodePictures([file], SMALL, DEFAULT_PREPROCESSING);
        const bytes = await readBytes(file);
        count(sizes, (await pictureSize(bytes)).join('×'));
        addTo(contents, createHash('sha256').update(bytes).digest('base64'), file);
      } catch (error) {
        if (!(error instanceof MarginCoreError)) throw error;
        broken.set(file, error.message);
      }
      if (progress) progress.fraction = ++done / files.length;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const place = new Map(files.map((file, index) => [file, index]));
  const sorted = (some: Iterable<string>) => [...some].sort((a, b) => place.get(a)! - place.get(b)!);
  return {
    ...{ name, images: { train: train.length, test: test.length } },
    classes: classCounts(
      classNames,
      train.map(({ label }) => label),
      test.map(({ label }) => label),
    ),
    sizes: mostFrequent(sizes),
    duplicates: [...contents.values()].filter((same) => same.length > 1).map(sorted),
    broken: sorted(broken.keys()).map((file) => ({ file, reason: broken.get(file)! })),
    notes,
  };
}

async function inspectArrays({
  name,
  classNames,
  train,
  test,
  notes = [],
}: Dataset): Promise<DataInspection> {
  const contents = new Map<string, string[]>();
  const add = async (splitName: string, { images }: Split) => {
    for (let sample = 0; sample < images.shape[0]; sample++) {
      addTo(contents, String(digestOf(pixelsOf(images, sample))), `${splitName} ${sample}`);
      if (sample % 256 === 255) await turnEventLoop(undefined);
    }
  };
  await add('train', train);
  if (test) await add('test', test);
  const [, height, width] = train.images.shape;
  const images = { train: train.labels.length, test: test?.labels.length ?? 0 };
  return {
    ...{ name, images, broken: [], notes },
    classes: classCounts(classNames, train.labels, test?.labels ?? []),
    sizes: [{ height, width, images: images.train + images.test }],
    duplicates: [...contents.values()].filter((same) => same.length > 1),
  };
}

function classCounts(
  classNames: readonly string[],
  train: ArrayLike<number>,
  test: ArrayLike<number>,
): ClassCount[] {
  const counted = (labels: ArrayLike<number>) => {
    const counts = new Uint32Array(classNames.length);
    for (const label of Array.from(labels)) counts[label]!++;
    return counts;
  };
  const [ofTrain, ofTest] = [counted(train), counted(test)];
  return classNames.map((name, label) => ({ name, train: ofTrain[label]!, test: ofTest[label]! }));
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function addTo(groups: Map<string, string[]>, key: string, member: string): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [member]);
  else group.push(member);
}

function mostFrequent(sizes: ReadonlyMap<string, number>): DataInspection['sizes'] {
  return [...sizes]
    .sort(([a, times], [b, others]) => others - times || (a < b ? -1 : 1))
    .map(([size, images]) => {
      const [height, width] = size.split('×').map(Number) as [number, number];
      return { height, width, images };
    });
}
