/**
 * λ of L-Softmax and A-Softmax over a run, as plain data. The target logit is (λ·plain + with margin)/(1 + λ): a large
 * λ hides the margin until the network has learned something.
 */
import { checkNumber, checkOneOf, isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { type Notation, parseNamedNumbers, parseNumber } from '../base/notation.js';
import { checkOptions, number } from '../base/optionTable.js';

/** λ over a run; see `lambda` of the heads l-softmax and a-softmax. */
export type Annealing =
  /** The same at every step, ≥ 0 */
  | number
  /** max(min, base·(1 + gamma·step)^−power) */
  | { readonly base: number; readonly gamma: number; readonly power: number; readonly min?: number }
  /** max(min, base·(1 − u/until)^6) with u the fraction of training done, and min from `until` on */
  | { readonly base: number; readonly until: number; readonly min?: number }
  | AnnealingRecipe;

/** λ as the authors' published training files have it: L-Softmax's for MNIST, CIFAR-10 and CIFAR-10 with augmentation, and SphereFace's. */
export type AnnealingRecipe = keyof typeof RECIPES;

/** As the authors' published training files have it: L-Softmax's three, and SphereFace's. */
const RECIPES = {
  mnist: { base: 1000, gamma: 2.5e-5, power: 35, min: 0 },
  cifar10: { base: 1000, gamma: 2e-5, power: 45, min: 0 },
  'cifar10+': { base: 1000, gamma: 1e-5, power: 45, min: 0 },
  sphereface: { base: 1000, gamma: 0.12, power: 1, min: 5 },
} as const;

const ANNEALING_RECIPES = Object.keys(RECIPES) as AnnealingRecipe[];

/** In step with the run's length, so that the margin shows in short runs too; 5, where most of it stays hidden, is SphereFace's. */
export const DEFAULT_ANNEALING: Annealing = { base: 1000, until: 1, min: 5 };

const BASE = number('λ at the first step', { required: true, min: 0 });
const MIN = number('the least λ', { default: 0, min: 0 });
const POWER_RULE = {
  base: BASE,
  gamma: number('', { required: true, min: 0 }),
  power: number('', { required: true, min: 0 }),
  min: MIN,
};
const SIXTH_POWER_RULE = {
  base: BASE,
  until: number('fraction of training', { required: true, above: 0, max: 1 }),
  min: MIN,
};

/** A recipe's name becomes its numbers. */
export function checkAnnealing(value: unknown, option: string): Annealing {
  if (typeof value === 'number') return checkNumber(value, option, { min: 0 });
  if (typeof value === 'string') return RECIPES[checkOneOf(value, option, ANNEALING_RECIPES)];
  if (!isRecord(value)) {
    throw invalidOption(
      option,
      "a number, { base, gamma, power, min }, { base, until, min } or a recipe's name",
      value,
    );
  }
  return 'until' in value
    ? checkOptions(value, option, SIXTH_POWER_RULE)
    : checkOptions(value, option, POWER_RULE);
}

/** A number, the name of a recipe, or the numbers of a rule by name. */
export const ANNEALING_NOTATION: Notation = {
  form: `NUMBER|${ANNEALING_RECIPES.join('|')}|base=…,until=…|base=…,gamma=…,power=…`,
  words: ANNEALING_RECIPES,
  parse(given) {
    if (ANNEALING_RECIPES.some((name) => name === given)) return given;
    return given.includes('=') ? parseNamedNumbers(given) : parseNumber(given);
  },
};

/** λ of a checked annealing at a step, counted from 0. */
export function lambdaAt(annealing: Annealing, step: number, totalSteps: number): number {
  if (typeof annealing === 'number') return annealing;
  if (typeof annealing === 'string') return lambdaAt(RECIPES[annealing], step, totalSteps);
  const { base, min = 0 } = annealing;
  if ('gamma' in annealing) {
    return Math.max(min, base * (1 + annealing.gamma * step) ** -annealing.power);
  }
  const left = Math.max(0, 1 - step / totalSteps / annealing.until);
  return Math.max(min, base * left ** 6);
}

/** The λ that a checked annealing comes to in a run that is long enough. */
export function leastLambda(annealing: Annealing): number {
  if (typeof annealing === 'number') return annealing;
  return (typeof annealing === 'string' ? RECIPES[annealing] : annealing).min ?? 0;
}

/** What to tell a user whose margin never comes into force; undefined where it does. */
export function annealingWarning(annealing: Annealing, totalSteps: number): string | undefined {
  const last = lambdaAt(annealing, totalSteps - 1, totalSteps);
  if (last <= 10) return undefined;
  return (
    `λ ends at ${last.toPrecision(3)} after ${totalSteps} steps: the margin stays almost without effect. ` +
    'Train longer, or let λ fall faster'
  );
}
