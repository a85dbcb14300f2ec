/** How bytes become the numbers that a network sees: pixel p of channel c enters as (p/255 − mean[c]) / std[c]. */
import { invalidOption } from '../base/errors.js';
import { type Notation, parseNumbers } from '../base/notation.js';
import { type Checked, checkOptions, numbers } from '../base/optionTable.js';
import type { Samples } from './samples.js';
import { channelStatistics } from './statistics.js';

/**
 * 'dataset': mean and standard deviation of each channel of the training images; 'unit': pixels in [0, 1];
 * or one mean and one std per channel, in units of p/255.
 */
export type Normalize =
  | 'dataset'
  | 'unit'
  | { readonly mean: ArrayLike<number>; readonly std: ArrayLike<number> };

/** With plain numbers. */
export type CheckedNormalize =
  | 'dataset'
  | 'unit'
  | { readonly mean: readonly number[]; readonly std: readonly number[] };

/** One mean and one standard deviation per channel, in units of p/255. */
export interface ChannelNormalization {
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

const CHANNELS = {
  mean: numbers("each channel's mean", { required: true }),
  std: numbers("each channel's standard deviation", { required: true, above: 0 }),
} as const;

/** One number per channel each. */
export function checkChannels(value: unknown, option: string): Checked<typeof CHANNELS> {
  return checkOptions(value, option, CHANNELS);
}

export function checkNormalize(value: unknown, option: string): CheckedNormalize {
  if (value === 'dataset' || value === 'unit') return value;
  return checkOptions(value, option, CHANNELS, "'dataset', 'unit' or { mean, std }");
}

/** The name of a rule, or each channel's mean and standard deviation. */
export const NORMALIZE_NOTATION: Notation = {
  form: 'dataset|unit|MEANS:STDS',
  words: ['dataset', 'unit'],
  parse(given) {
    if (given === 'dataset' || given === 'unit') return given;
    const [mean, std, ...rest] = given.split(':').map(parseNumbers);
    return mean && std && rest.length === 0 ? { mean, std } : undefined;
  },
};

/**
 * The values for the training images. Rejects with INVALID_OPTION where mean or std has not one number per channel, and
 * with the signal's reason once that is aborted.
 */
export async function resolveNormalize(
  normalize: CheckedNormalize,
  samples: Samples,
  signal?: AbortSignal,
): Promise<ChannelNormalization> {
  const channels = samples.images.shape[3];
  if (normalize === 'dataset') return channelStatistics(samples, signal);
  if (normalize === 'unit') {
    return { mean: new Float32Array(channels), std: new Float32Array(channels).fill(1) };
  }
  const perChannel = (name: 'mean' | 'std') => {
    if (normalize[name].length === channels) return Float32Array.from(normalize[name]);
    throw invalidOption(`normalize.${name}`, `${channels} numbers`, normalize[name]);
  };
  return { mean: perChannel('mean'), std: perChannel('std') };
}
