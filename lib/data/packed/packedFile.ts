/**
 * A data set as one file that is ready to be trained on: safetensors with `labels` (N) I32, `images` (N, H, W, C) U8 and
 * `digests` (N) U64 of these, training images first, and a description of the rest in its metadata. It is mapped into memory, so that it may be larger than that.
 */
import { isRecord } from '../../base/check.js';
import { MarginCoreError } from '../../base/errors.js';
import type { Note } from '../../base/note.js';
import { parseJson } from '../../files/json.js';
import { MappedFile } from '../../files/mappedFile.js';
import { writeSafetensors } from '../../files/safetensors.js';
import { corruptFile, type TensorFile, usingFile } from '../../files/tensorFile.js';
import type { ImageSize } from '../imageSize.js';
import { PackedImages } from '../packedImages.js';
import { digestOf, repetitionNotes } from '../pictures/repetition.js';
import { checkPreprocessing, type Preprocessing } from '../preprocessing.js';
import type { Dataset, ImageShape } from '../types.js';
import { checkDataset } from '../validate.js';

const FORMAT = 'margincore data';
const VERSION = 1;
/** Of a description: lists of names and notes in an object. */
const LIMITS = { depth: 4, count: 2 ** 10 };

/** All but the images and labels. */
export interface PackedDescription {
  readonly name: string;
  readonly classNames: readonly string[];
  /** How many of the samples, from the first on, are trained on; the rest is the test set. */
  readonly train: number;
  readonly preprocessing?: Preprocessing;
  readonly notes: readonly Note[];
  /** What tells whether it is still what would be packed today. */
  readonly key?: string;
}

export interface SamplesToPack {
  readonly size: ImageSize;
  readonly labels: Int32Array;
  /** Pixels of all samples in their order, whole images each. */
  images(): AsyncIterable<Uint8Array>;
}

/** Written aside. */
export async function writePacked(
  path: string,
  { size: [H, W, C], labels, images }: SamplesToPack,
  description: PackedDescription,
): Promise<void> {
  const N = labels.length;
  const digests = new BigUint64Array(N);
  async function* digested() {
    let sample = 0;
    for await (const piece of images()) {
      for (let begin = 0; begin < piece.length; begin += H * W * C) {
        digests[sample++] = digestOf(piece.subarray(begin, begin + H * W * C));
      }
      yield piece;
    }
  }
  const all = <T>(values: T) =>
    async function* () {
      yield values;
    };
  await writeSafetensors(
    path,
    [
      { name: 'labels', shape: [N], dtype: 'I32', pieces: all(labels) },
      { name: 'images', shape: [N, H, W, C], dtype: 'U8', pieces: digested },
      { name: 'digests', shape: [N], dtype: 'U64', pieces: all(digests) },
    ],
    { format: FORMAT, version: String(VERSION), data: JSON.stringify(description) },
  );
}

/**
 * A data set whose images stay in the file. `nameOf` calls a sample by name in a note. Rejects with FILE_NOT_FOUND, with FILE_CORRUPT for a file that is not one, or
 * truncated, with NEWER_VERSION, and with what other data is refused with.
 */
export async function readPacked(
  path: string,
  nameOf = (sample: number): string => `sample ${sample} of ${path}`,
): Promise<Dataset> {
  return usingFile(path, async (file) => {
    const { name, classNames, train, preprocessing, notes } = descriptionOf(file);
    const labels = file.tensors.get('labels');
    const images = file.tensors.get('images');
    const N = labels?.shape[0] ?? 0;
    const digests = file.tensors.get('digests');
    if (labels?.dtype !== 'I32' || labels.shape.length !== 1) {
      throw corruptFile(path, "it has no 'labels' (N) of I32");
    }
    if (digests?.dtype !== 'U64' || digests.shape.length !== 1 || digests.shape[0] !== N) {
      throw corruptFile(path, `it has no 'digests' (${N}) of U64`);
    }
    if (
      images?.dtype !== 'U8' ||
      images.shape.length !== 4 ||
      images.shape[0] !== N ||
      images.shape.includes(0)
    ) {
      throw corruptFile(path, `it has no 'images' (${N}, H, W, C) of U8`);
    }
    if (train < 1 || train > N) throw corruptFile(path, `it has ${N} samples, ${train} of them to train on`);
    const mapped = new MappedFile(path);
    const copy = (begin: number, length: number) => mapped.bytes(begin, length).slice().buffer;
    const numbers = new Int32Array(copy(labels.begin, 4 * N));
    const repeated = repetitionNotes(new BigUint64Array(copy(digests.begin, 8 * N)), train, nameOf);
    const [, H, W, C] = images.shape as ImageShape;
    const split = (first: number, end: number) => ({
      images: new PackedImages(mapped, images.begin + first * H * W * C, [end - first, H, W, C]),
      labels: numbers.subarray(first, end),
    });
    const dataset = {
      ...{ name, classNames: [...classNames], numClasses: classNames.length, train: split(0, train) },
      ...(train < N && { test: split(train, N) }),
      ...(preprocessing && { preprocessing }),
      notes: [...notes, ...repeated],
    };
    return checkDataset(dataset, path);
  });
}

/** The key that a packed file was written with; undefined where there is no such file, or none of ours. */
export async function packedKey(path: string): Promise<string | undefined> {
  try {
    return await usingFile(path, async (file) => descriptionOf(file).key ?? '');
  } catch (error) {
    if (error instanceof MarginCoreError) return undefined;
    throw error;
  }
}

function descriptionOf({ path, metadata }: TensorFile): PackedDescription {
  const { format, version, data } = metadata;
  if (format !== FORMAT || data === undefined) throw corruptFile(path, 'it is no packed data set');
  if (Number(version) > VERSION) {
    throw new MarginCoreError(
      'NEWER_VERSION',
      `${path} was written by a newer margincore (version ${version} of the format, ${VERSION} is known here)`,
      { details: { path } },
    );
  }
  try {
    return checkDescription(parseJson(data, LIMITS));
  } catch (error) {
    throw corruptFile(path, `its description is damaged (${(error as Error).message})`);
  }
}

function checkDescription(value: unknown): PackedDescription {
  if (!isRecord(value)) throw new Error('it is no object');
  const { name, classNames, train, preprocessing, notes, key } = value;
  const isTexts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((each) => typeof each === 'string');
  if (typeof name !== 'string' || !isTexts(classNames)) throw new Error('it names no classes');
  if (!Number.isSafeInteger(train)) throw new Error('it does not say how many samples to train on');
  if (key !== undefined && typeof key !== 'string') throw new Error('its key is no text');
  return {
    // The rest is checked as the data set is.
    ...{ name, classNames, train: train as number, notes: notes as readonly Note[] },
    ...(preprocessing !== undefined && { preprocessing: checkPreprocessing(preprocessing, 'preprocessing') }),
    ...(key !== undefined && { key }),
  };
}
