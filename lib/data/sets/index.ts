/** What a string for `data` may be: the name of a data set, or a folder in one of the formats. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { nearestWord } from '../../base/check.js';
import { invalidOption, MarginCoreError } from '../../base/errors.js';
import { cifar10Format, cifar100Format } from '../formats/cifar.js';
import { emnistFormat } from '../formats/emnist.js';
import type { FolderFormat } from '../formats/format.js';
import { idxFormat } from '../formats/idxDataset.js';
import { imageFolderFormat } from '../formats/imageFolder.js';
import { LIST_ENDINGS, pictureList } from '../formats/pictureListFile.js';
import { tinyImageNetFormat } from '../formats/tinyImageNet.js';
import type { Loading } from '../loading.js';
import { readPacked } from '../packed/packedFile.js';
import { listFolder } from '../pictureFiles.js';
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

export async function loadDataNamed(nameOrFolder: string, loading: Loading = {}): Promise<Dataset> {
  if (Object.hasOwn(DATA_SETS, nameOrFolder)) return DATA_SETS[nameOrFolder]!();
  if (nameOrFolder === '') {
    throw invalidOption(
      'data',
      `one of ${DATA_SET_NAMES.join(', ')}, or the path of a folder or a file`,
      nameOrFolder,
    );
  }
  if (await isFile(nameOrFolder)) {
    const isList = LIST_ENDINGS.includes(extname(nameOrFolder).toLowerCase());
    return isList ? pictureList(nameOrFolder, {}, loading) : readPacked(nameOrFolder);
  }
  const { files, folders } = await listFolder(nameOrFolder).catch((error) => {
    throw notFound(nameOrFolder, error);
  });
  const listing = { files: new Set(files), folders: new Set(folders) };
  const format = FORMATS.find(({ fits }) => fits(listing));
  if (format !== undefined) return format.load(nameOrFolder, loading);
  throw new MarginCoreError(
    'FILE_NOT_FOUND',
    `${nameOrFolder}: expected a folder of ${FORMATS.map(({ files }) => files).join(' or ')}, found none`,
    { details: { path: nameOrFolder } },
  );
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
