import { type HeadLossOptions, headLoss } from '../../../lib/index.js';
import { BIASED, C, CENTERED, D, floats, lossOf, matrix, N } from '../../support/headInputs.js';
import { refusal } from '../../support/refusal.js';
import type { Matrix } from '../../support/textbookHead.js';

const learned = (init: number) => ({ learn: true, init });

test('centres stand at 0 where none are given', async () => {
  const options = { head: 'center', weight: 0.3 };
  const zeros = await lossOf({ ...options, centers: new Float32Array(C * D) });
  expect(await lossOf(options)).toEqual(zeros);
  expect(zeros.loss).not.toBeCloseTo((await lossOf({ ...options, ...CENTERED })).loss, 3);
});

test('what is said of the options stands in the result', async () => {
  expect((await lossOf({ head: 'arcface', s: 0.1 })).notes).toEqual([
    { code: 'SCALE_TOO_SMALL', message: expect.stringContaining('s = 0.1 is below ') },
  ]);
  expect((await lossOf({})).notes).toEqual([]);
});

test('the step of the centres does not depend on weight and rate', async () => {
  const first = await lossOf({ head: 'center', weight: 0.3, rate: 0.5, ...CENTERED });
  const other = await lossOf({ head: 'center', weight: 2, rate: 0.1, ...CENTERED });
  expect(other.dCenters).toEqual(first.dCenters);
});

test.each([
  ['arcface, m = 0', { head: 'arcface', m: 0 }],
  ['am-softmax, m = 0', { head: 'am-softmax', m: 0 }],
  ['combined, 1, 0, 0', { head: 'combined', m2: 0 }],
])('%s is normface exactly', async (_, options) => {
  expect(await lossOf({ s: 16, ...options })).toEqual(await lossOf({ head: 'normface', s: 16 }));
});

test.each([
  ['l-softmax, m = 1', { head: 'l-softmax', m: 1 }],
  ['center, weight = 0', { head: 'center', weight: 0 }],
  ['l2-softmax, alpha = 0', { head: 'l2-softmax', alpha: 0 }],
])('%s is softmax exactly', async (_, options) => {
  expect(await lossOf(options)).toEqual(await lossOf({}));
});

test('arcface is combined with 1, m, 0', async () => {
  const combined = await lossOf({ head: 'combined', s: 8, m2: 0.4 });
  expect(await lossOf({ head: 'arcface', s: 8, m: 0.4 })).toEqual(combined);
});

/** Every head at its defaults, and with the parts of others. */
const HEADS: Record<string, unknown>[] = [
  { head: 'softmax', bias: new Float32Array(17) },
  { head: 'l2-softmax' },
  { head: 'l2-softmax', l2Scope: 'batch', alpha: learned(16) },
  { head: 'normface' },
  { head: 'l-softmax' },
  { head: 'l-softmax', m: 16 },
  { head: 'a-softmax' },
  { head: 'am-softmax' },
  { head: 'arcface', s: 64 },
  { head: 'arcface', s: learned(64), m: Math.PI / 2, wrap: 'linear' },
  { head: 'arcface', m: 1, wrap: 'none' },
  { head: 'combined', m1: 1.3, m2: 0.2, m3: 0.1 },
  { head: 'combined', m1: 0.1, m2: Math.PI / 2 },
  { head: 'pedcc' },
  { head: 'center' },
  { head: 'scaled-bn' },
  { head: 'arcface', logitNormalizer: 'scaled-bn', auxiliary: 'center' },
  { head: 'l-softmax', logitNormalizer: 'scaled-bn', auxiliary: 'center', classWeights: Array(17).fill(0.5) },
  { head: 'pedcc', logitNormalizer: 'scaled-bn', labelSmoothing: 0.1 },
];

const classes = matrix(17, 2, 5);
const own = Array.from(classes.keys());
const DEGENERATE: [string, { features: Matrix; labels?: number[]; weights?: Matrix }][] = [
  ['a row of zeros', { features: classes.map((row, i) => (i === 3 ? [0, 0] : row)) }],
  ['nothing but zeros', { features: classes.map(() => [0, 0]) }],
  [
    'a class weight of zeros',
    { features: classes, weights: classes.map((row, i) => (i === 3 ? [0, 0] : row)) },
  ],
  [
    'a tiny class weight',
    { features: classes, weights: classes.map((row, i) => (i === 3 ? [1e-21, 0] : row)) },
  ],
  ['features on top of their class weights', { features: classes }],
  [
    'features opposite of their class weights',
    { features: classes.map((row) => row.map((value) => -value)) },
  ],
  ['a single sample', { features: [[0.3, -0.2]], labels: [4] }],
  ['samples that are all alike', { features: classes.map(() => [0.3, -0.2]) }],
  ['tiny features', { features: matrix(17, 2, 6).map((row) => row.map((value) => value * 1e-20)) }],
  ['huge features', { features: matrix(17, 2, 6).map((row) => row.map((value) => value * 1e12)) }],
];

describe.each(DEGENERATE)('%s', (_, { features, weights = classes, labels = own }) => {
  test.each(HEADS)('%j: everything is finite', async (options) => {
    const { notes: _notes, ...result } = await headLoss({
      ...options,
      features: floats(features),
      weights: floats(weights),
      labels: Int32Array.from(labels),
      numClasses: 17,
      embeddingSize: 2,
    } as HeadLossOptions);
    for (const [name, values] of Object.entries(result)) {
      const numbers = typeof values === 'number' ? [values] : Array.from(values as Float32Array);
      expect({ name, bad: numbers.filter((value) => !Number.isFinite(value)) }).toEqual({ name, bad: [] });
    }
  });
});

test('a zero row is finite and has no gradient', async () => {
  const result = await lossOf({ head: 'arcface', features: new Float32Array(N * D) });
  expect(Number.isFinite(result.loss)).toBe(true);
  expect(result.dFeatures.every((value) => value === 0)).toBe(true);
});
const refused: [string, Record<string, unknown>, string, string][] = [
  [
    'features of another length',
    { features: new Float32Array(5) },
    'INVALID_DATA',
    `expected ${N * D} numbers`,
  ],
  ['features that are no floats', { features: [1, 2] }, 'INVALID_OPTION', 'a Float32Array for features'],
  [
    'a weight that is not finite',
    { weights: new Float32Array(C * D).fill(Number.NaN, 4) },
    'INVALID_DATA',
    'NaN at index 4',
  ],
  [
    'a label out of range',
    { labels: Int32Array.of(0, 1, 2, 5, 0, 0, 0) },
    'INVALID_DATA',
    'label of sample 3',
  ],
  ['a bias of another length', { bias: new Float32Array(2) }, 'INVALID_DATA', `bias: expected ${C} numbers`],
  [
    'centres of another length',
    { head: 'center', centers: new Float32Array(2) },
    'INVALID_DATA',
    `centers: expected ${C * D} numbers (numClasses × embeddingSize), found 2`,
  ],
  [
    'a centre that is not finite',
    { head: 'center', centers: new Float32Array(C * D).fill(Number.POSITIVE_INFINITY, 7) },
    'INVALID_DATA',
    'Infinity at index 7',
  ],
  [
    'centres of a head without center loss',
    { ...CENTERED },
    'INVALID_OPTION',
    'no value (this head has no center loss) for centers',
  ],
  ['centres of pedcc', { head: 'pedcc', ...CENTERED }, 'INVALID_OPTION', 'this head has no center loss'],
  [
    'centres that weigh nothing',
    { head: 'center', weight: 0, ...CENTERED },
    'INVALID_OPTION',
    'this head has no center loss',
  ],
  ['a bias of a head that has none', { head: 'arcface', ...BIASED }, 'INVALID_OPTION', 'arcface has no bias'],
  [
    'a bias that batch norm takes away again',
    { logitNormalizer: 'scaled-bn', ...BIASED },
    'INVALID_OPTION',
    'The logit normaliser takes a bias away again',
  ],
  ['a bias of scaled-bn', { head: 'sbn', ...BIASED }, 'INVALID_OPTION', 'scaled-bn has no bias'],
  ['a margin of softmax', { m: 0.5 }, 'INVALID_OPTION', 'The head here is softmax; m is an option of'],
  ['an option of training', { featureDropout: 0.5 }, 'INVALID_OPTION', 'no such option'],
  ['a negative lambda', { lambda: -1 }, 'INVALID_OPTION', 'a number of at least 0 for lambda'],
  [
    'λ as a rule over a run',
    { head: 'l-softmax', lambda: { base: 1000, until: 0.5 } },
    'INVALID_OPTION',
    'a number of at least 0 for lambda',
  ],
  ["a recipe's λ", { head: 'a-softmax', lambda: 'sphereface' }, 'INVALID_OPTION', 'for lambda'],
  [
    'a logit normaliser that there is not',
    { logitNormalizer: 'bn' },
    'INVALID_OPTION',
    "'scaled-bn' or { type: 'scaled-bn', … } for logitNormalizer",
  ],
  [
    'a logit normaliser of scaled-bn',
    { head: 'scaled-bn', logitNormalizer: 'scaled-bn' },
    'INVALID_OPTION',
    'The head scaled-bn has its own',
  ],
  [
    'center loss of center',
    { head: 'center', auxiliary: 'center' },
    'INVALID_OPTION',
    'The head center has its own',
  ],
  [
    'no samples',
    { features: new Float32Array(), labels: new Int32Array() },
    'INVALID_DATA',
    'one or more samples',
  ],
];

test.each(refused)('%s: refused', async (_, change, code, message) => {
  const error = await refusal(() => lossOf(change));
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
});
