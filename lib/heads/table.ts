/**
 * The heads: one table with a row per head. A row holds the head's own options, and says how they map to the one native
 * pipeline. Adding a head = its interface in options.ts and its row here.
 */
import { checkNumber } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { NUMBER } from '../base/notation.js';
import {
  choice,
  flag,
  type Given,
  integer,
  number,
  numbers,
  type Option,
  option,
  partOf,
} from '../base/optionTable.js';
import type { NativeHead } from '../native/contract.js';
import {
  ANNEALING_NOTATION,
  type Annealing,
  checkAnnealing,
  DEFAULT_ANNEALING,
} from '../schedules/annealing.js';
import { duration } from '../schedules/duration.js';
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
  ScaledBnHead,
  SoftmaxHead,
} from './options.js';
import { ALPHA_NOTATION, checkAlpha, checkScale, SCALE_NOTATION } from './scale.js';

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
  /** λ over the run, where the head has one. */
  lambda?(options: Required<T>): Annealing;
}

/** A row whose options' type is forgotten: the table's values are checked before they reach its functions. */
export interface AnyHeadRow extends Pick<HeadRow<object>, 'aliases' | 'scale' | 'without'> {
  readonly options: Readonly<Record<string, Option>>;
  native(options: object): Partial<NativeHead>;
  lambda?(options: object): Annealing;
}

const row = <T>(head: HeadRow<T>): AnyHeadRow => head;

const angle = (help: string, fallback: number) =>
  option(help, checkAngle, { default: fallback, notation: NUMBER });
const scale = (fallback: number) =>
  option('scale of the cosines', (value, name) => checkScale(value, name, fallback), {
    default: fallback,
    notation: SCALE_NOTATION,
  });

const BIAS = flag('a bias per class', {
  default: ({ logitNormalizer }: Given) => logitNormalizer === undefined,
  defaultText: 'yes; no beside a logit normaliser, which would take it away again',
});
const COSINE_MARGIN = number('margin, taken from the cosine', { default: 0.35, min: 0, max: 2 });
const MULTIPLIER = integer('margin, multiplies the angle', { default: 4, min: 1, max: 16 });
const LAMBDA = option('hides the margin at first', checkAnnealing, {
  default: DEFAULT_ANNEALING,
  defaultText: 'base=1000,until=1,min=5',
  notation: ANNEALING_NOTATION,
});
const SCALED_BN = {
  m: number('scale of the normalised logits', { default: 1, above: 0 }),
  epsilon: number('added to the variance', { default: 1e-5, above: 0, flag: 'bn-epsilon' }),
};
const CENTER = {
  weight: number('weight of the distance to centres', { default: 0.01, min: 0 }),
  rate: number('at which centres follow their class', { default: 0.5, min: 0, max: 1 }),
};

/** Options that every head has, but for those that its row is `without`. */
export const COMMON_OPTIONS = {
  featureDropout: number('probability that a feature is dropped in training', {
    default: 0,
    min: 0,
    below: 1,
  }),
  classWeights: numbers('in the loss, one per class', { defaultText: 'all alike', min: 0 }),
  labelSmoothing: number('share of the target that is spread over all classes', {
    default: 0,
    min: 0,
    below: 1,
  }),
  headLr: number("factor on the head's learning rate", { default: 1, min: 0 }),
  marginWarmup: duration('the margin grows over this fraction of training, or number of steps', {
    default: 0,
  }),
  logitNormalizer: partOf('batch norm of the logits', 'scaled-bn', SCALED_BN, { defaultText: 'none' }),
  auxiliary: partOf('distance to class centres in the loss', 'center', CENTER, { defaultText: 'none' }),
} as const satisfies Readonly<Record<CommonName, Option>>;

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
      alpha: option('length of the features', (value, name) => checkAlpha(value, name, 16), {
        default: 16,
        notation: ALPHA_NOTATION,
      }),
      l2Scope: choice('whose norm features are divided by', ['sample', 'batch'], { default: 'sample' }),
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
    lambda: ({ lambda }) => lambda,
  }),
  'a-softmax': row<ASoftmaxHead>({
    aliases: ['sphereface'],
    options: { m: MULTIPLIER, lambda: LAMBDA },
    native: ({ m }) => ({ normalizeWeights: true, m1: m }),
    lambda: ({ lambda }) => lambda,
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
      m: angle('margin, added to the angle, in radians', 0.5),
      s: scale(30),
      wrap: choice('the target past θ + m = π', ['continue', 'linear', 'none'], { default: 'continue' }),
      easyMargin: flag('margin only below 90°', { default: false }),
      gradient: choice("the margin's derivative", ['exact', 'detached'], { default: 'exact' }),
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
      m1: number('multiplies the angle', { default: 1, above: 0, max: 16 }),
      m2: angle('added to the angle, in radians', 0.5),
      m3: number('taken from the cosine', { default: 0, min: 0, max: 2 }),
      s: scale(30),
    },
    native: ({ m1, m2, m3 }) => ({ ...COSINE, m1, m2, m3 }),
  }),
  pedcc: row<PedccHead>({
    scale: 's',
    without: ['auxiliary'],
    options: {
      m: COSINE_MARGIN,
      s: scale(7.5),
      weight: number('weight of the distance to centres', { default: 1, min: 0 }),
    },
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
