/**
 * λ of L-Softmax and A-Softmax over a run, as plain data. The target logit is (λ·plain + with margin)/(1 + λ): a large
 * λ hides the margin until the network has learned something.
 */
import { checkKeys, checkNumber, checkOneOf, isRecord } from '../base/check.js';
import { invalidOption } from '../base/errors.js';

export type Annealing =
  /** The same at every step, ≥ 0 */
  | number
  /** max(min, base·(1 + gamma·step)^−power) */
  | { readonly base: number; readonly gamma: number; readonly power: number; readonly min?: number }
  /** max(min, base·(1 − u/until)^6) with u the fraction of training done, and min from `until` on */
  | { readonly base: number; readonly until: number; readonly min?: number }
  | AnnealingRecipe;

export type AnnealingRecipe = keyof typeof RECIPES;

/** As the authors' published training files have it: L-Softmax's three, and SphereFace's. */
const RECIPES = {
  mnist: { base: 1000, gamma: 2.5e-5, power: 35, min: 0 },
  cifar10: { base: 1000, gamma: 2e-5, power: 45, min: 0 },
  'cifar10+': { base: 1000, gamma: 1e-5, power: 45, min: 0 },
  sphereface: { base: 1000, gamma: 0.12, power: 1, min: 5 },
} as const;

export const ANNEALING_RECIPES = Object.keys(RECIPES) as AnnealingRecipe[];

export const DEFAULT_ANNEALING: Annealing = { base: 1000, until: 0.5, min: 0 };

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
  const number = (key: string, range = {}) =>
    checkNumber(value[key], `${option}.${key}`, { min: 0, ...range });
  const base = number('base');
  const min = value.min === undefined ? 0 : number('min');
  if ('until' in value) {
    checkKeys(value, ['base', 'until', 'min'], `${option}.`);
    return { base, until: checkNumber(value.until, `${option}.until`, { above: 0, max: 1 }), min };
  }
  checkKeys(value, ['base', 'gamma', 'power', 'min'], `${option}.`);
  return { base, gamma: number('gamma'), power: number('power'), min };
}

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

/** What to tell a user whose margin never comes into force; undefined where it does. */
export function annealingWarning(annealing: Annealing, totalSteps: number): string | undefined {
  const last = lambdaAt(annealing, totalSteps - 1, totalSteps);
  if (last <= 10) return undefined;
  return (
    `λ ends at ${last.toPrecision(3)} after ${totalSteps} steps: the margin stays almost without effect. ` +
    'Train longer, or let λ fall faster'
  );
}
