import { cifar10, cifar100 } from './formats/cifar.js';
import { emnist } from './formats/emnist.js';
import { idx } from './formats/idxDataset.js';
import { type ImageFolderOptions, imageFolder } from './formats/imageFolder.js';
import { lfwPairs } from './formats/lfwPairs.js';
import { type PictureListOptions, pictureList } from './formats/pictureListFile.js';
import { tinyImageNet } from './formats/tinyImageNet.js';
import { fromArrays } from './fromArrays.js';
import { type Loading, tracked } from './loading.js';
import { readPacked } from './packed/packedFile.js';
import type { PictureOptions } from './pictures/options.js';
import { fashionMnist, fashionMnistSample } from './sets/fashionMnist.js';
import { loadDataNamed } from './sets/index.js';
import type { DataInput, Dataset } from './types.js';
import { checkDataset } from './validate.js';

export const datasets = {
  idx,
  fashionMnist,
  fashionMnistSample,
  fromArrays,
  cifar10,
  cifar100,
  emnist,
  lfwPairs,
  packed: (path: string) => readPacked(path),
  imageFolder: (path: string, options?: ImageFolderOptions) =>
    tracked((progress) => imageFolder(path, options, { progress })),
  pictureList: (path: string, options?: PictureListOptions) =>
    tracked((progress) => pictureList(path, options, { progress })),
  tinyImageNet: (path: string, options?: PictureOptions) =>
    tracked((progress) => tinyImageNet(path, options, { progress })),
};

/** What the `data` option stands for. A string is the name of a data set, or a folder. */
export async function resolveData(
  data: DataInput | Promise<DataInput> | string | undefined,
  loading: Loading = {},
): Promise<Dataset> {
  if (data === undefined) return fashionMnistSample();
  if (typeof data === 'string') return loadDataNamed(data, loading);
  return checkDataset(await data, 'data'); // a promise of undefined is a mistake, and refused here
}

export type { FromArraysOptions } from './fromArrays.js';
export { progressOf } from './loading.js';
export { DATA_SET_NAMES } from './sets/index.js';
export type { DataInput, Dataset, ImageArray, ImageShape, Split } from './types.js';
