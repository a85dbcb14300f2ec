/**
 * The heads: one table with a row per head. A row holds the head's own options with their checks and defaults, and
 * says how they map to the one native pipeline. Adding a head = its interface in headOptions.ts and its row here.
 */

import {
  checkBoolean,
  checkInteger,
  checkKeys,
  checkNumber,
  checkNumbers,
  checkOneOf,
  isRecord,
  type Range,
} from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import type { NativeHead } from '../native/contract.js';
import { type Annealing, checkAnnealing, DEFAULT_ANNEALING } from '../schedules/annealing.js';
import { checkDuration, type Duration } from '../schedules/learningRate.js';
import type {
  AmSoftmaxHead,
  ArcFaceHead,
  ASoftmaxHead,
  CenterHead,
  CombinedHead,
  CommonHeadOptions,
  HeadAlias,
  HeadName,
  L2SoftmaxHead,
  LSoftmaxHead,
  NormFaceHead,
  PedccHead,
  Scale,
  ScaledBnHead,
  SoftmaxHead,
} from './options.js';
import { checkAlpha, checkScale } from './scale.js';

export type Options = Readonly<Record<string, unknown>>;

/** One option: how it is checked, and what stands for it where it is not given (nothing, where `default` is absent). */
interface Option<T> {
  readonly default?: T | ((options: Options) => T);
  check(value: unknown, name: string): T;
}

type CommonName = keyof CommonHeadOptions;

interface HeadRow<T> {
  readonly aliases?: readonly HeadAlias[];
  /** The option that is the length of the features. */
  readonly scale?: 's' | 'alpha';
  /** Common options that this head does not have, because it is made of them. */
  readonly without?: readonly CommonName[];
  /** Every option of `T` but the common ones. */
  readonly options: {
    readonly [K in Exclude<keyof T, 'head' | CommonName>]-?: Option<Required<T>[K]>;
  };
  /** What differs from softmax without bias; not the scale. */
  native(options: Required<T>): Partial<NativeHead>;
}

/** A row whose options' type is forgotten: the table's values are checked before they reach `native`. */
export interface AnyHeadRow extends Pick<HeadRow<object>, 'aliases' | 'scale' | 'without'> {
  readonly options: Readonly<Record<string, Option<unknown>>>;
  native(options: object): Partial<NativeHead>;
}

const row = <T>(head: HeadRow<T>): AnyHeadRow => head;

const number = (fallback: number, range: Range): Option<number> => ({
  default: fallback,
  check: (value, name) => checkNumber(value, name, range),
});
const integer = (fallback: number, range: Range): Option<number> => ({
  default: fallback,
  check: (value, name) => checkInteger(value, name, range),
});
const flag = (fallback: boolean): Option<boolean> => ({ default: fallback, check: checkBoolean });
/** The first word is the default. */
const choice = <const T extends string>(...words: [T, ...T[]]): Option<T> => ({
  default: words[0],
  check: (value, name) => checkOneOf(value, name, words),
});
const angle = (fallback: number): Option<number> => ({ default: fallback, check: checkAngle });
const scale = (fallback: number): Option<Scale> => ({
  default: fallback,
  check: (value, name) => checkScale(value, name, fallback),
});
const duration = (fallback: Duration): Option<Duration> => ({ default: fallback, check: checkDuration });

/** By default where nothing normalises the logits, which would take a bias away again. */
const BIAS: Option<boolean> = {
  default: ({ logitNormalizer }) => logitNormalizer === undefined,
  check: checkBoolean,
};
const COSINE_MARGIN = number(0.35, { min: 0, max: 2 });
const MULTIPLIER = integer(4, { min: 1, max: 16 });
const LAMBDA: Option<Annealing> = { default: DEFAULT_ANNEALING, check: checkAnnealing };
const SCALED_BN = { m: number(1, { above: 0 }), epsilon: number(1e-5, { above: 0 }) };
const CENTER = { weight: number(0.01, { min: 0 }), rate: number(0.5, { min: 0, max: 1 }) };

/** Options that every head has, but for those that its row is `without`. */
export const COMMON_OPTIONS: Readonly<Record<CommonName, Option<unknown>>> = {
  featureDropout: number(0, { min: 0, below: 1 }),
  classWeights: { check: (value, name) => checkNumbers(value, name, { min: 0 }) },
  labelSmoothing: number(0, { min: 0, below: 1 }),
  headLr: number(1, { min: 0 }),
  marginWarmup: duration(0),
  logitNormalizer: { check: (value, name) => checkPart(value, name, 'scaled-bn', SCALED_BN) },
  auxiliary: { check: (value, name) => checkPart(value, name, 'center', CENTER) },
};

const COSINE = { normalizeFeatures: true, normalizeWeights: true } as const;

export const HEADS: Readonly<Record<HeadName, AnyHeadRow>> = {
  softmax: row<SoftmaxHead>({
    options: { bias: BIAS },
    native: ({ bias }) => ({ bias }),
  }),
  'l2-softmax': row<L2SoftmaxHead>({
    aliases: ['l2'],
    scale: 'alpha',
    options: {
      alpha: { default: 16, check: (value, name) => checkAlpha(value, name, 16) },
      l2Scope: choice('sample', 'batch'),
      bias: BIAS,
    },
    native: ({ alpha, l2Scope, bias }) => ({ normalizeFeatures: alpha !== 0, l2Scope, bias }),
  }),
  normface: row<NormFaceHead>({
    scale: 's',
    options: { s: scale(16) },
    native: () => COSINE,
  }),
  'l-softmax': row<LSoftmaxHead>({
    options: { m: MULTIPLIER, lambda: LAMBDA },
    native: ({ m }) => ({ m1: m }),
  }),
  'a-softmax': row<ASoftmaxHead>({
    aliases: ['sphereface'],
    options: { m: MULTIPLIER, lambda: LAMBDA },
    native: ({ m }) => ({ normalizeWeights: true, m1: m }),
  }),
  'am-softmax': row<AmSoftmaxHead>({
    aliases: ['cosface'],
    scale: 's',
    options: { m: COSINE_MARGIN, s: scale(30) },
    native: ({ m }) => ({ ...COSINE, m3: m }),
  }),
  arcface: row<ArcFaceHead>({
    scale: 's',
    options: {
      m: angle(0.5),
      s: scale(30),
      wrap: choice('continue', 'linear', 'none'),
      easyMargin: flag(false),
      gradient: choice('exact', 'detached'),
    },
    native: ({ m, wrap, easyMargin, gradient }) => ({
      ...COSINE,
      m2: m,
      wrap,
      easyMargin,
      exactGradient: gradient === 'exact',
    }),
  }),
  combined: row<CombinedHead>({
    scale: 's',
    options: {
      m1: number(1, { above: 0, max: 16 }),
      m2: angle(0.5),
      m3: number(0, { min: 0, max: 2 }),
      s: scale(30),
    },
    native: ({ m1, m2, m3 }) => ({ ...COSINE, m1, m2, m3 }),
  }),
  pedcc: row<PedccHead>({
    scale: 's',
    without: ['auxiliary'],
    options: { m: COSINE_MARGIN, s: scale(7.5), weight: number(1, { min: 0 }) },
    // Its distance has no factor 1/2.
    native: ({ m, weight }) => ({ ...COSINE, fixedWeights: true, m3: m, centerWeight: 2 * weight }),
  }),
  center: row<CenterHead>({
    without: ['auxiliary'],
    options: { ...CENTER, bias: BIAS },
    native: ({ weight, rate, bias }) => ({ bias, centerWeight: weight, centerRate: rate }),
  }),
  'scaled-bn': row<ScaledBnHead>({
    aliases: ['sbn'],
    without: ['logitNormalizer'],
    options: SCALED_BN,
    native: ({ m, epsilon }) => ({ scaledBn: { scale: m, epsilon } }),
  }),
};

/** A word, or an object with that word as its `type` and options: the object, with all options filled in. */
function checkPart(
  value: unknown,
  name: string,
  type: string,
  options: Readonly<Record<string, Option<number>>>,
): Options {
  const given = value === type ? { type } : value;
  if (!isRecord(given)) throw invalidOption(name, `'${type}' or { type: '${type}', … }`, value);
  checkOneOf(given.type, `${name}.type`, [type]);
  checkKeys(given, ['type', ...Object.keys(options)], `${name}.`);
  const values = Object.entries(options).map(([key, option]) => {
    return [key, given[key] === undefined ? option.default : option.check(given[key], `${name}.${key}`)];
  });
  return { type, ...Object.fromEntries(values) };
}

function checkAngle(value: unknown, option: string): number {
  const inDegrees = typeof value === 'number' && value > Math.PI / 2 && Number.isFinite(value);
  if (!inDegrees) return checkNumber(value, option, { min: 0 });
  const radians = ((value * Math.PI) / 180).toPrecision(4);
  throw invalidOption(
    option,
    'an angle in radians in [0, π/2]',
    value,
    `Were degrees meant? ${value} degrees are ${radians} radians`,
  );
}
