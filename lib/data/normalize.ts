/** How bytes become the numbers that a network sees: pixel p of channel c enters as (p/255 − mean[c]) / std[c]. */
import { checkOneOf } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { type Notation, parseNumbers } from '../base/notation.js';
import { type Checked, checkOptions, numbers } from '../base/optionTable.js';
import {
  PUBLISHED_NAMES,
  PUBLISHED_NORMALIZATION,
  type PublishedNormalization,
} from './publishedNormalization.js';
import type { Samples } from './samples.js';
import { channelStatistics } from './statistics.js';

/**
 * 'dataset': mean and standard deviation of each channel of the training images; 'unit': pixels in [0, 1]; the published values of
 * 'imagenet', 'cifar10' and 'cifar100' (3 channels), or 'mnist' (1); or one mean and one std per channel, in units of p/255.
 */
export type Normalize = NormalizeRule | { readonly mean: ArrayLike<number>; readonly std: ArrayLike<number> };

/** Mean and standard deviation by name. */
export type NormalizeRule = 'dataset' | 'unit' | PublishedNormalization;

/** With plain numbers. */
export type CheckedNormalize =
  | NormalizeRule
  | { readonly mean: readonly number[]; readonly std: readonly number[] };

const RULES: readonly NormalizeRule[] = ['dataset', 'unit', ...PUBLISHED_NAMES];
const EXPECTED = `one of ${RULES.map((rule) => `'${rule}'`).join(', ')}, or { mean, std }`;

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
  if (typeof value === 'string') return checkOneOf(value, option, RULES, EXPECTED);
  return checkOptions(value, option, CHANNELS, EXPECTED);
}

/** The name of a rule, or each channel's mean and standard deviation. */
export const NORMALIZE_NOTATION: Notation = {
  form: `${RULES.join('|')}|MEANS:STDS`,
  words: RULES,
  parse(given) {
    if (RULES.some((rule) => rule === given)) return given;
    const [mean, std, ...rest] = given.split(':').map(parseNumbers);
    return mean && std && rest.length === 0 ? { mean, std } : undefined;
  },
};

/**
 * The values for the training images. Rejects with INVALID_OPTION where mean or std has not one number per channel or the published
 * ones are of images of other channels, and with the signal's reason once that is aborted.
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
  if (typeof normalize === 'string') return published(normalize, channels);
  const perChannel = (name: 'mean' | 'std') => {
    if (normalize[name].length === channels) return Float32Array.from(normalize[name]);
    throw invalidOption(`normalize.${name}`, `${channels} numbers`, normalize[name]);
  };
  return { mean: perChannel('mean'), std: perChannel('std') };
}

function published(name: PublishedNormalization, channels: number): ChannelNormalization {
  const { mean, std } = PUBLISHED_NORMALIZATION[name];
  if (mean.length === channels) return { mean: Float32Array.from(mean), std: Float32Array.from(std) };
  const fitting = RULES.filter((rule) => lengthOf(rule) === undefined || lengthOf(rule) === channels);
  throw invalidOption(
    'normalize',
    `a rule for images of ${count(channels)}`,
    name,
    `It is for ${count(mean.length)}. ${fitting.map((rule) => `'${rule}'`).join(', ')} and { mean, std } fit`,
  );
}

/** Channels of a published rule. */
const lengthOf = (rule: NormalizeRule): number | undefined =>
  rule === 'dataset' || rule === 'unit' ? undefined : PUBLISHED_NORMALIZATION[rule].mean.length;

const count = (channels: number) => (channels === 1 ? '1 channel' : `${channels} channels`);
