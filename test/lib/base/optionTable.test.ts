/** Option tables: what a row makes of a value, of nothing, and of a mistake. */
import {
  checkOptions,
  checkVariant,
  choice,
  describeDefault,
  flag,
  integer,
  number,
  numbers,
  option,
  optionValues,
  partOf,
} from '../../../lib/base/optionTable.js';
import { refusal } from '../../support/refusal.js';

const TABLE = {
  size: integer('', { default: 4, min: 1 }),
  rate: number('', { required: true, above: 0 }),
  weights: numbers('', { min: 0 }),
  fast: flag('', { default: ({ size }: { size?: number }) => size === 1 }),
  mode: choice('', ['plain', 'strict'], { default: 'plain' }),
} as const;

test('given values are checked, the others have their defaults, and options without one are absent', () => {
  expect(optionValues(TABLE, { rate: 0.5 })).toEqual({ size: 4, rate: 0.5, fast: false, mode: 'plain' });
  expect(optionValues(TABLE, { rate: 1, size: 1, weights: [1, 2], mode: 'strict' })).toEqual({
    ...{ size: 1, rate: 1, weights: [1, 2], fast: true, mode: 'strict' },
  });
});

test('the types are those of the checks', () => {
  const { size, rate, weights, fast, mode } = optionValues(TABLE, { rate: 1 });
  const typed: [number, number, number[] | undefined, boolean, 'plain' | 'strict'] = [
    ...([size, rate, weights, fast, mode] as const),
  ];
  expect(typed).toHaveLength(5);
  // @ts-expect-error An option without a default may be absent.
  const certain: number[] = weights;
  expect(certain).toBeUndefined();
});

test('undefined counts as absent, null does not', async () => {
  expect(optionValues(TABLE, { rate: 1, size: undefined }).size).toBe(4);
  expect((await refusal(() => optionValues(TABLE, { rate: 1, size: null }))).message).toContain('null');
});

test.each<[unknown, string]>([
  [{}, 'Expected a number above 0 for job.rate but received undefined'],
  [{ rate: 0 }, 'for job.rate but received 0'],
  [{ rate: 1, sise: 2 }, "for job.sise but received 2 of type number. Did you mean 'size'?"],
  [{ rate: 1, colour: 2 }, 'The options are size, rate, weights, fast, mode'],
  [7, 'Expected an object of options for job but received 7'],
])('%j is refused', async (value, message) => {
  const error = await refusal(() => checkOptions(value, 'job', TABLE));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});

test('one of several sets is told by its type, and has its own options only', async () => {
  const variants = {
    linear: { slope: number('', { default: 1 }) },
    step: { at: integer('', { required: true }) },
  };
  const check = (value: unknown) => checkVariant(value, 'rule', variants, 'a rule');
  expect(check({ type: 'linear' })).toEqual({ type: 'linear', slope: 1 });
  expect(check({ type: 'step', at: 3 })).toEqual({ type: 'step', at: 3 });
  expect((await refusal(() => check({ type: 'step', slope: 3 }))).message).toContain('rule.slope');
  expect((await refusal(() => check({ type: 'lineer' }))).message).toContain("Did you mean 'linear'?");
  expect((await refusal(() => check('linear'))).message).toContain('Expected a rule for rule');
});

test('a part is its word, or an object of that type', async () => {
  const { check, notation } = partOf('', 'center', { weight: number('', { default: 0.01 }) });
  expect(check('center', 'auxiliary')).toEqual({ type: 'center', weight: 0.01 });
  expect(check({ type: 'center', weight: 2 }, 'auxiliary')).toEqual({ type: 'center', weight: 2 });
  expect((await refusal(() => check('centre', 'auxiliary'))).message).toContain(
    "'center' or { type: 'center', … }",
  );
  expect(notation).toMatchObject({ form: 'center[:weight=…]' });
});

test.each<[unknown, string | undefined]>([
  [0, '0'],
  [0.35, '0.35'],
  [0.01, '0.01'],
  [1e-3, '1e-3'],
  [5e-4, '5e-4'],
  [true, 'yes'],
  [false, 'no'],
  ['auto', 'auto'],
  [undefined, undefined],
])('the default %j is shown as %j', (fallback, expected) => {
  expect(describeDefault(option('', (value) => value, { default: fallback }))).toBe(expected);
});
