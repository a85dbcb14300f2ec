/** Whatever images are given as, in parts that are small enough to be in memory: arrays as they are, pictures decoded. */
import { join } from 'node:path';
import { didYouMean } from '../base/check.js';
import { invalidOption, MarginCoreError } from '../base/errors.js';
import { ChosenImages } from '../data/chosenImages.js';
import { decodePictures, type Picture } from '../data/decode.js';
import { checkImagesOfSize, type ImageSize } from '../data/imageSize.js';
import { classFolders, pictureFiles } from '../data/pictureFiles.js';
import type { Preprocessing } from '../data/preprocessing.js';
import type { ImageArray, ImageInput, Split } from '../data/types.js';
import { checkImages } from '../data/validate.js';
import { rowsOfRank } from '../distributed/rowsOfRank.js';

/**
 * An array of pixels; a picture's file or what would be in it; a folder of pictures; several of these in a list, or one after
 * another of something asynchronous.
 */
export type ImagesInput = ImageInput | Picture | readonly Picture[] | AsyncIterable<Picture>;

export interface Part {
  readonly images: ImageArray;
  /** Paths of the pictures, where they have some; otherwise ''. */
  readonly files?: readonly string[];
}

/** Decoded at once: at 224×224×3 some 40 MB. */
const PART = 256;

export interface PartsOptions {
  readonly size: ImageSize;
  readonly preprocessing: Preprocessing;
  readonly signal?: AbortSignal | undefined;
}

/** Rejects with INVALID_OPTION, FILE_NOT_FOUND, FILE_CORRUPT, and with SHAPE_MISMATCH for arrays of another size. */
export async function* partsOf(
  input: ImagesInput,
  { size, preprocessing, signal }: PartsOptions,
): AsyncGenerator<Part> {
  if (!isPictures(input)) {
    yield { images: checkImagesOfSize(input, size, 'images') };
    return;
  }
  let pictures: Picture[] = [];
  const part = async (): Promise<Part> => {
    const taken = pictures;
    pictures = [];
    const images = await decodePictures(taken, size, preprocessing, signal);
    return { images, files: taken.map((picture) => (typeof picture === 'string' ? picture : '')) };
  };
  let isEmpty = true;
  for await (const picture of eachPicture(input)) {
    isEmpty = false;
    pictures.push(picture);
    if (pictures.length === PART) yield await part();
  }
  if (isEmpty) throw invalidOption('images', 'one or more images', input);
  if (pictures.length > 0) yield await part();
}

/**
 * Those of a rank, where all are given the same: parts follow one another by rank. undefined: it has none.
 * @throws UNSUPPORTED for what comes one after another, whose number nobody knows.
 */
export async function imagesOfRank(
  input: ImagesInput,
  { rank, size }: { readonly rank: number; readonly size: number },
): Promise<ImagesInput | undefined> {
  if (isAsync(input)) {
    throw new MarginCoreError(
      'UNSUPPORTED',
      'images that come one after another cannot be divided among processes: give a list, a folder or an array',
    );
  }
  if (isPictures(input)) {
    const pictures: Picture[] = [];
    for await (const picture of eachPicture(input)) pictures.push(picture);
    const { first, count } = rowsOfRank(pictures.length, rank, size);
    return count === 0 ? undefined : pictures.slice(first, first + count);
  }
  const images = checkImages(input, 'images');
  const { first, count } = rowsOfRank(images.shape[0], rank, size);
  const numbers = Int32Array.from({ length: count }, (_, index) => first + index);
  return count === 0 ? undefined : ChosenImages.of(images, numbers);
}

/**
 * The pictures of a folder that has a folder for each class, called as the class is. Rejects with FILE_NOT_FOUND where there
 * are none, and with INVALID_DATA for a folder that is called otherwise.
 */
export async function* labelledParts(
  folder: string,
  classNames: readonly string[],
  { size, preprocessing, signal }: PartsOptions,
): AsyncGenerator<Split> {
  const labelOf = new Map(classNames.map((name, label) => [name, label]));
  const pictures = (await classFolders(folder)).flatMap(({ name, files }) => {
    const label = labelOf.get(name);
    if (label === undefined) throw unknownClass(folder, name, classNames);
    return files.map((file) => ({ file, label }));
  });
  for (let first = 0; first < pictures.length; first += PART) {
    const part = pictures.slice(first, first + PART);
    const files = part.map(({ file }) => file);
    const labels = Int32Array.from(part, ({ label }) => label);
    yield { images: await decodePictures(files, size, preprocessing, signal), labels };
  }
}

function unknownClass(folder: string, name: string, classNames: readonly string[]): MarginCoreError {
  const hint =
    (['train', 'val', 'test'].includes(name) && `For what is in it give ${join(folder, name)}`) ||
    didYouMean(name, classNames) ||
    `Its classes are ${classNames.slice(0, 10).join(', ')}${classNames.length > 10 ? ', …' : ''}`;
  return new MarginCoreError(
    'INVALID_DATA',
    `${folder}: expected a folder for each class, called as the model's classes are, found '${name}'. ${hint}`,
    { details: { path: folder, found: name } },
  );
}

function isPictures(input: ImagesInput): input is Exclude<ImagesInput, ImageInput> {
  return typeof input === 'string' || ArrayBuffer.isView(input) || Array.isArray(input) || isAsync(input);
}

const isAsync = (value: unknown): value is AsyncIterable<Picture> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;

async function* eachPicture(input: Exclude<ImagesInput, ImageInput>): AsyncGenerator<Picture> {
  const list = typeof input === 'string' || ArrayBuffer.isView(input) ? [input] : input;
  let index = 0;
  for await (const picture of list) {
    if (typeof picture === 'string') yield* await pictureFiles(picture);
    else if (picture instanceof Uint8Array || ArrayBuffer.isView(picture)) yield picture as Uint8Array;
    else throw invalidOption(`images[${index}]`, 'a path or the bytes of a picture', picture);
    index++;
  }
}
