/**
 * The length that normalised features get: s of cosine heads, α of L2-softmax. Logits that lie too close together
 * cannot express a confident prediction, so the number of classes sets a lower bound.
 */
import { checkKeys, checkNumber, isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { type Notation, parseNumber } from '../base/notation.js';
import { type Note, note } from '../base/note.js';
import type { NativeHead } from '../native/contract.js';
import { type Margin, NO_MARGIN, targetFactor } from './margin.js';
import type { LearnedScale, Scale } from './options.js';

/** The target probability that the bound makes reachable. */
const PROBABILITY = 0.9;

/** @param fallback Where a learned scale starts by default. */
export function checkScale(value: unknown, option: string, fallback: number): Scale {
  if (value === 'auto') return value;
  if (typeof value === 'number') return checkNumber(value, option, { above: 0 });
  return checkLearned(value, option, "a number above 0, 'auto' or { learn: true, init }", fallback);
}

/** 0 stands for features that are not normalised. */
export function checkAlpha(value: unknown, option: string, fallback: number): number | LearnedScale {
  if (typeof value === 'number') return checkNumber(value, option, { min: 0 });
  return checkLearned(value, option, 'a number of at least 0 or { learn: true, init }', fallback);
}

/** A number, 'auto', or 'learn' with or without a number to begin with. */
export const SCALE_NOTATION: Notation = {
  form: 'NUMBER|auto|learn[:INIT]',
  words: ['auto', 'learn'],
  parse: (given) => (given === 'auto' ? given : parseLength(given)),
};

export const ALPHA_NOTATION: Notation = {
  form: 'NUMBER|learn[:INIT]',
  words: ['learn'],
  parse: parseLength,
};

function parseLength(given: string): unknown {
  if (given === 'learn') return { learn: true };
  if (!given.startsWith('learn:')) return parseNumber(given);
  const init = parseNumber(given.slice('learn:'.length));
  return init === undefined ? undefined : { learn: true, init };
}

function checkLearned(value: unknown, option: string, expected: string, fallback: number): LearnedScale {
  if (!isRecord(value)) throw invalidOption(option, expected, value);
  checkKeys(value, ['learn', 'init'], `${option}.`);
  if (value.learn !== true) throw invalidOption(`${option}.learn`, 'true', value.learn);
  const { init = fallback } = value;
  return { learn: true, init: checkNumber(init, `${option}.init`, { above: 0 }) };
}

/** A checked scale as a number, and whether training changes it. */
export function resolveScale(
  scale: Scale,
  margin: Margin,
  numClasses: number,
): { init: number; learn: boolean } {
  if (typeof scale === 'object') return { init: scale.init!, learn: true };
  return { init: scale === 'auto' ? automaticScale(margin, numClasses) : scale, learn: false };
}

/**
 * The smallest s with which a perfectly placed sample reaches the target probability p = 0.9:
 * ln((C−1)p/(1−p)) / (φ(0) + 1/(C−1)), all other classes standing at cosθ = −1/(C−1). Infinite where the margin leaves
 * the target's logit no higher than the others'.
 */
export function scaleBound(margin: Margin, numClasses: number): number {
  const others = numClasses - 1;
  const odds = PROBABILITY / (1 - PROBABILITY);
  const lead = targetFactor(margin, 0) + 1 / others;
  return lead > 0 ? Math.log(others * odds) / lead : Number.POSITIVE_INFINITY;
}

/**
 * What to tell a user whose s is below the bound.
 * @param scale undefined for one that is learned.
 */
export function notesOnScale(scale: number | undefined, margin: Margin, numClasses: number): Note[] {
  const bound = scaleBound(margin, numClasses);
  if (bound === Number.POSITIVE_INFINITY) {
    const target = targetFactor(margin, 0).toPrecision(3);
    const others = (-1 / (numClasses - 1)).toPrecision(3);
    return note(
      'NO_SCALE_SUFFICES',
      `No scale suffices for this margin: with ${numClasses} classes a perfect embedding's logit is ${target}·s and ` +
        `those of the other classes are ${others}·s, so the own class is never the most probable one in training, and ` +
        'a larger s only raises the loss. Use a smaller margin',
    );
  }
  if (scale === undefined || scale >= bound) return [];
  return note(
    'SCALE_TOO_SMALL',
    `s = ${scale} is below ${bound.toFixed(2)}: with ${numClasses} classes and this margin even a perfect embedding ` +
      `cannot reach a probability of ${PROBABILITY}, so the loss stays high. Use s: 'auto' or a larger number`,
  );
}

/**
 * What to tell a user whose α is below ln(p(C−2)/(1−p)), with which p = 0.9 can be reached (Ranjan et al. 2017, eq. 4).
 * With the norm of the whole batch features are far shorter than α: nothing is known then.
 */
export function notesOnAlpha(
  alpha: number | undefined,
  { l2Scope }: Pick<NativeHead, 'l2Scope'>,
  numClasses: number,
): Note[] {
  if (alpha === undefined || l2Scope === 'batch' || numClasses < 3) return [];
  const bound = Math.log((PROBABILITY * (numClasses - 2)) / (1 - PROBABILITY));
  if (alpha >= bound) return [];
  return note(
    'SCALE_TOO_SMALL',
    `alpha = ${alpha} is below ${bound.toFixed(2)}: with ${numClasses} classes a probability of ${PROBABILITY} then needs ` +
      'long class weights, so the loss falls slowly. Use a larger number',
  );
}

/**
 * Mean loss of an untrained cosine head, every class at 90° from the embedding: ln(1 + (C−1)·e^(−s·φ(90°))), which
 * is ln(C−1) + s·sin m for ArcFace and ln C without a margin; less where label smoothing spreads a part of the target
 * over classes whose logits are 0.
 */
export function expectedLossAtRightAngles(
  scale: number,
  margin: Margin,
  numClasses: number,
  labelSmoothing = 0,
): number {
  const target = scale * targetFactor(margin, Math.PI / 2);
  const gap = Math.log(numClasses - 1) - target;
  const spread = labelSmoothing * (1 - 1 / numClasses);
  return gap + Math.log1p(Math.exp(-gap)) + spread * target;
}

/** The bound, or √2·ln(C−1) where that is larger. Where no scale suffices, that without a margin. */
function automaticScale(margin: Margin, numClasses: number): number {
  const bound = scaleBound(margin, numClasses);
  const reachable = Number.isFinite(bound) ? bound : scaleBound(NO_MARGIN, numClasses);
  return Math.max(reachable, Math.SQRT2 * Math.log(numClasses - 1));
}
