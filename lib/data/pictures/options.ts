/** How a data set of pictures is read: of a size, and kept decoded. */
import { checkFunction, checkPath, checkSignal } from '../../base/check.js';
import { invalidOption } from '../../base/errors.js';
import { NUMBER, text } from '../../base/notation.js';
import { type Checked, option } from '../../base/optionTable.js';
import type { Loading, LoadingProgress } from '../loading.js';
import { PREPROCESSING } from '../preprocessing.js';

/** How pictures in files are brought to one size, and where they are kept. */
export interface PictureOptions {
  /** Height and width that pictures are brought to, or one number for both. Default 64, or what the network takes. */
  readonly size?: number | readonly [H: number, W: number];
  /** 3: red, green, blue. 1: grey. Default 3, or what the network takes. */
  readonly channels?: 1 | 3;
  /** See `preprocessing` of `train()`, whose default these become. */
  readonly resize?: 'cover' | 'contain' | 'stretch';
  readonly background?: number;
  /**
   * Where decoded pictures are kept for the next time, in a file for each folder and each set of options; false: nowhere, and in
   * memory as long as they are used. Default: `margincore` in XDG_CACHE_HOME or ~/.cache.
   */
  readonly cache?: string | false;
  readonly signal?: AbortSignal;
  /** Told from time to time how far reading has come, 0…1. */
  readonly onProgress?: (fraction: number) => void;
}

/** Of a side: a slip of the pen is more. */
const LARGEST = 1024;

export const PICTURE_OPTIONS = {
  size: option('height and width that pictures are brought to, or one number for both', checkSize, {
    defaultText: '64, or what the network takes',
    notation: NUMBER,
  }),
  channels: option('3: red, green, blue; 1: grey', checkChannelCount, {
    defaultText: '3, or what the network takes',
    notation: NUMBER,
  }),
  ...PREPROCESSING,
  cache: option('a folder for decoded pictures; false: none is kept', checkCache, {
    defaultText: '~/.cache/margincore',
    notation: text('DIR'),
  }),
  signal: option('aborts it', checkSignal),
  onProgress: option('told how far reading has come, 0…1', (value, name) =>
    checkFunction(value as (fraction: number) => void, name),
  ),
} as const;

export type PictureSettings = Checked<typeof PICTURE_OPTIONS>;

/** What the network wants, where the options leave it open. */
export function withLoading(
  given: object,
  { input, preprocessing, signal }: Loading,
): Record<string, unknown> {
  const wanted = {
    ...(input && { size: [input[0], input[1]], channels: input[2] }),
    ...preprocessing,
    ...(signal && { signal }),
  };
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...wanted, ...Object.fromEntries(said) };
}

export const DEFAULT_SIZE = 64;

/** [H, W, C] */
export function sizeOf({ size = [DEFAULT_SIZE, DEFAULT_SIZE], channels = 3 }: PictureSettings) {
  return [size[0], size[1], channels] as const;
}

/** Whoever is told how far it has come: at most once for each hundredth. */
export function progressTeller({ onProgress }: PictureSettings, progress?: LoadingProgress) {
  let told = -1;
  return (fraction: number) => {
    if (progress) progress.fraction = fraction;
    const hundredths = Math.floor(100 * fraction);
    if (hundredths > told) onProgress?.(fraction);
    told = Math.max(told, hundredths);
  };
}

function checkSize(value: unknown, name: string): readonly [number, number] {
  const sides = typeof value === 'number' ? [value, value] : value;
  const isSize =
    Array.isArray(sides) &&
    sides.length === 2 &&
    sides.every((side) => Number.isSafeInteger(side) && side >= 1 && side <= LARGEST);
  if (isSize) return [sides[0], sides[1]];
  throw invalidOption(name, `[height, width] or one number for both, from 1 to ${LARGEST},`, value);
}

function checkChannelCount(value: unknown, name: string): 1 | 3 {
  if (value === 1 || value === 3) return value;
  throw invalidOption(name, '1 or 3', value);
}

function checkCache(value: unknown, name: string): string | false {
  return value === false ? value : checkPath(value, name);
}
