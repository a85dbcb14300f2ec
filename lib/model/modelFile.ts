/** What a model's file says of it beside its tensors, and the reading of such files, which strangers may have written. */
import { checkInteger, isRecord } from '../base/check.js';
import { MarginCoreError } from '../base/errors.js';
import { type Checked, checkOptions, option } from '../base/optionTable.js';
import { type ImageSize, isImageSize } from '../data/imageSize.js';
import { type ChannelNormalization, checkChannels } from '../data/normalize.js';
import { checkPreprocessing, type Preprocessing } from '../data/preprocessing.js';
import { checkClassNames, MAX_CLASSES, numberedNames } from '../data/validate.js';
import { parseJson } from '../files/json.js';
import { CHECKSUM, type Metadata } from '../files/safetensors.js';
import { corruptFile, type TensorFile } from '../files/tensorFile.js';
import { checkHead, checkHeadKeys, type ResolvedHead, resolveHead } from '../heads/resolve.js';
import { checkModel, type ModelDescription } from '../networks/index.js';

/** All that a model is but for the numbers in its tensors. */
export interface ModelDescriptor {
  readonly network: ModelDescription;
  /** [H, W, C] of one image */
  readonly input: ImageSize;
  readonly head: ResolvedHead;
  readonly classNames: readonly string[];
  readonly normalization: ChannelNormalization;
  /** Of pictures, before they are normalised. */
  readonly preprocessing: Preprocessing;
}

/** Raised by whatever older versions would misread. */
const VERSION = 1;

/** Of descriptions: native code takes 64 layers within one another, and 65,536 of them; a run may have many epochs. */
const DESCRIPTION_LIMITS = { depth: 160, count: 2 ** 20 };

/** Names of the entries in the metadata. */
const FORMAT = 'margincore';
const DESCRIPTION = 'model';

const DESCRIPTION_PARTS = {
  network: option('', checkModel, { required: true }),
  input: option('', checkInput, { required: true }),
  head: option('', checkHeadOptions, { required: true }),
  classes: option('', checkClasses, { required: true }),
  normalization: option('', checkChannels, { required: true }),
  preprocessing: option('', checkPreprocessing, { default: {} }),
} as const;

export function modelMetadata({
  network,
  input,
  head,
  classNames,
  normalization,
  preprocessing,
}: ModelDescriptor): Metadata {
  const { name, layers, init } = network;
  const numbered = numberedNames(classNames.length);
  const description = {
    network: { name, layers, ...(init !== undefined && { init }) },
    input,
    head: head.effective,
    classes: classNames.every((name, index) => name === numbered[index]) ? classNames.length : classNames,
    normalization: { mean: [...normalization.mean], std: [...normalization.std] },
    preprocessing,
  };
  return metadataFor(DESCRIPTION, description);
}

/** Metadata of a file of ours, with an entry that `readMetadata` reads. */
export function metadataFor(name: string, description: object): Metadata {
  return { [FORMAT]: String(VERSION), [name]: JSON.stringify(description) };
}

/** Whether a margincore wrote it. */
export const isOurs = ({ metadata }: TensorFile): boolean => metadata[FORMAT] !== undefined;

/** Throws NEWER_VERSION, and FILE_CORRUPT with what is wrong of it. */
export function readDescriptor(file: TensorFile): ModelDescriptor {
  const { network, input, head, classes, normalization, preprocessing } = checkedDescription(file);
  expectClassWeights(file, typeof classes === 'number' ? classes : classes.length);
  const classNames = typeof classes === 'number' ? numberedNames(classes) : classes;
  return believing(file, () => {
    const { mean, std } = normalization;
    if (
      [...mean, ...std].some((value) => !Number.isFinite(Math.fround(value))) ||
      std.some((value) => Math.fround(value) === 0)
    ) {
      throw corruptFile(file.path, 'normalization: expected numbers that fp32 has');
    }
    if (mean.length !== input[2] || std.length !== input[2]) {
      throw corruptFile(file.path, `normalization: expected ${input[2]} numbers, one per channel`);
    }
    return {
      network,
      input,
      head: resolveHead(checkHead(head), classNames.length),
      classNames,
      normalization: { mean: Float32Array.from(mean), std: Float32Array.from(std) },
      preprocessing,
    };
  });
}

/** Before anything is made of so many. */
function expectClassWeights(file: TensorFile, numClasses: number): void {
  const rows = file.tensors.get('head.weight')?.shape[0];
  if (rows === undefined)
    throw corruptFile(file.path, "it lacks the tensor 'head.weight' of its own network");
  if (rows !== numClasses)
    throw corruptFile(
      file.path,
      `tensor 'head.weight' has ${rows} rows, its own head expects ${numClasses}, one per class`,
    );
}

function checkedDescription(file: TensorFile): Checked<typeof DESCRIPTION_PARTS> {
  const json = readMetadata(file, DESCRIPTION);
  return believing(file, () => checkOptions(json, DESCRIPTION, DESCRIPTION_PARTS));
}

/** An entry of our metadata, which is JSON. Throws NEWER_VERSION, and FILE_CORRUPT for a file of another program. */
export function readMetadata(
  { metadata, path }: TensorFile,
  name: string,
  reviver?: (key: string, value: unknown) => unknown,
): unknown {
  const version = metadata[FORMAT];
  const text = metadata[name];
  if (version === undefined || text === undefined) {
    const entries = Object.keys(metadata).filter((key) => key !== CHECKSUM);
    throw corruptFile(
      path,
      `it is no ${name} of margincore: its metadata has ${entries.length === 0 ? 'no entries' : `only ${entries.slice(0, 5).join(', ')}`}`,
    );
  }
  if (!/^[1-9]\d{0,5}$/.test(version)) throw corruptFile(path, `its version is ${JSON.stringify(version)}`);
  if (Number(version) > VERSION) {
    throw new MarginCoreError(
      'NEWER_VERSION',
      `${path} has version ${version} of the format, this package reads up to ${VERSION}: it needs a newer margincore`,
      { details: { path, version: Number(version), supported: VERSION } },
    );
  }
  try {
    return parseJson(text, DESCRIPTION_LIMITS, reviver);
  } catch (error) {
    throw corruptFile(path, `the entry '${name}' of its metadata is not JSON (${(error as Error).message})`);
  }
}

/** What is refused here was the file's own doing. */
export function believing<T>({ path }: TensorFile, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MarginCoreError) || error.code === 'FILE_CORRUPT') throw error;
    throw new MarginCoreError('FILE_CORRUPT', `${path} cannot be used: ${error.message}`, {
      cause: error,
      details: { path },
    });
  }
}

function checkInput(value: unknown, option: string): ImageSize {
  if (isImageSize(value)) return value;
  throw new MarginCoreError(
    'INVALID_OPTION',
    `Expected [H, W, C], three whole numbers from 1, for ${option}`,
  );
}

function checkHeadOptions(value: unknown, option: string): Record<string, unknown> {
  if (!isRecord(value)) throw new MarginCoreError('INVALID_OPTION', `Expected an object for ${option}`);
  checkHeadKeys(value, []);
  return value;
}

/** Names, or how many there are where they are but numbers. */
function checkClasses(value: unknown, option: string): number | string[] {
  if (typeof value !== 'number') return checkClassNames(value as string[], option);
  return checkInteger(value, option, { min: 2, max: MAX_CLASSES });
}
