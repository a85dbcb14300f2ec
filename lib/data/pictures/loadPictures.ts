/** Pictures in files as a data set: decoded once, and kept for the next time. */
import { note } from '../../base/note.js';
import { decodePictures } from '../decode.js';
import type { LoadingProgress } from '../loading.js';
import { cacheFile, cacheFolder, keyOf } from '../packed/cache.js';
import { packedKey, readPacked, writePacked } from '../packed/packedFile.js';
import type { Dataset, ImageShape } from '../types.js';
import { checkDataset } from '../validate.js';
import { type PictureSettings, progressTeller, sizeOf } from './options.js';
import type { PictureList } from './pictureList.js';
import { digestOf, repetitionNotes } from './repetition.js';

/** Decoded at once: at 224×224×3 some 40 MB. */
const PART = 256;

/**
 * Rejects with FILE_NOT_FOUND or FILE_CORRUPT, naming it, for a picture that cannot be read or decoded, and with FILE_NOT_WRITTEN where
 * what is decoded cannot be kept.
 */
export async function loadPictures(
  list: PictureList,
  settings: PictureSettings,
  progress?: LoadingProgress,
): Promise<Dataset> {
  const { cache = cacheFolder(), resize, background } = settings;
  if (cache === false) return inMemory(list, settings, decoded(list, settings, progress));

  const { root, division } = list;
  const file = await cacheFile(cache, root, [sizeOf(settings), { resize, background }, division]);
  const key = await keyOf(list);
  const known = await packedKey(file);
  if (known !== key) await packPictures(file, list, settings, { key, ...(progress && { progress }) });
  const dataset = await readPacked(file, (sample) => fileOf(list, sample));
  const isStale = known !== undefined && known !== key;
  const stale = note(
    'DECODED_ANEW',
    isStale
      ? `${root}: its pictures changed since they were decoded, and were decoded anew, into ${file}`
      : undefined,
  );
  return { ...dataset, notes: [...stale, ...(dataset.notes ?? [])] };
}

/** Decodes pictures into a file that `readPacked` takes. */
export async function packPictures(
  file: string,
  list: PictureList,
  settings: PictureSettings,
  { key, progress }: { key?: string; progress?: LoadingProgress } = {},
): Promise<void> {
  const { name, classNames, train, notes } = list;
  const { resize, background } = settings;
  await writePacked(
    file,
    { size: sizeOf(settings), labels: labelsOf(list), images: () => decoded(list, settings, progress) },
    {
      ...{ name, classNames, train: train.length, notes },
      ...{ preprocessing: { resize, background }, ...(key !== undefined && { key }) },
    },
  );
}

async function inMemory(
  list: PictureList,
  settings: PictureSettings,
  pictures: AsyncIterable<Uint8Array>,
): Promise<Dataset> {
  const { name, classNames, train, notes } = list;
  const { resize, background } = settings;
  const [H, W, C] = sizeOf(settings);
  const labels = labelsOf(list);
  const size = H * W * C;
  const data = new Uint8Array(labels.length * size);
  const digests = new BigUint64Array(labels.length);
  let sample = 0;
  for await (const part of pictures) {
    data.set(part, sample * size);
    for (let begin = 0; begin < part.length; begin += size) {
      digests[sample++] = digestOf(part.subarray(begin, begin + size));
    }
  }
  const split = (first: number, end: number) => ({
    images: { data: data.subarray(first * size, end * size), shape: [end - first, H, W, C] as ImageShape },
    labels: labels.subarray(first, end),
  });
  const dataset = {
    ...{ name, classNames: [...classNames], numClasses: classNames.length },
    train: split(0, train.length),
    ...(train.length < labels.length && { test: split(train.length, labels.length) }),
    preprocessing: { resize, background },
    notes: [...notes, ...repetitionNotes(digests, train.length, (each) => fileOf(list, each))],
  };
  return checkDataset(dataset, list.root);
}

/** Pixels of all pictures, the training images first, some hundred at a time. */
async function* decoded(
  { train, test }: PictureList,
  settings: PictureSettings,
  progress: LoadingProgress | undefined,
): AsyncGenerator<Uint8Array> {
  const { resize, background, signal } = settings;
  const tell = progressTeller(settings, progress);
  const files = [...train, ...test].map(({ file }) => file);
  tell(0);
  for (let first = 0; first < files.length; first += PART) {
    const part = files.slice(first, first + PART);
    const { data } = await decodePictures(part, sizeOf(settings), { resize, background }, signal);
    yield data;
    tell((first + part.length) / files.length);
  }
}

const labelsOf = ({ train, test }: PictureList) => Int32Array.from([...train, ...test], ({ label }) => label);

/** The file of a sample, training images first. */
const fileOf = ({ train, test }: PictureList, sample: number) =>
  (train[sample] ?? test[sample - train.length])!.file;
