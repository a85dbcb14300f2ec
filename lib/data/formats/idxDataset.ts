import { basename, resolve } from 'node:path';
import { checkOptions } from '../../base/optionTable.js';
import type { Dataset } from '../types.js';
import { checkDataset } from '../validate.js';
import type { FolderFormat } from './format.js';
import { readIdxSplit } from './idx.js';
import { IdxFolder, isIdxFolder } from './idxFolder.js';

/**
 * A folder of IDX files with MNIST's names, plain or gzipped: train-images-idx3-ubyte, train-labels-idx1-ubyte and,
 * where there is a test set, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte. Classes are named by their numbers.
 */
export async function idx(folderPath: string): Promise<Dataset> {
  const folder = await IdxFolder.open(folderPath);
  const files = { train: folder.files('train'), test: folder.has('test') ? folder.files('test') : undefined };
  const train = await readIdxSplit(files.train);
  const arrays = files.test ? { ...train, test: await readIdxSplit(files.test) } : train;
  const checked = checkDataset(arrays, `datasets.idx(${JSON.stringify(folderPath)})`);
  return { ...checked, name: basename(resolve(folderPath)) };
}

/** Any of its files will do: the loader says which one is missing. */
export const idxFormat: FolderFormat = {
  files: 'IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…; or gzipped)',
  fits: isIdxFolder,
  load: (folder, { options }) => {
    checkOptions(options ?? {}, undefined, {});
    return idx(folder);
  },
};
