/**
 * EMNIST as published (Cohen et al. 2017, gzip.zip): IDX files named after one of six divisions, with a mapping of labels to characters.
 * Its images are stored by columns: they are turned upright here.
 */
import { basename, join, resolve } from 'node:path';
import { turnEventLoop } from '../../base/abort.js';
import { checkPath } from '../../base/check.js';
import { invalidOption, MarginCoreError } from '../../base/errors.js';
import { checkOptions, choice } from '../../base/optionTable.js';
import { readBytes } from '../../files/readBytes.js';
import { listFolder } from '../pictureFiles.js';
import type { Dataset, Split } from '../types.js';
import { checkDataset } from '../validate.js';
import type { FolderFormat } from './format.js';
import { readIdxSplit } from './idx.js';
import { refused } from './refused.js';

const DIVISIONS = ['balanced', 'byclass', 'bymerge', 'digits', 'letters', 'mnist'] as const;
type Division = (typeof DIVISIONS)[number];

/** Options of `datasets.emnist`. */
export interface EmnistOptions {
  /** Which of the published divisions. Default: the one that is there, where it is the only one. */
  readonly split?: Division;
}

export const EMNIST_OPTIONS = {
  split: choice('which of the published divisions', DIVISIONS, { defaultText: 'the only one there' }),
} as const;

/**
 * A folder with emnist-<division>-train-images-idx3-ubyte, …-train-labels-idx1-ubyte, …-test-… and -mapping.txt, plain or gzipped. Classes
 * are named by their characters: where the mapping has several, as for letters, by all of them.
 */
export async function emnist(folderPath: string, options: EmnistOptions = {}): Promise<Dataset> {
  const folder = checkPath(folderPath, 'the folder of EMNIST');
  const { split } = checkOptions(options, undefined, EMNIST_OPTIONS);
  const { files } = await listFolder(folder);
  const division = split ?? onlyDivision(folder, files);
  const stem = `emnist-${division}`;
  const { labels, classNames } = await readMapping(join(folder, `${stem}-mapping.txt`));
  const read = async (part: 'train' | 'test'): Promise<Split> => {
    const file = (content: string) => join(folder, fileNamed(`${stem}-${part}-${content}`, files, folder));
    const path = file('labels-idx1-ubyte');
    const found = await readIdxSplit({ images: file('images-idx3-ubyte'), labels: path });
    return { images: await upright(found), labels: numbered(path, found.labels, labels) };
  };
  const train = await read('train');
  const test = await read('test');
  const name = `${basename(resolve(folder))} ${division}`;
  return checkDataset({ name, train, test, classNames, numClasses: classNames.length }, folder);
}

const divisionsIn = (files: Iterable<string>) =>
  DIVISIONS.filter((each) => [...files].some((name) => name.startsWith(`emnist-${each}-`)));

export const emnistFormat: FolderFormat = {
  files: "EMNIST's IDX files (emnist-…-train-images-idx3-ubyte, …; or gzipped)",
  fits: ({ files }) => divisionsIn(files).length > 0,
  load: (folder, { options }) => emnist(folder, options),
};

function onlyDivision(folder: string, files: readonly string[]): Division {
  const found = divisionsIn(files);
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const hint = `${folder} has ${found.join(', ')}: datasets.emnist(folder, { split: '${found[0]}' }), say`;
    throw invalidOption('split', 'one of the divisions', undefined, hint);
  }
  throw new MarginCoreError('FILE_NOT_FOUND', `${folder}: expected files emnist-…, found none`, {
    details: { path: folder },
  });
}

function fileNamed(name: string, files: readonly string[], folder: string): string {
  const found = [name, `${name}.gz`].find((each) => files.includes(each));
  if (found !== undefined) return found;
  throw new MarginCoreError('FILE_NOT_FOUND', `${folder}: expected ${name} or ${name}.gz, found neither`, {
    details: { path: folder, names: [name, `${name}.gz`] },
  });
}

/** Lines of a label and the codes of its characters. Labels need not begin with 0: those of letters begin with 1. */
async function readMapping(path: string): Promise<{ labels: Map<number, number>; classNames: string[] }> {
  const labels = new Map<number, number>();
  const classNames: string[] = [];
  for (const line of (await readBytes(path)).toString().trim().split(/\r?\n/)) {
    const [label, ...codes] = line.trim().split(/\s+/).map(Number);
    if (codes.length === 0 || ![label, ...codes].every(Number.isSafeInteger) || labels.has(label!)) {
      throw refused(
        'FILE_CORRUPT',
        path,
        'a label and codes of characters in each line',
        JSON.stringify(line),
      );
    }
    labels.set(label!, classNames.length);
    classNames.push(String.fromCharCode(...codes));
  }
  return { labels, classNames };
}

function numbered(path: string, found: Int32Array, labels: ReadonlyMap<number, number>): Int32Array {
  return found.map((label, sample) => {
    const number = labels.get(label);
    if (number !== undefined) return number;
    throw refused('FILE_CORRUPT', path, `a label of the mapping for sample ${sample}`, `${label}`);
  });
}

/** Rows and columns change places. */
async function upright({ images: { data, shape } }: Split): Promise<Split['images']> {
  const [N, H, W] = shape;
  const turned = new Uint8Array(data.length);
  for (let sample = 0; sample < N; sample++) {
    const first = sample * H * W;
    for (let row = 0; row < H; row++) {
      for (let column = 0; column < W; column++) {
        turned[first + column * H + row] = data[first + row * W + column]!;
      }
    }
    if (sample % 4096 === 4095) await turnEventLoop(undefined); // some milliseconds
  }
  return { data: turned, shape: [N, W, H, 1] };
}
