/** What a string for `data` may be: the name of a data set, or a folder in one of the formats. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { nearestWord } from '../../base/check.js';
import { invalidOption, MarginCoreError } from '../../base/errors.js';
import { checkOptions } from '../../base/optionTable.js';
import { cifar10Format, cifar100Format } from '../formats/cifar.js';
import { emnistFormat } from '../formats/emnist.js';
import type { FolderFormat } from '../formats/format.js';
import { idxFormat } from '../formats/idxDataset.js';
import { imageFolderFormat } from '../formats/imageFolder.js';
import { LIST_ENDINGS, listPictures, PICTURE_LIST_OPTIONS, pictureList } from '../formats/pictureListFile.js';
import { tinyImageNetFormat } from '../formats/tinyImageNet.js';
import type { Loading } from '../loading.js';
import { readPacked } from '../packed/packedFile.js';
import { listFolder } from '../pictureFiles.js';
import type { PictureList } from '../pictures/pictureList.js';
import type { Dataset } from '../types.js';
import { fashionMnist, fashionMnistSample } from './fashionMnist.js';

const DATA_SETS: Readonly<Record<string, () => Promise<Dataset>>> = {
  'fashion-mnist': fashionMnist,
  'fashion-mnist-sample': fashionMnistSample,
};

export const DATA_SET_NAMES = Object.keys(DATA_SETS);

/** The first that fits is taken. */
const FORMATS: readonly FolderFormat[] = [
  idxFormat,
  emnistFormat,
  cifar10Format,
  cifar100Format,
  tinyImageNetFormat,
  imageFolderFormat,
];

/** What a string stands for, before any of it is read. */
interface Source {
  load(loading: Loading): Promise<Dataset>;
  /** Where it is one of pictures: them, before any is decoded. */
  list?(options: object): Promise<PictureList>;
}

export async function loadDataNamed(name: string, loading: Loading = {}): Promise<Dataset> {
  return (await sourceNamed(name)).load(loading);
}

/** Undefined where it is no data set of pictures in files. */
export async function listPicturesNamed(name: string, options: object): Promise<PictureList | undefined> {
  return (await sourceNamed(name)).list?.(options);
}

async function sourceNamed(name: string): Promise<Source> {
  if (Object.hasOwn(DATA_SETS, name)) return without(DATA_SETS[name]!);
  if (name === '') {
    const expected = `one of ${DATA_SET_NAMES.join(', ')}, or the path of a folder or a file`;
    throw invalidOption('data', expected, name);
  }
  if (await isFile(name)) {
    if (!LIST_ENDINGS.includes(extname(name).toLowerCase())) return without(() => readPacked(name));
    return {
      load: (loading) => pictureList(name, loading.options, loading),
      list: (options) => listPictures(name, checkOptions(options, undefined, PICTURE_LIST_OPTIONS)),
    };
  }
  const { files, folders } = await listFolder(name).catch((error) => {
    throw notFound(name, error);
  });
  const listing = { files: new Set(files), folders: new Set(folders) };
  const format = FORMATS.find(({ fits }) => fits(listing));
  if (format === undefined) {
    throw new MarginCoreError(
      'FILE_NOT_FOUND',
      `${name}: expected a folder of ${FORMATS.map((each) => each.files).join(' or ')}, found none`,
      { details: { path: name } },
    );
  }
  const { list } = format;
  return {
    load: (loading) => format.load(name, loading),
    ...(list && { list: (options: object) => list(name, options) }),
  };
}

/** What has no options. */
function without(load: () => Promise<Dataset>): Source {
  return {
    load({ options = {} }) {
      checkOptions(options, undefined, {});
      return load();
    },
  };
}

const isFile = (path: string) =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );

/** A folder that is not there may have been meant as a name. */
function notFound(nameOrFolder: string, error: MarginCoreError): MarginCoreError {
  const { code, message, details } = error;
  const name = nearestWord(nameOrFolder, DATA_SET_NAMES);
  return new MarginCoreError(code, name ? `${message}. Did you mean the data set '${name}'?` : message, {
    cause: error,
    details,
  });
}
