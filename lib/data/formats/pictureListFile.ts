/** A list of pictures in a file: CSV with the columns path, label and, where it divides them, split; or JSON, a list of such objects. */
import { basename, dirname, extname, join, resolve } from 'node:path';
import { checkPath, isRecord } from '../../base/check.js';
import { MarginCoreError } from '../../base/errors.js';
import { type Note, note } from '../../base/note.js';
import { type Checked, checkOptions, option } from '../../base/optionTable.js';
import { parseJson } from '../../files/json.js';
import { readBytes } from '../../files/readBytes.js';
import type { Loading } from '../loading.js';
import {
  classesLeftOut,
  DEFAULT_TEST,
  DIVISION_OPTIONS,
  drawTest,
  TEST_NAMES,
} from '../pictures/division.js';
import { loadPictures } from '../pictures/loadPictures.js';
import { PICTURE_OPTIONS, type PictureOptions, withLoading } from '../pictures/options.js';
import type { LabelledFile, PictureList } from '../pictures/pictureList.js';
import type { Dataset } from '../types.js';
import { parseCsv } from './csv.js';
import { refused } from './refused.js';

/** Options of `datasets.pictureList`. */
export interface PictureListOptions extends PictureOptions {
  /** The folder that paths begin at. Default: that of the list */
  readonly root?: string;
  /** The fraction of each class that is test images, drawn by `seed`, of a list without a column split. Default 0.1 */
  readonly test?: number;
  /** Classes with fewer images are left out. Default 0 */
  readonly minPerClass?: number;
  readonly seed?: number;
}

export const PICTURE_LIST_OPTIONS = {
  ...PICTURE_OPTIONS,
  root: option('the folder that paths begin at', checkPath, { defaultText: 'that of the list' }),
  ...DIVISION_OPTIONS,
} as const;

type Settings = Checked<typeof PICTURE_LIST_OPTIONS>;

export const LIST_ENDINGS: readonly string[] = ['.csv', '.json'];

/** Of JSON: an object for each picture. */
const LIMITS = { depth: 3, count: 2 ** 24 };

interface Entry {
  readonly path: string;
  readonly label: string;
  readonly split: string | undefined;
  /** For a message: 'line 3' */
  readonly where: string;
}

/**
 * Classes are the labels that occur, numbers in their order, otherwise by name. Rejects with FILE_CORRUPT for a list of another form,
 * naming the line, with INVALID_DATA for a picture that is listed twice, and with what pictures are refused with.
 */
export async function pictureList(
  path: string,
  options: PictureListOptions = {},
  loading: Loading = {},
): Promise<Dataset> {
  const file = checkPath(path, 'the list of pictures');
  const settings = checkOptions(withLoading(options, loading), undefined, PICTURE_LIST_OPTIONS);
  return loadPictures(await listPictures(file, settings), settings, loading.progress);
}

export async function listPictures(
  file: string,
  { root = dirname(file), test, minPerClass, seed }: Pick<Settings, 'root' | 'test' | 'minPerClass' | 'seed'>,
): Promise<PictureList> {
  const text = (await readBytes(file)).toString();
  const entries = extname(file).toLowerCase() === '.json' ? fromJson(file, text) : fromCsv(file, text);
  expectOnce(file, entries);
  const byClass = new Map<string, Entry[]>();
  for (const entry of entries) {
    const found = byClass.get(entry.label);
    if (found === undefined) byClass.set(entry.label, [entry]);
    else found.push(entry);
  }
  const all = inOrder([...byClass.keys()]);
  const kept = all.filter((label) => byClass.get(label)!.length >= minPerClass);
  if (kept.length < 2) {
    const found =
      kept.length === all.length ? `${all.length}` : `${kept.length} with ${minPerClass} images or more`;
    throw refused('INVALID_DATA', file, 'two or more labels', found);
  }
  const isDivided = entries.some(({ split }) => split !== undefined);
  const word = TEST_NAMES.find((each) => entries.some(({ split }) => split === each));
  if (isDivided && test !== undefined) {
    throw refused('INVALID_OPTION', file, 'no option test, since it has a column split', `test: ${test}`);
  }
  const division = { train: [] as LabelledFile[], test: [] as LabelledFile[] };
  let others = 0;
  for (const [label, name] of kept.entries()) {
    const found = byClass.get(name)!;
    const drawn = isDivided
      ? undefined
      : drawTest(found.length, test ?? DEFAULT_TEST, seed, all.indexOf(name));
    for (const [index, { path, split }] of found.entries()) {
      const isTest = drawn ? drawn.has(index) : split === word;
      if (drawn || isTest || split === 'train')
        division[isTest ? 'test' : 'train'].push({ file: resolve(root, path), label });
      else others++;
    }
  }
  if (division.train.length === 0)
    throw refused('INVALID_DATA', file, 'pictures whose split is train', 'none');
  return {
    ...{ name: basename(file), root: resolve(file), classNames: kept, ...division },
    division: { root, test, minPerClass, seed },
    notes: [...classesLeftOut(all.length, kept.length, minPerClass), ...othersLeftOut(file, others, word)],
  };
}

function fromCsv(file: string, text: string): Entry[] {
  const [header, ...rows] = corruptIf(file, () => parseCsv(text));
  const columns = header?.fields.map((name) => name.trim().toLowerCase()) ?? [];
  const place = (name: string) => columns.indexOf(name);
  if (place('path') < 0 || place('label') < 0) {
    throw refused(
      'FILE_CORRUPT',
      file,
      'the columns path and label in line 1',
      columns.join(', ') || 'nothing',
    );
  }
  return rows.map(({ fields, line }) => {
    if (fields.length !== columns.length) {
      throw refused('FILE_CORRUPT', file, `${columns.length} fields in line ${line}`, `${fields.length}`);
    }
    const split = place('split') < 0 ? undefined : fields[place('split')];
    return checkEntry(file, `line ${line}`, fields[place('path')], fields[place('label')], split);
  });
}

function fromJson(file: string, text: string): Entry[] {
  const list = corruptIf(file, () => parseJson(text, LIMITS));
  if (!Array.isArray(list))
    throw refused('FILE_CORRUPT', file, 'a list of { path, label, split? }', typeof list);
  return list.map((entry, index) => {
    const where = `entry ${index}`;
    if (!isRecord(entry))
      throw refused('FILE_CORRUPT', file, `{ path, label, split? } as ${where}`, typeof entry);
    return checkEntry(file, where, entry.path, entry.label, entry.split);
  });
}

function checkEntry(file: string, where: string, path: unknown, label: unknown, split: unknown): Entry {
  const isLabel = (typeof label === 'string' && label !== '') || Number.isSafeInteger(label);
  if (typeof path !== 'string' || path === '' || path.includes('\0') || !isLabel) {
    throw refused(
      'FILE_CORRUPT',
      file,
      `a path and a label in ${where}`,
      JSON.stringify([path, label]).slice(0, 80),
    );
  }
  const isSplit = split === undefined || split === 'train' || TEST_NAMES.includes(split as string);
  if (!isSplit) {
    const expected = `split train, ${TEST_NAMES.join(', ')} in ${where}`;
    throw refused('FILE_CORRUPT', file, expected, JSON.stringify(split).slice(0, 60));
  }
  return { path, label: String(label), split: split as string | undefined, where };
}

function expectOnce(file: string, entries: readonly Entry[]): void {
  const seen = new Map<string, string>();
  for (const { path, where } of entries) {
    const plain = join('.', path);
    const before = seen.get(plain);
    if (before !== undefined)
      throw refused('INVALID_DATA', file, `each picture once`, `${path} in ${before} and ${where}`);
    seen.set(plain, where);
  }
}

function inOrder(labels: readonly string[]): string[] {
  const areNumbers = labels.every((label) => /^-?\d+$/.test(label));
  return labels.toSorted(areNumbers ? (a, b) => Number(a) - Number(b) : undefined);
}

function othersLeftOut(file: string, count: number, word: string | undefined): Note[] {
  return note(
    'SPLITS_LEFT_OUT',
    count === 0
      ? undefined
      : `${file}: '${word}' is the test set, and ${count} pictures of another split are left out`,
  );
}

function corruptIf<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new MarginCoreError('FILE_CORRUPT', `${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
      details: { path: file },
    });
  }
}
