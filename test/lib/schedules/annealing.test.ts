import {
  type Annealing,
  annealingWarning,
  checkAnnealing,
  lambdaAt,
} from '../../../lib/schedules/annealing.js';
import { refusal } from '../../support/refusal.js';

const check = (value: unknown) => checkAnnealing(value, 'lambda');

/** λ as the authors' layers count it down: base/(1 + γt)^p, or base·(1 − t/half)^6 over the first part of a run. */
const power = (t: number, gamma: number, p: number) => 1000 / Math.exp(p * Math.log(1 + gamma * t));
const sixth = (t: number, last: number, base = 1000) => (t >= last ? 0 : base * ((last - t) / last) ** 6);

test('a number is λ at every step', () => {
  expect([0, 50, 99].map((step) => lambdaAt(check(3.5), step, 100))).toEqual([3.5, 3.5, 3.5]);
  expect(lambdaAt(check(0), 0, 100)).toBe(0);
});

test.each([0, 1, 10, 999, 5000])('base·(1 + gamma·step)^−power, not below min, at step %d', (step) => {
  const rule = check({ base: 1000, gamma: 0.12, power: 1, min: 5 });
  expect(lambdaAt(rule, step, 10_000)).toBeCloseTo(Math.max(5, 1000 / (1 + 0.12 * step)), 9);
  // How long a run is does not matter.
  expect(lambdaAt(rule, step, 7)).toBe(lambdaAt(rule, step, 10_000));
});

test.each([0, 1, 25, 49, 50, 51, 99])('base·(1 − u/until)^6 until half of 100 steps, at step %d', (step) => {
  expect(lambdaAt(check({ base: 1000, until: 0.5 }), step, 100)).toBeCloseTo(sixth(step, 50), 9);
  const withMin = check({ base: 64, until: 0.5, min: 5 });
  expect(lambdaAt(withMin, step, 100)).toBeCloseTo(Math.max(5, sixth(step, 50, 64)), 9);
});

test('λ until the whole of training is above 0 at the last step', () => {
  expect(lambdaAt(check({ base: 1000, until: 1 }), 9, 10)).toBeCloseTo(1e-3, 9);
});

test.each([
  ['mnist', 2.5e-5, 35, 0],
  ['cifar10', 2e-5, 45, 0],
  ['cifar10+', 1e-5, 45, 0],
  ['sphereface', 0.12, 1, 5],
] as const)("the recipe '%s' is its numbers", (name, gamma, exponent, min) => {
  expect(check(name)).toEqual({ base: 1000, gamma, power: exponent, min });
  for (const step of [0, 100, 20_000]) {
    const expected = Math.max(min, power(step, gamma, exponent));
    expect(lambdaAt(name, step, 30_000) / expected).toBeCloseTo(1, 9);
    expect(lambdaAt(check(name), step, 30_000)).toBe(lambdaAt(name, step, 30_000));
  }
});

test('min is 0 where it is not given, and what was checked can be given again', () => {
  for (const rule of [{ base: 10, until: 0.3 }, { base: 10, gamma: 1, power: 2 }, 'mnist', 4]) {
    const checked = check(rule);
    expect(checked).toEqual(typeof rule === 'object' ? { ...rule, min: 0 } : checked);
    expect(check(JSON.parse(JSON.stringify(checked)))).toEqual(checked);
  }
});

test.each<[unknown, string]>([
  [-1, 'a number of at least 0 for lambda but received -1'],
  [Number.NaN, 'for lambda but received NaN'],
  [Number.POSITIVE_INFINITY, 'for lambda but received Infinity'],
  ['5', "one of 'mnist', 'cifar10', 'cifar10+', 'sphereface' for lambda"],
  ['spherface', "Did you mean 'sphereface'?"],
  [true, "a number, { base, gamma, power, min }, { base, until, min } or a recipe's name for lambda"],
  [[1000, 0.5], "a recipe's name for lambda but received [1000,0.5] of type array"],
  [{}, 'for lambda.base but received undefined'],
  [{ base: 1000 }, 'for lambda.gamma but received undefined'],
  [{ base: 1000, gamma: 0.1 }, 'for lambda.power but received undefined'],
  [{ base: -1, until: 0.5 }, 'a number of at least 0 for lambda.base'],
  [{ base: 1000, until: 0 }, 'a number in (0, 1] for lambda.until'],
  [{ base: 1000, until: 20 }, 'a number in (0, 1] for lambda.until'],
  [{ base: 1000, until: 0.5, min: -1 }, 'for lambda.min'],
  [{ base: 1000, until: 0.5, gamma: 1 }, 'for lambda.gamma but received 1'],
  [{ base: 1000, gamma: -0.1, power: 1 }, 'a number of at least 0 for lambda.gamma'],
  [{ base: 1000, gamma: 0.1, power: '1' }, 'for lambda.power but received "1" of type string'],
  [{ base: 1000, gama: 0.1, power: 1 }, "Did you mean 'gamma'?"],
])('%j is refused', async (value, message) => {
  const error = await refusal(() => check(value));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});

test.each<[Annealing, number, string | undefined]>([
  [0, 100, undefined],
  [10, 100, undefined],
  [10.5, 100, '10.5'],
  [{ base: 1000, until: 0.5, min: 0 }, 100, undefined],
  [{ base: 1000, until: 1, min: 11 }, 100, '11.0'],
  ['sphereface', 10_000, undefined],
  ['sphereface', 100, '77.6'], // 1000/(1 + 0.12·99)
  ['mnist', 3000, '79.6'], // 1000·(1 + 2.5e-5·2999)^−35
  ['mnist', 30_000, undefined],
])('λ %j over %d steps: a warning where it ends above 10', (rule, steps, end) => {
  const warning = annealingWarning(rule, steps);
  if (end === undefined) expect(warning).toBeUndefined();
  else expect(warning).toContain(`λ ends at ${end} after ${steps} steps`);
});
