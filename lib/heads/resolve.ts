/** From a head's options, as users write them, to what the native side computes. */

import { checkInteger, checkKeys, checkOneOf } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { type Note, note } from '../base/note.js';
import { type Checked, type Given, optionValues } from '../base/optionTable.js';
import { namesFor } from '../base/otherNames.js';
import type { NativeHead } from '../native/contract.js';
import { type Annealing, leastLambda } from '../schedules/annealing.js';
import type { Duration } from '../schedules/duration.js';
import { hasMargin, NO_MARGIN } from './margin.js';
import type { CommonHeadOptions, EffectiveHead, HeadAlias, HeadName, Scale } from './options.js';
import { notesOnAlpha, notesOnScale, resolveScale } from './scale.js';
import { type AnyHeadRow, COMMON_OPTIONS, HEADS } from './table.js';

/** A head as the native side computes it, with what the facade has to know about it. */
export interface ResolvedHead {
  readonly native: NativeHead;
  readonly effective: EffectiveHead;
  /** Embeddings or class weights have a fixed length, so embeddings are compared by direction. */
  readonly byAngle: boolean;
  readonly headLr: number;
  readonly marginWarmup: Duration;
  /** λ over the run; 0 for heads without it. */
  readonly lambda: Annealing;
  /** For the user, about values that are allowed but will not work well. */
  readonly notes: readonly Note[];
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
  return ['head', ...Object.keys(HEADS[name].options), ...Object.keys(commonOptionsOf(name))];
}

/**
 * Refuses keys that are neither options of the head nor among `others`.
 * @param except Head options that have no meaning for the caller.
 * @param explain A sentence for keys that the caller knows a better place for.
 */
export function checkHeadKeys(
  options: Given,
  others: readonly string[],
  { except = [], explain = () => '' }: { except?: readonly string[]; explain?: (key: string) => string } = {},
): void {
  const name = checkHeadName(options.head);
  const allowed = headOptionNames(name).filter((key) => !except.includes(key));
  checkKeys(options, [...others, ...allowed], '', (key) => {
    if (HEADS[name].without?.some((own) => own === key)) return `The head ${name} has its own`;
    if (except.includes(key) || namesFor(key).some((ours) => [...others, ...allowed].includes(ours)))
      return '';
    for (const option of [key, ...namesFor(key)]) {
      const owners = HEAD_NAMES.filter((other) => other !== name && headOptionNames(other).includes(option));
      if (owners.length === 0) continue;
      return `The head here is ${name}; ${option} is an option of ${owners.join(', ')}`;
    }
    return explain(key);
  });
}

/** A head whose options are checked and complete. How many classes it tells apart is not known yet. */
export interface CheckedHead {
  readonly head: HeadName;
  /** By the head's row of the table. */
  readonly own: object;
  readonly common: Checked<typeof COMMON_OPTIONS>;
}

/** Checks the head's options among `options` and fills in defaults. Other keys are not looked at: see `checkHeadKeys`. */
export function checkHead(options: Given): CheckedHead {
  const head = checkHeadName(options.head);
  const own: Given = optionValues(HEADS[head].options, options);
  const common = optionValues(commonOptionsOf(head), options);
  const { logitNormalizer } = common;
  if (own.bias === true && logitNormalizer !== undefined) {
    throw invalidOption('bias', 'false', true, 'The logit normaliser takes a bias away again');
  }
  if (own.l2Scope === 'batch' && logitNormalizer !== undefined) {
    throw invalidOption(
      'logitNormalizer',
      "no value beside l2Scope 'batch'",
      options.logitNormalizer,
      'Its running statistics would be those of features that prediction does not have',
    );
  }
  return { head, own, common };
}

/**
 * What a head has in force once λ has fallen and the margin has come in, as options beside its own: what most of a run is like.
 * Throws INVALID_OPTION for options of the head.
 */
export function inFullForce(options: Given): { lambda?: number; marginWarmup: 0 } {
  const { head, own } = checkHead(options);
  const lambda = HEADS[head].lambda?.(own);
  return { ...(lambda !== undefined && { lambda: leastLambda(lambda) }), marginWarmup: 0 };
}

/**
 * The length that a head's logits have from `s` or `alpha`: the head's default where that is 'auto', which is no number
 * before the data is known. Undefined where features keep their own length, and where a logit normaliser takes it away.
 * Throws INVALID_OPTION for options of the head.
 */
export function givenScale(options: Given): number | undefined {
  const { head, own, common } = checkHead(options);
  const { scale, options: table } = HEADS[head];
  if (scale === undefined || common.logitNormalizer !== undefined) return undefined;
  const value = (own as Record<typeof scale, Scale>)[scale];
  if (typeof value === 'object') return value.init;
  return value === 'auto' ? (table[scale]!.default as number) : value;
}

/** What the native side computes for a head with this number of classes (≥ 2). Throws INVALID_OPTION. */
export function resolveHead({ head, own, common }: CheckedHead, numClasses: number): ResolvedHead {
  checkInteger(numClasses, 'numClasses', { min: 2 });
  const row = HEADS[head];
  const { featureDropout, labelSmoothing, logitNormalizer, auxiliary, marginWarmup, headLr } = common;
  const plain: NativeHead = {
    numClasses,
    normalizeFeatures: false,
    scale: 1,
    learnScale: false,
    l2Scope: 'sample',
    normalizeWeights: false,
    fixedWeights: false,
    bias: false,
    ...NO_MARGIN,
    wrap: 'continue',
    easyMargin: false,
    exactGradient: true,
    centerWeight: 0,
    centerRate: 0,
    featureDropout,
    labelSmoothing,
    ...nativeClassWeights(common.classWeights, numClasses),
    ...row.native(own),
  };
  const { native, effective, notes } = withScale(
    row,
    { head, ...own, ...common },
    {
      ...plain,
      ...(logitNormalizer && { scaledBn: { scale: logitNormalizer.m, epsilon: logitNormalizer.epsilon } }),
      ...(auxiliary && { centerWeight: auxiliary.weight, centerRate: auxiliary.rate }),
    },
  );
  const inVain =
    marginWarmup !== 0 && !hasMargin(native)
      ? `marginWarmup has no effect: this ${head} head has no margin`
      : undefined;
  return {
    native,
    effective,
    byAngle: native.normalizeWeights || (native.normalizeFeatures && native.l2Scope === 'sample'),
    headLr,
    marginWarmup,
    lambda: row.lambda?.(own) ?? 0,
    notes: [...notes, ...note('NO_MARGIN', inVain)],
  };
}

/** Those that its row is not `without`. */
function commonOptionsOf(head: HeadName): typeof COMMON_OPTIONS {
  const without: readonly string[] = HEADS[head].without ?? [];
  const entries = Object.entries(COMMON_OPTIONS).filter(([name]) => !without.includes(name));
  return Object.fromEntries(entries) as typeof COMMON_OPTIONS; // what a row is without has no default
}

/** The length of the features, where they have a fixed or learned one. */
function withScale(
  { scale: option }: AnyHeadRow,
  values: EffectiveHead,
  native: NativeHead,
): { native: NativeHead; effective: EffectiveHead; notes: readonly Note[] } {
  if (option === undefined || !native.normalizeFeatures) return { native, effective: values, notes: [] };
  const { init, learn } = resolveScale(values[option] as Scale, native, native.numClasses);
  const notesOn = option === 'alpha' ? notesOnAlpha : notesOnScale;
  return {
    native: { ...native, scale: init, learnScale: learn },
    effective: { ...values, [option]: learn ? { learn, init } : init },
    notes: native.scaledBn ? [] : notesOn(learn ? undefined : init, native, native.numClasses),
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
