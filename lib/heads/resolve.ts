/** From a head's options, as users write them, to what the native side computes. */

import { checkInteger, checkKeys, checkOneOf } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import type { NativeHead } from '../native/contract.js';
import type { Annealing } from '../schedules/annealing.js';
import type { Duration } from '../schedules/learningRate.js';
import type {
  CenterOptions,
  CommonHeadOptions,
  EffectiveHead,
  HeadAlias,
  HeadName,
  HeadOptions,
  Scale,
  ScaledBnOptions,
} from './options.js';
import { alphaWarning, resolveScale, scaleWarning } from './scale.js';
import { type AnyHeadRow, COMMON_OPTIONS, HEADS, type Options } from './table.js';

/** A head as the native side computes it, with what the facade has to know about it. */
export interface ResolvedHead {
  readonly native: NativeHead;
  readonly effective: EffectiveHead;
  /** Classes are told apart by angle, so embeddings are compared by direction. */
  readonly byAngle: boolean;
  readonly headLr: number;
  readonly marginWarmup: Duration;
  /** λ over the run; 0 for heads without it. */
  readonly lambda: Annealing;
  /** Sentences for the user, about values that are allowed but will not work well. */
  readonly warnings: readonly string[];
}

/** Names of all heads, for messages and the command line. */
export const HEAD_NAMES = Object.keys(HEADS) as HeadName[];
const ALIASES = new Map<HeadAlias, HeadName>(
  HEAD_NAMES.flatMap((name) => (HEADS[name].aliases ?? []).map((alias) => [alias, name] as const)),
);
/** Every word that `head` may be. */
export const HEAD_WORDS: readonly (HeadName | HeadAlias)[] = [...HEAD_NAMES, ...ALIASES.keys()];

/** The head that the option `head` names; 'softmax' where it is not given. */
export function checkHeadName(head: unknown): HeadName {
  if (head === undefined) return 'softmax';
  const word = checkOneOf(head, 'head', HEAD_WORDS);
  return ALIASES.get(word as HeadAlias) ?? (word as HeadName);
}

/** `head`, the head's own options and the common ones. */
export function headOptionNames(name: HeadName): string[] {
  return ['head', ...Object.keys(optionsOf(HEADS[name]))];
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
    if (HEADS[name].without?.some((own) => own === key)) return `The head ${name} has its own`;
    if (except.includes(key)) return '';
    const owners = HEAD_NAMES.filter((other) => other !== name && headOptionNames(other).includes(key));
    return owners.length > 0 ? `The head here is ${name}; ${key} is an option of ${owners.join(', ')}` : '';
  });
}

/** Checks the values of the head's options among `options` and fills in defaults. Other keys are not looked at. */
export function checkHeadValues(options: Options): EffectiveHead {
  const name = checkHeadName(options.head);
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(optionsOf(HEADS[name]))) {
    const { default: fallback } = option;
    const value =
      options[key] !== undefined
        ? option.check(options[key], key)
        : typeof fallback === 'function'
          ? fallback(options)
          : fallback;
    if (value !== undefined) values[key] = value;
  }
  if (values.bias === true && values.logitNormalizer !== undefined) {
    throw invalidOption('bias', 'false', true, 'The logit normaliser takes a bias away again');
  }
  if (values.l2Scope === 'batch' && values.logitNormalizer !== undefined) {
    throw invalidOption(
      'logitNormalizer',
      "no value beside l2Scope 'batch'",
      options.logitNormalizer,
      'Its running statistics would be those of features that prediction does not have',
    );
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
  const row = HEADS[values.head];
  // Checked by now: the two parts have their object form.
  const common = values as Omit<CommonHeadOptions, 'logitNormalizer' | 'auxiliary'> & {
    logitNormalizer?: Required<ScaledBnOptions>;
    auxiliary?: Required<CenterOptions>;
    lambda?: Annealing;
  };
  const plain: NativeHead = {
    numClasses,
    normalizeFeatures: false,
    scale: 1,
    learnScale: false,
    l2Scope: 'sample',
    normalizeWeights: false,
    fixedWeights: false,
    bias: false,
    m1: 1,
    m2: 0,
    m3: 0,
    wrap: 'continue',
    easyMargin: false,
    exactGradient: true,
    centerWeight: 0,
    centerRate: 0,
    featureDropout: common.featureDropout ?? 0,
    labelSmoothing: common.labelSmoothing ?? 0,
    ...nativeClassWeights(common.classWeights, numClasses),
    ...row.native(values),
  };
  const { logitNormalizer, auxiliary, marginWarmup = 0, lambda = 0, headLr = 1 } = common;
  const { native, effective, warning } = withScale(row, values, {
    ...plain,
    ...(logitNormalizer && { scaledBn: { scale: logitNormalizer.m, epsilon: logitNormalizer.epsilon } }),
    ...(auxiliary && { centerWeight: auxiliary.weight, centerRate: auxiliary.rate }),
  });
  const warnings = warning === undefined ? [] : [warning];
  if (marginWarmup !== 0 && !hasMargin(native)) {
    warnings.push(`marginWarmup has no effect: this ${values.head} head has no margin`);
  }
  return {
    native,
    effective,
    byAngle: native.normalizeWeights || (native.normalizeFeatures && native.l2Scope === 'sample'),
    headLr,
    marginWarmup,
    lambda,
    warnings,
  };
}

export function hasMargin({ m1, m2, m3 }: NativeHead): boolean {
  return m1 !== 1 || m2 !== 0 || m3 !== 0;
}

/** Own options first, then the common ones: the order in which they are shown. */
function optionsOf({ options, without = [] }: AnyHeadRow): AnyHeadRow['options'] {
  const common = Object.entries(COMMON_OPTIONS).filter(([key]) => !without.some((own) => own === key));
  return { ...options, ...Object.fromEntries(common) };
}

/** The length of the features, where they have a fixed or learned one. */
function withScale(
  { scale: option }: AnyHeadRow,
  values: EffectiveHead,
  native: NativeHead,
): { native: NativeHead; effective: EffectiveHead; warning?: string | undefined } {
  if (option === undefined || !native.normalizeFeatures) return { native, effective: values };
  const { init, learn } = resolveScale(values[option] as Scale, native, native.numClasses);
  const warn = native.scaledBn ? () => undefined : option === 'alpha' ? alphaWarning : scaleWarning;
  return {
    native: { ...native, scale: init, learnScale: learn },
    effective: { ...values, [option]: learn ? { learn, init } : init },
    warning: learn ? undefined : warn(init, native, native.numClasses),
  };
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
