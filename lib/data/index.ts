import { idx } from './formats/idxDataset.js';
import { fromArrays } from './fromArrays.js';
import { fashionMnist, fashionMnistSample } from './sets/fashionMnist.js';
import type { DataInput, Dataset } from './types.js';
import { checkDataset } from './validate.js';

export const datasets = { idx, fashionMnist, fashionMnistSample, fromArrays };

/** What the `data` option stands for. A string is the name of a data set, or a folder of IDX files. */
export async function resolveData(
  data: DataInput | Promise<DataInput> | string | undefined,
): Promise<Dataset> {
  if (data === undefined) return fashionMnistSample();
  if (data === 'fashion-mnist') return fashionMnist();
  if (typeof data === 'string') return idx(data);
  return checkDataset(await data, 'data'); // a promise of undefined is a mistake, and refused here
}

export type { FromArraysOptions } from './fromArrays.js';
export { type ChannelStatistics, channelStatistics } from './statistics.js';
export type { DataInput, Dataset, ImageArray, ImageShape, Split } from './types.js';
