/** How bytes become the numbers that a network sees: pixel p of channel c enters as (p/255 − mean[c]) / std[c]. */
import { checkKeys, checkNumbers, checkObject } from '../base/check.js';
import { channelStatistics } from './index.js';
import type { ImageArray } from './types.js';

/**
 * 'dataset': mean and standard deviation of each channel of the training images; 'unit': pixels in [0, 1];
 * or one mean and one std per channel, in units of p/255.
 */
export type Normalize =
  | 'dataset'
  | 'unit'
  | { readonly mean: ArrayLike<number>; readonly std: ArrayLike<number> };

/** One mean and one standard deviation per channel, in units of p/255. */
export interface ChannelNormalization {
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

export function checkNormalize(value: unknown): Normalize {
  if (value === 'dataset' || value === 'unit') return value;
  const given = checkObject(value, 'normalize', "'dataset', 'unit' or { mean, std }");
  checkKeys(given, ['mean', 'std'], 'normalize.');
  return { mean: checkNumbers(given.mean, 'normalize.mean'), std: checkStd(given.std) };
}

/** The values for the training images. Throws INVALID_OPTION where mean or std has not one number per channel. */
export function resolveNormalize(normalize: Normalize, images: ImageArray): ChannelNormalization {
  const channels = images.shape[3];
  if (normalize === 'dataset') return channelStatistics(images);
  if (normalize === 'unit')
    return { mean: new Float32Array(channels), std: new Float32Array(channels).fill(1) };
  return {
    mean: Float32Array.from(checkNumbers(normalize.mean, 'normalize.mean', {}, channels)),
    std: Float32Array.from(checkStd(normalize.std, channels)),
  };
}

function checkStd(value: unknown, channels?: number): number[] {
  return checkNumbers(value, 'normalize.std', { above: 0 }, channels);
}
