/** A folder of pictures, with a folder for each class. */
import { basename, join, resolve } from 'node:path';
import { checkNumber, checkPath, didYouMean } from '../../base/check.js';
import { invalidOption, MarginCoreError } from '../../base/errors.js';
import { NUMBER } from '../../base/notation.js';
import { type Note, note } from '../../base/note.js';
import { type Checked, checkOptions, option } from '../../base/optionTable.js';
import type { Loading } from '../loading.js';
import { foldersIn, none, picturesIn } from '../pictureFiles.js';
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
import type { FolderFormat } from './format.js';

/** Options of `datasets.imageFolder`. */
export interface ImageFolderOptions extends PictureOptions {
  /**
   * The fraction of each class that is test images, drawn by `seed`; or 'folder': those of `test/` (or `val/`), beside `train/`.
   * A class of two images or more has one at least. 0: none. Default: 'folder' where there are such folders, otherwise 0.1
   */
  readonly test?: number | 'folder';
  /** Classes with fewer training and test images are left out. Default 0: none, and a folder without pictures is refused */
  readonly minPerClass?: number;
  /** Which images are test images follows from it. Default 0 */
  readonly seed?: number;
}

export const IMAGE_FOLDER_OPTIONS = {
  ...PICTURE_OPTIONS,
  ...DIVISION_OPTIONS,
  test: option("the fraction of each class that is test images, or 'folder'", checkTest, {
    defaultText: 'folder where there are train/ and test/, else 0.1',
    notation: {
      form: 'NUMBER|folder',
      words: ['folder'],
      parse: (given) => (given === 'folder' ? given : NUMBER.parse(given)),
    },
  }),
} as const;

type Settings = Checked<typeof IMAGE_FOLDER_OPTIONS>;

const TRAIN_FOLDER = 'train';

/**
 * Pictures in a folder with a folder for each class, or with such folders in `train/` and `test/`. Classes and images are in the order of
 * their names. Rejects with FILE_NOT_FOUND, with FILE_CORRUPT for a picture that cannot be decoded, naming it, and with
 * INVALID_DATA for fewer than two classes.
 */
export async function imageFolder(
  path: string,
  options: ImageFolderOptions = {},
  loading: Loading = {},
): Promise<Dataset> {
  const folder = checkPath(path, 'the folder of pictures');
  const settings = checkOptions(withLoading(options, loading), undefined, IMAGE_FOLDER_OPTIONS);
  return loadPictures(await listImageFolder(folder, settings), settings, loading.progress);
}

export const imageFolderFormat: FolderFormat = {
  files: 'a folder of pictures for each class',
  fits: ({ folders }) => folders.size > 0,
  load: (folder, loading) => imageFolder(folder, loading.options, loading),
  list: (folder, options) => listImageFolder(folder, checkOptions(options, undefined, IMAGE_FOLDER_OPTIONS)),
};

/** The pictures, and how they are divided, before any is decoded. */
export async function listImageFolder(
  root: string,
  { test, minPerClass, seed }: Pick<Settings, 'test' | 'minPerClass' | 'seed'>,
): Promise<PictureList> {
  const { train, test: testFolder, notes } = await layoutOf(root, test);
  const folders = await foldersIn(train);
  if (folders.length === 0) throw none(train, 'has no folders of pictures');
  const found = await filesOf(train, folders);
  const tested = testFolder === undefined ? undefined : await testFiles(testFolder, folders);
  const sizes = folders.map((name) => found.get(name)!.length + (tested?.get(name)?.length ?? 0));
  const kept = folders.filter((_, index) => sizes[index]! >= minPerClass);
  expectPictures(train, kept, found);
  expectClasses(root, folders, kept, minPerClass);
  const fraction = typeof test === 'number' ? test : tested ? 0 : DEFAULT_TEST;
  const division = { train: [] as LabelledFile[], test: [] as LabelledFile[] };
  for (const [label, name] of kept.entries()) {
    const files = found.get(name)!;
    const drawn = drawTest(files.length, fraction, seed, folders.indexOf(name));
    for (const [index, file] of files.entries())
      division[drawn.has(index) ? 'test' : 'train'].push({ file, label });
    for (const file of tested?.get(name) ?? []) division.test.push({ file, label });
  }
  return {
    ...{ name: basename(resolve(root)), root, classNames: kept, ...division },
    division: { test, minPerClass, seed },
    notes: [...notes, ...classesLeftOut(folders.length, kept.length, minPerClass)],
  };
}

interface Layout {
  readonly train: string;
  readonly test?: string;
  readonly notes: readonly Note[];
}

/** Whether folders of these names are those of a divided data set; one of them may be a class called 'train'. */
export const isDivided = (names: readonly string[]): boolean =>
  names.includes(TRAIN_FOLDER) && names.every((name) => name === TRAIN_FOLDER || TEST_NAMES.includes(name));

/** Where classes are; a folder that happens to have a class called 'train' is told by its other classes. */
async function layoutOf(root: string, test: Settings['test']): Promise<Layout> {
  const names = await foldersIn(root);
  const known = names.filter((name) => TEST_NAMES.includes(name));
  if (!isDivided(names)) {
    if (test !== 'folder') return { train: root, notes: [] };
    throw new MarginCoreError(
      'FILE_NOT_FOUND',
      `${root}: expected the folders train and test (or val) and no others, found ${names.slice(0, 5).join(', ') || 'none'}`,
      { details: { path: root } },
    );
  }
  const chosen = TEST_NAMES.find((name) => names.includes(name));
  const train = join(root, TRAIN_FOLDER);
  if (chosen === undefined) {
    if (test !== 'folder') return { train, notes: [] };
    throw new MarginCoreError(
      'FILE_NOT_FOUND',
      `${root}: expected a folder test or val beside train, found none`,
      {
        details: { path: root },
      },
    );
  }
  if (test !== undefined && test !== 'folder') {
    throw invalidOption('test', `'folder', since ${root} has ${chosen}/ beside train/,`, test);
  }
  const others = known.filter((name) => name !== chosen);
  const notes = note(
    'FOLDERS_LEFT_OUT',
    others.length === 0
      ? undefined
      : `${root}: ${chosen} is the test set, and ${others.join(', ')} left out: data of its own can be given as validation`,
  );
  return { train, test: join(root, chosen), notes };
}

async function filesOf(parent: string, names: readonly string[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const name of names) found.set(name, await picturesIn(join(parent, name)));
  return found;
}

async function testFiles(folder: string, classes: readonly string[]): Promise<Map<string, string[]>> {
  const names = await foldersIn(folder);
  const stranger = names.find((name) => !classes.includes(name));
  if (stranger !== undefined) {
    const hint = didYouMean(stranger, classes);
    throw new MarginCoreError(
      'INVALID_DATA',
      `${join(folder, stranger)}: expected a class that train has a folder for, found '${stranger}'${hint && `. ${hint}`}`,
      { details: { path: join(folder, stranger) } },
    );
  }
  return filesOf(folder, names);
}

function expectPictures(train: string, kept: readonly string[], found: ReadonlyMap<string, string[]>): void {
  const empty = kept.find((name) => found.get(name)!.length === 0);
  if (empty !== undefined) throw none(join(train, empty), 'has no pictures');
}

function expectClasses(
  root: string,
  all: readonly string[],
  kept: readonly string[],
  minPerClass: number,
): void {
  if (kept.length >= 2) return;
  const found =
    kept.length === all.length
      ? `${all.length}`
      : `${kept.length} of ${all.length} with ${minPerClass} images or more`;
  throw new MarginCoreError(
    'INVALID_DATA',
    `${root}: expected folders of two or more classes, found ${found}`,
    {
      details: { path: root, expected: 2, found: kept.length },
    },
  );
}

function checkTest(value: unknown, name: string): number | 'folder' {
  if (value === 'folder') return value;
  if (typeof value === 'number') return checkNumber(value, name, { min: 0, below: 1 });
  throw invalidOption(name, "a fraction from 0 to below 1, or 'folder'", value);
}
