import { idx } from './formats/idxDataset.js';
import { fromArrays } from './fromArrays.js';
import { fashionMnist, fashionMnistSample } from './sets/fashionMnist.js';
import { loadDataNamed } from './sets/index.js';
import type { DataInput, Dataset } from './types.js';
import { checkDataset } from './validate.js';

export const datasets = { idx, fashionMnist, fashionMnistSample, fromArrays };

/** What the `data` option stands for. A string is the name of a data set, or a folder. */
export async function resolveData(
  data: DataInput | Promise<DataInput> | string | undefined,
): Promise<Dataset> {
  if (data === undefined) return fashionMnistSample();
  if (typeof data === 'string') return loadDataNamed(data);
  return checkDataset(await data, 'data'); // a promise of undefined is a mistake, and refused here
}

export type { FromArraysOptions } from './fromArrays.js';
export { DATA_SET_NAMES } from './sets/index.js';
export type { DataInput, Dataset, ImageArray, ImageShape, Split } from './types.js';
