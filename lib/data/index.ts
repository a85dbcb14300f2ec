import { checkPath, isRecord } from '../base/check.js';
import { type Cifar100Options, cifar10, cifar100 } from './formats/cifar.js';
import { type EmnistOptions, emnist } from './formats/emnist.js';
import { idx } from './formats/idxDataset.js';
import { type ImageFolderOptions, imageFolder } from './formats/imageFolder.js';
import { lfwPairs } from './formats/lfwPairs.js';
import { type PictureListOptions, pictureList } from './formats/pictureListFile.js';
import { tinyImageNet } from './formats/tinyImageNet.js';
import { fromArrays } from './fromArrays.js';
import { type Loading, tracked } from './loading.js';
import { openSet } from './openSet.js';
import { readPacked } from './packed/packedFile.js';
import type { PictureOptions } from './pictures/options.js';
import { fashionMnist, fashionMnistSample } from './sets/fashionMnist.js';
import { loadDataNamed } from './sets/index.js';
import { subset } from './subset.js';
import type { DataInput, Dataset } from './types.js';
import { checkDataset } from './validate.js';

/**
 * Where images with labels come from: files in the formats that are published, folders of pictures, arrays; and parts of what there is.
 * What they load is checked, and is refused with a `MarginCoreError`: FILE_NOT_FOUND, FILE_CORRUPT or INVALID_DATA.
 * @namespace
 */
export const datasets = {
  idx,
  fashionMnist,
  fashionMnistSample,
  fromArrays,
  cifar10,
  cifar100,
  emnist,
  lfwPairs,
  /** A file that `margincore data pack` wrote; its images stay there, mapped into memory. */
  packed: (path: string) => readPacked(path),
  /**
   * Pictures in a folder for each class, or with such folders in `train/` and `test/`. Classes and images are in the order of their names.
   * FILE_CORRUPT names a picture that cannot be decoded; INVALID_DATA: fewer than two classes.
   */
  imageFolder: (path: string, options?: ImageFolderOptions) =>
    tracked((progress) => imageFolder(path, options, { progress })),
  /**
   * Pictures listed in a `.csv` with the columns path, label and perhaps split, or in a `.json` of such objects. FILE_CORRUPT names the
   * line that has another form; INVALID_DATA: a picture that is listed twice.
   */
  pictureList: (path: string, options?: PictureListOptions) =>
    tracked((progress) => pictureList(path, options, { progress })),
  /**
   * The folder of Tiny ImageNet as published, of which val is the test set. Classes are in the order of wnids.txt, with the first of their
   * words in words.txt as names.
   */
  tinyImageNet: (path: string, options?: PictureOptions) =>
    tracked((progress) => tinyImageNet(path, options, { progress })),
  subset,
  openSet,
};

/** How a folder or file is read: the options of its format, such as `datasets.imageFolder` has them. */
export type DataPathOptions = ImageFolderOptions | PictureListOptions | Cifar100Options | EmnistOptions;

/** A folder or file with options. */
export type DataPath = { readonly path: string } & DataPathOptions;

/** What may stand for data: it, what will be it, a name or a path. */
export type DataOption = DataInput | Promise<DataInput> | DataPath | string;

/** What the `data` option stands for. A string is the name of a data set, a folder, or a file. */
export async function resolveData(data: DataOption | undefined, loading: Loading = {}): Promise<Dataset> {
  if (data === undefined) return fashionMnistSample();
  if (typeof data === 'string') return loadDataNamed(data, loading);
  if (isDataPath(data)) {
    const { path, ...options } = data;
    return loadDataNamed(checkPath(path, 'data.path'), { ...loading, options });
  }
  return checkDataset(await data, 'data'); // a promise of undefined is a mistake, and refused here
}

const isDataPath = (data: unknown): data is DataPath => isRecord(data) && 'path' in data;

export type { Classes } from './classes.js';
export type { FromArraysOptions } from './fromArrays.js';
export { type DataInspection, inspectData } from './inspect.js';
export { LoadingProgress, progressOf } from './loading.js';
export type { OpenSet } from './openSet.js';
export { DATA_SET_NAMES } from './sets/index.js';
export type { SubsetOptions } from './subset.js';
export type { DataInput, Dataset, ImageArray, ImageShape, Split } from './types.js';
