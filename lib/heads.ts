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
  type Range,
} from './check.js';
import { invalidOption } from './errors.js';
import type {
  ArcFaceHead,
  CommonHeadOptions,
  EffectiveHead,
  HeadName,
  HeadOptions,
  Scale,
  SoftmaxHead,
} from './headOptions.js';
import type { NativeHead } from './native.js';
import { checkScale, expectedLossAtRightAngles, resolveScale, scaleWarning } from './scale.js';
import { checkDuration, type Duration } from './schedules.js';

/** A head as the native side computes it, with what the facade has to know about it. */
export interface ResolvedHead {
  readonly native: NativeHead;
  readonly effective: EffectiveHead;
  /** Scores are s·cosθ, so embeddings are compared by their angle. */
  readonly cosine: boolean;
  readonly headLr: number;
  readonly marginWarmup: Duration;
  /** Sentences for the user, about values that are allowed but will not work well. */
  readonly warnings: readonly string[];
}

/** One option: how it is checked, and what stands for it where it is not given (nothing, where `default` is absent). */
interface Option<T> {
  readonly default?: T;
  check(value: unknown, name: string): T;
}

interface HeadRow<T> {
  readonly cosine: boolean;
  /** Every option of `T` but the common ones. A cosine head has the option `s`, which becomes the native scale. */
  readonly options: {
    readonly [K in Exclude<keyof T, 'head' | keyof CommonHeadOptions>]-?: Option<Required<T>[K]>;
  };
  /** What differs from softmax without bias. */
  native(options: Required<T>): Partial<NativeHead>;
}

/** A row whose options' type is forgotten: the table's values are checked before they reach `native`. */
interface AnyHeadRow {
  readonly cosine: boolean;
  readonly options: Readonly<Record<string, Option<unknown>>>;
  native(options: object): Partial<NativeHead>;
}

const row = <T>(head: HeadRow<T>): AnyHeadRow => head;

const number = (fallback: number, range: Range): Option<number> => ({
  default: fallback,
  check: (value, name) => checkNumber(value, name, range),
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

const COMMON_OPTIONS: Readonly<Record<keyof CommonHeadOptions, Option<unknown>>> = {
  featureDropout: number(0, { min: 0, below: 1 }),
  classWeights: { check: (value, name) => checkNumbers(value, name, { min: 0 }) },
  labelSmoothing: number(0, { min: 0, below: 1 }),
  headLr: number(1, { min: 0 }),
};

const HEADS: Readonly<Record<HeadName, AnyHeadRow>> = {
  softmax: row<SoftmaxHead>({
    cosine: false,
    options: { bias: flag(true) },
    native: ({ bias }) => ({ bias }),
  }),
  arcface: row<ArcFaceHead>({
    cosine: true,
    options: {
      m: angle(0.5),
      s: scale(30),
      wrap: choice('continue', 'linear', 'none'),
      easyMargin: flag(false),
      gradient: choice('exact', 'detached'),
      marginWarmup: duration(0),
    },
    native: ({ m, wrap, easyMargin, gradient }) => ({
      normalizeFeatures: true,
      normalizeWeights: true,
      m2: m,
      wrap,
      easyMargin,
      exactGradient: gradient === 'exact',
    }),
  }),
};

/** Names of all heads, for messages and the command line. */
export const HEAD_NAMES = Object.keys(HEADS) as HeadName[];

type Options = Readonly<Record<string, unknown>>;

/** The head that the option `head` names; 'softmax' where it is not given. */
export function checkHeadName(head: unknown): HeadName {
  return head === undefined ? 'softmax' : checkOneOf(head, 'head', HEAD_NAMES);
}

/** `head`, the head's own options and the common ones. */
export function headOptionNames(name: HeadName): string[] {
  return ['head', ...Object.keys(HEADS[name].options), ...Object.keys(COMMON_OPTIONS)];
}

/**
 * Refuses keys that are neither options of the head nor among `others`.
 * @param except Head options that have no meaning for the caller.
 */
export function checkHeadKeys(
  options: Options,
  others: readonly string[],
  except: readonly string[] = [],
): void {
  const name = checkHeadName(options.head);
  const allowed = headOptionNames(name).filter((key) => !except.includes(key));
  checkKeys(options, [...others, ...allowed], '', (key) => {
    const owners = HEAD_NAMES.filter((other) => other !== name && headOptionNames(other).includes(key));
    return owners.length > 0 ? `The head here is ${name}; ${key} is an option of ${owners.join(', ')}` : '';
  });
}

/** Checks the values of the head's options among `options` and fills in defaults. Other keys are not looked at. */
export function checkHeadValues(options: Options): EffectiveHead {
  const name = checkHeadName(options.head);
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries({ ...HEADS[name].options, ...COMMON_OPTIONS })) {
    const value = options[key] === undefined ? option.default : option.check(options[key], key);
    if (value !== undefined) values[key] = value;
  }
  return { head: name, ...values };
}

/**
 * Checks a head's options and turns them into what the native side computes for this number of classes (≥ 2).
 * Throws INVALID_OPTION. Keys that are not head options are not looked at: see `checkHeadKeys`.
 */
export function resolveHead(options: HeadOptions, numClasses: number): ResolvedHead {
  checkInteger(numClasses, 'numClasses', { min: 2 });
  const values = checkHeadValues({ ...options });
  const head = HEADS[values.head];
  const common = values as CommonHeadOptions & { marginWarmup?: Duration };
  const native: NativeHead = {
    numClasses,
    normalizeFeatures: false,
    scale: 1,
    learnScale: false,
    l2Scope: 'sample',
    normalizeWeights: false,
    bias: false,
    m1: 1,
    m2: 0,
    m3: 0,
    wrap: 'continue',
    easyMargin: false,
    exactGradient: true,
    featureDropout: common.featureDropout ?? 0,
    labelSmoothing: common.labelSmoothing ?? 0,
    ...nativeClassWeights(common.classWeights, numClasses),
    ...head.native(values),
  };
  const resolved = {
    cosine: head.cosine,
    headLr: common.headLr ?? 1,
    marginWarmup: common.marginWarmup ?? 0,
  };
  if (!head.cosine) return { ...resolved, native, effective: values, warnings: [] };

  const { init, learn } = resolveScale(values.s as Scale, native, numClasses);
  const warning = learn ? undefined : scaleWarning(init, native, numClasses);
  return {
    ...resolved,
    native: { ...native, scale: init, learnScale: learn },
    effective: { ...values, s: learn ? { learn, init } : init },
    warnings: warning === undefined ? [] : [warning],
  };
}

/**
 * The loss to expect at the first step; undefined where no such statement holds: in few dimensions random cosines are
 * far from 0, and with `easyMargin` about half of the targets have a margin.
 */
export function expectedFirstLoss(head: ResolvedHead, embeddingSize: number): number | undefined {
  const { native } = head;
  if (!head.cosine) return Math.log(native.numClasses);
  if (embeddingSize < 256 || native.easyMargin) return undefined;
  const margin = head.marginWarmup === 0 ? native : { m1: 1, m2: 0, m3: 0 };
  return expectedLossAtRightAngles(native.scale, margin, native.numClasses);
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

function nativeClassWeights(
  weights: CommonHeadOptions['classWeights'],
  numClasses: number,
): Pick<NativeHead, 'classWeights'> {
  if (weights === undefined) return {};
  if (weights.length !== numClasses) {
    throw invalidOption('classWeights', `${numClasses} numbers, one per class,`, weights);
  }
  if (!weights.some((weight) => weight > 0)) throw invalidOption('classWeights', 'a weight above 0', weights);
  return { classWeights: Float32Array.from(weights) };
}
