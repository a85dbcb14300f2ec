/** From a head's options to what the native side computes, its defaults, warnings and refusals. */
import { checkHead, HEAD_NAMES, HEAD_WORDS, resolveHead } from '../../../lib/heads/resolve.js';
import { scaleBound } from '../../../lib/heads/scale.js';
import { refusal } from '../../support/refusal.js';

/** Options as a JavaScript caller may write them, for ten classes. */
const resolve = (options: Record<string, unknown>, numClasses = 10) =>
  resolveHead(checkHead(options), numClasses);

/** Softmax without bias: what every head differs from. */
const PLAIN = {
  numClasses: 10,
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
  featureDropout: 0,
  labelSmoothing: 0,
};
const COSINE = { normalizeFeatures: true, normalizeWeights: true };
const COMMON = { featureDropout: 0, labelSmoothing: 0, headLr: 1, marginWarmup: 0 };
const LAMBDA = { base: 1000, until: 0.5, min: 0 };
const ARCFACE = { m: 0.5, s: 30, wrap: 'continue', easyMargin: false, gradient: 'exact' };

interface Row {
  readonly options: Record<string, unknown>;
  /** What differs from `PLAIN` */
  readonly native: Record<string, unknown>;
  /** Beside `COMMON` */
  readonly effective: Record<string, unknown>;
  readonly byAngle: boolean;
}

const DEFAULTS: Row[] = [
  { options: {}, native: { bias: true }, effective: { head: 'softmax', bias: true }, byAngle: false },
  {
    options: { head: 'l2-softmax' },
    native: { normalizeFeatures: true, scale: 16, bias: true },
    effective: { alpha: 16, l2Scope: 'sample', bias: true },
    byAngle: true,
  },
  {
    options: { head: 'normface' },
    native: { ...COSINE, scale: 16 },
    effective: { s: 16 },
    byAngle: true,
  },
  { options: { head: 'l-softmax' }, native: { m1: 4 }, effective: { m: 4, lambda: LAMBDA }, byAngle: false },
  {
    options: { head: 'a-softmax' },
    native: { normalizeWeights: true, m1: 4 },
    effective: { m: 4, lambda: LAMBDA },
    byAngle: true,
  },
  {
    options: { head: 'am-softmax' },
    native: { ...COSINE, scale: 30, m3: 0.35 },
    effective: { m: 0.35, s: 30 },
    byAngle: true,
  },
  {
    options: { head: 'arcface' },
    native: { ...COSINE, scale: 30, m2: 0.5 },
    effective: ARCFACE,
    byAngle: true,
  },
  {
    options: { head: 'combined' },
    native: { ...COSINE, scale: 30, m2: 0.5 },
    effective: { m1: 1, m2: 0.5, m3: 0, s: 30 },
    byAngle: true,
  },
  {
    options: { head: 'pedcc' },
    // Its distance is not halved.
    native: { ...COSINE, fixedWeights: true, scale: 7.5, m3: 0.35, centerWeight: 2 },
    effective: { m: 0.35, s: 7.5, weight: 1 },
    byAngle: true,
  },
  {
    options: { head: 'center' },
    native: { bias: true, centerWeight: 0.01, centerRate: 0.5 },
    effective: { weight: 0.01, rate: 0.5, bias: true },
    byAngle: false,
  },
  {
    options: { head: 'scaled-bn' },
    native: { scaledBn: { scale: 1, epsilon: 1e-5 } },
    effective: { m: 1, epsilon: 1e-5 },
    byAngle: false,
  },
];

const GIVEN: Row[] = [
  {
    options: { head: 'softmax', bias: false, featureDropout: 0.2, labelSmoothing: 0.1, headLr: 5 },
    native: { featureDropout: 0.2, labelSmoothing: 0.1 },
    effective: { bias: false, featureDropout: 0.2, labelSmoothing: 0.1, headLr: 5 },
    byAngle: false,
  },
  {
    options: { head: 'l2-softmax', alpha: 20, l2Scope: 'batch', bias: false },
    native: { normalizeFeatures: true, l2Scope: 'batch', scale: 20 },
    effective: { alpha: 20, l2Scope: 'batch', bias: false },
    byAngle: false,
  },
  {
    options: { head: 'l2-softmax', alpha: 0 },
    native: { bias: true },
    effective: { alpha: 0, l2Scope: 'sample', bias: true },
    byAngle: false,
  },
  {
    options: { head: 'l2-softmax', alpha: { learn: true } },
    native: { normalizeFeatures: true, scale: 16, learnScale: true, bias: true },
    effective: { alpha: { learn: true, init: 16 }, l2Scope: 'sample', bias: true },
    byAngle: true,
  },
  {
    options: { head: 'normface', s: { learn: true } },
    native: { ...COSINE, scale: 16, learnScale: true },
    effective: { s: { learn: true, init: 16 } },
    byAngle: true,
  },
  {
    options: { head: 'l-softmax', m: 2, lambda: 'mnist' },
    native: { m1: 2 },
    effective: { m: 2, lambda: { base: 1000, gamma: 2.5e-5, power: 35, min: 0 } },
    byAngle: false,
  },
  {
    options: { head: 'a-softmax', m: 1, lambda: 3 },
    native: { normalizeWeights: true },
    effective: { m: 1, lambda: 3 },
    byAngle: true,
  },
  {
    options: { head: 'am-softmax', m: 0.2, s: { learn: true, init: 12 } },
    native: { ...COSINE, scale: 12, learnScale: true, m3: 0.2 },
    effective: { m: 0.2, s: { learn: true, init: 12 } },
    byAngle: true,
  },
  {
    options: { head: 'arcface', gradient: 'detached', wrap: 'linear', easyMargin: true, marginWarmup: 0.2 },
    native: { ...COSINE, scale: 30, m2: 0.5, wrap: 'linear', easyMargin: true, exactGradient: false },
    effective: { ...ARCFACE, gradient: 'detached', wrap: 'linear', easyMargin: true, marginWarmup: 0.2 },
    byAngle: true,
  },
  {
    options: { head: 'combined', m1: 1.3, m2: 0.2, m3: 0.1, s: 64 },
    native: { ...COSINE, scale: 64, m1: 1.3, m2: 0.2, m3: 0.1 },
    effective: { m1: 1.3, m2: 0.2, m3: 0.1, s: 64 },
    byAngle: true,
  },
  {
    options: { head: 'pedcc', m: 0.5, s: 10, weight: 3 },
    native: { ...COSINE, fixedWeights: true, scale: 10, m3: 0.5, centerWeight: 6 },
    effective: { m: 0.5, s: 10, weight: 3 },
    byAngle: true,
  },
  {
    options: { head: 'center', weight: 0.1, rate: 0.2 },
    native: { bias: true, centerWeight: 0.1, centerRate: 0.2 },
    effective: { weight: 0.1, rate: 0.2, bias: true },
    byAngle: false,
  },
  {
    options: { head: 'scaled-bn', m: 0.8, epsilon: 1e-3 },
    native: { scaledBn: { scale: 0.8, epsilon: 1e-3 } },
    effective: { m: 0.8, epsilon: 1e-3 },
    byAngle: false,
  },
  {
    options: { head: 'arcface', logitNormalizer: 'scaled-bn', auxiliary: 'center' },
    native: {
      ...{ ...COSINE, scale: 30, m2: 0.5 },
      ...{ scaledBn: { scale: 1, epsilon: 1e-5 }, centerWeight: 0.01, centerRate: 0.5 },
    },
    effective: {
      ...ARCFACE,
      logitNormalizer: { type: 'scaled-bn', m: 1, epsilon: 1e-5 },
      auxiliary: { type: 'center', weight: 0.01, rate: 0.5 },
    },
    byAngle: true,
  },
  {
    options: {
      head: 'softmax',
      logitNormalizer: { type: 'scaled-bn', m: 0.9, epsilon: 1e-4 },
      auxiliary: { type: 'center', weight: 0.5, rate: 1 },
    },
    native: { scaledBn: { scale: 0.9, epsilon: 1e-4 }, centerWeight: 0.5, centerRate: 1 },
    effective: {
      bias: false,
      logitNormalizer: { type: 'scaled-bn', m: 0.9, epsilon: 1e-4 },
      auxiliary: { type: 'center', weight: 0.5, rate: 1 },
    },
    byAngle: false,
  },
  {
    options: { head: 'scaled-bn', auxiliary: { type: 'center', rate: 0 } },
    native: { scaledBn: { scale: 1, epsilon: 1e-5 }, centerWeight: 0.01 },
    effective: { m: 1, epsilon: 1e-5, auxiliary: { type: 'center', weight: 0.01, rate: 0 } },
    byAngle: false,
  },
];

test.each([...DEFAULTS, ...GIVEN])('$options', ({ options, native, effective, byAngle }) => {
  const head = resolve(options);
  expect(head.native).toEqual({ ...PLAIN, ...native });
  expect(head.effective).toEqual({ ...COMMON, head: options.head, ...effective });
  expect(head).toMatchObject({ byAngle, warnings: [] });
  expect(head.headLr).toBe(effective.headLr ?? 1);
  expect(head.marginWarmup).toBe(effective.marginWarmup ?? 0);
  expect(head.lambda).toEqual(effective.lambda ?? 0);
  // What a run had in force can be given again.
  expect(resolve(JSON.parse(JSON.stringify(head.effective)))).toEqual(head);
});

test('the table above has every head', () => {
  expect(DEFAULTS.map(({ effective, options }) => options.head ?? effective.head)).toEqual(HEAD_NAMES);
});

test.each([
  ['l2', 'l2-softmax'],
  ['sphereface', 'a-softmax'],
  ['cosface', 'am-softmax'],
  ['sbn', 'scaled-bn'],
])("'%s' is another name of %s", (alias, name) => {
  expect(resolve({ head: alias })).toEqual(resolve({ head: name }));
  expect(resolve({ head: alias }).effective.head).toBe(name);
  expect(HEAD_WORDS).toContain(alias);
});

test('a logit normaliser takes the default bias away, and one that is asked for is refused', async () => {
  for (const head of ['softmax', 'l2-softmax', 'center']) {
    const options = { head, logitNormalizer: 'scaled-bn' };
    expect(resolve(options)).toMatchObject({ effective: { bias: false }, native: { bias: false } });
    expect(resolve({ ...options, bias: false })).toEqual(resolve(options));
    const error = await refusal(() => resolve({ ...options, bias: true }));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toBe(
      'Expected false for bias but received true of type boolean. The logit normaliser takes a bias away again',
    );
  }
});

test('class weights reach the native side', () => {
  const classWeights = [1, 2, 0, 1, 1, 1, 1, 1, 1, 1];
  expect(resolve({ classWeights }).native.classWeights).toEqual(Float32Array.from(classWeights));
  expect(resolve({ classWeights: Float32Array.from(classWeights) }).effective).toMatchObject({
    classWeights,
  });
});

describe('the scale', () => {
  test.each([
    ['no margin', { m1: 1, m2: 0, m3: 0 }, 3.96],
    ['arcface 0.5', { m1: 1, m2: 0.5, m3: 0 }, 4.44],
    ['cosface 0.35', { m1: 1, m2: 0, m3: 0.35 }, 5.77],
  ])('has a bound: for 10 classes, %s', (_, margin, bound) => {
    expect(scaleBound(margin, 10)).toBeCloseTo(bound, 2);
  });

  test("'auto' is the bound, or √2·ln(C−1) where that is larger", () => {
    expect(resolve({ head: 'arcface', s: 'auto' }).native.scale).toBeCloseTo(4.44, 2);
    expect(resolve({ head: 'normface', s: 'auto' }).native.scale).toBeCloseTo(3.96, 2);
    expect(resolve({ head: 'cosface', s: 'auto' }).effective.s).toBeCloseTo(5.77, 2);
    const many = resolve({ head: 'arcface', s: 'auto', m: 0 }, 10_000);
    expect(many.native.scale).toBeCloseTo(Math.SQRT2 * Math.log(9999), 5);
    expect(many.effective.s).toBe(many.native.scale);
  });

  test.each([
    [{ head: 'arcface', s: 4 }, 4.44],
    [{ head: 'am-softmax', s: 5 }, 5.77],
    [{ head: 'normface', s: 3.9 }, 3.96],
    [{ head: 'combined', m2: 0, m3: 0.35, s: 5.7 }, 5.77],
    [{ head: 'pedcc', s: 5.7 }, 5.77],
  ])('of %j is allowed, with a warning that names the bound %d', (options, bound) => {
    const { native, warnings } = resolve(options);
    expect(native.scale).toBe(options.s);
    expect(warnings).toEqual([
      expect.stringContaining(`s = ${options.s} is below ${bound}: with 10 classes`),
    ]);
    expect(resolve({ ...options, s: bound + 0.01 }).warnings).toEqual([]);
  });

  /** ln(p(C−2)/(1−p)), p = 0.9 */
  test.each([
    [10, 4.28],
    [100, 6.78],
    [200, 7.49],
    [10_575, 11.46],
  ])('alpha with %d classes has the bound %d', (classes, bound) => {
    const options = { head: 'l2-softmax', alpha: bound - 0.01 };
    const below = resolve(options, classes).warnings;
    expect(below).toEqual([
      expect.stringMatching(`^alpha = [\\d.]+ is below ${bound.toFixed(2)}: with ${classes} classes`),
    ]);
    expect(resolve({ ...options, alpha: bound + 0.01 }, classes).warnings).toEqual([]);
    expect(resolve({ ...options, l2Scope: 'batch' }, classes).warnings).toEqual([]);
  });

  test('of normalised logits has none', () => {
    for (const options of [
      { head: 'arcface', s: 1 },
      { head: 'l2-softmax', alpha: 1 },
    ]) {
      expect(resolve({ ...options, logitNormalizer: 'scaled-bn' }).warnings).toEqual([]);
    }
  });

  test('a learned one, alpha = 0 and two classes give no warning', () => {
    expect(resolve({ head: 'l2-softmax', alpha: { learn: true, init: 1 } }).warnings).toEqual([]);
    expect(resolve({ head: 'arcface', s: { learn: true, init: 1 } }).warnings).toEqual([]);
    expect(resolve({ head: 'l2-softmax', alpha: 0 }).warnings).toEqual([]);
    expect(resolve({ head: 'l2-softmax', alpha: 0.1 }, 2).warnings).toEqual([]);
  });
});

test.each([
  ['softmax', {}],
  ['l2-softmax', {}],
  ['normface', {}],
  ['center', {}],
  ['scaled-bn', {}],
  ['arcface', { m: 0 }],
  ['l-softmax', { m: 1 }],
])('marginWarmup of %s %j, which has no margin, is mentioned', (head, options) => {
  expect(resolve({ head, ...options, marginWarmup: 0.1 }).warnings).toEqual([
    `marginWarmup has no effect: this ${head} head has no margin`,
  ]);
  expect(resolve({ head, ...options }).warnings).toEqual([]);
});

test.each(['l-softmax', 'a-softmax', 'am-softmax', 'arcface', 'combined', 'pedcc'])(
  'marginWarmup of %s is not',
  (head) => {
    expect(resolve({ head, marginWarmup: 0.1 })).toMatchObject({ marginWarmup: 0.1, warnings: [] });
  },
);

test('m in degrees is refused with the radians', async () => {
  for (const [options, name] of [
    [{ head: 'arcface', m: 28.6 }, 'm'],
    [{ head: 'combined', m2: 28.6 }, 'm2'],
  ] as const) {
    expect((await refusal(() => resolve(options))).message).toBe(
      `Expected an angle in radians in [0, π/2] for ${name} but received 28.6 of type number. ` +
        'Were degrees meant? 28.6 degrees are 0.4992 radians',
    );
  }
});

test.each<[Record<string, unknown>, string]>([
  [{ head: 'arcFace' }, "Did you mean 'arcface'?"],
  [{ head: 'softmaks' }, "Did you mean 'softmax'?"],
  [{ head: 'lsoftmax' }, "Did you mean 'l-softmax'?"],
  [{ head: 'amsoftmax' }, "Did you mean 'am-softmax'?"],
  [{ head: 'spherface' }, "Did you mean 'sphereface'?"],
  [{ head: 3 }, "one of 'softmax', 'l2-softmax', 'normface', 'l-softmax', "],
  [{ head: 'arcface', m: Number.NaN }, 'for m but received NaN'],
  [{ head: 'arcface', m: Number.POSITIVE_INFINITY }, 'for m but received Infinity'],
  [{ head: 'arcface', m: -0.1 }, 'a number of at least 0 for m but received -0.1'],
  [{ head: 'arcface', m: '0.5' }, 'for m but received "0.5" of type string'],
  [{ head: 'arcface', s: 0 }, 'a number above 0 for s'],
  [{ head: 'arcface', s: 'automatic' }, "a number above 0, 'auto' or { learn: true, init } for s"],
  [{ head: 'arcface', s: { init: 3 } }, 'true for s.learn'],
  [{ head: 'arcface', s: { learn: true, start: 3 } }, 'for s.start'],
  [{ head: 'arcface', s: { learn: true, init: 0 } }, 'a number above 0 for s.init'],
  [{ head: 'arcface', wrap: 'continous' }, "Did you mean 'continue'?"],
  [{ head: 'arcface', gradient: 'Exact' }, "one of 'exact', 'detached' for gradient"],
  [{ head: 'arcface', easyMargin: 1 }, 'true or false for easyMargin'],
  [{ head: 'arcface', marginWarmup: 1.5 }, 'a whole number for marginWarmup'],
  [{ head: 'arcface', marginWarmup: -0.1 }, 'a number of at least 0 for marginWarmup'],
  [{ head: 'l2-softmax', alpha: -1 }, 'a number of at least 0 for alpha'],
  [{ head: 'l2-softmax', alpha: 'auto' }, 'a number of at least 0 or { learn: true, init } for alpha'],
  [{ head: 'l2-softmax', alpha: { learn: true, init: 0 } }, 'a number above 0 for alpha.init'],
  [{ head: 'l2-softmax', alpha: { learn: 1 } }, 'true for alpha.learn'],
  [{ head: 'l2-softmax', l2Scope: 'row' }, "one of 'sample', 'batch' for l2Scope"],
  [{ head: 'l2-softmax', l2Scope: 'bach' }, "Did you mean 'batch'?"],
  [{ head: 'softmax', bias: 0 }, 'true or false for bias'],
  [{ head: 'l-softmax', m: 0 }, 'a whole number in [1, 16] for m'],
  [{ head: 'l-softmax', m: 2.5 }, 'a whole number in [1, 16] for m'],
  [{ head: 'a-softmax', m: 17 }, 'a whole number in [1, 16] for m'],
  [{ head: 'a-softmax', lambda: -1 }, 'a number of at least 0 for lambda'],
  [{ head: 'am-softmax', m: 2.1 }, 'a number in [0, 2] for m'],
  [{ head: 'am-softmax', m: -0.1 }, 'a number in [0, 2] for m'],
  [{ head: 'combined', m1: 0 }, 'a number in (0, 16] for m1'],
  [{ head: 'combined', m1: 16.5 }, 'for m1'],
  [{ head: 'combined', m2: -1 }, 'for m2'],
  [{ head: 'combined', m3: 2.5 }, 'a number in [0, 2] for m3'],
  [{ head: 'pedcc', weight: -1 }, 'a number of at least 0 for weight'],
  [{ head: 'pedcc', m: '0.35' }, 'for m but received "0.35" of type string'],
  [{ head: 'center', weight: Number.NaN }, 'a number of at least 0 for weight'],
  [{ head: 'center', rate: 1.1 }, 'a number in [0, 1] for rate'],
  [{ head: 'scaled-bn', m: 0 }, 'a number above 0 for m'],
  [{ head: 'scaled-bn', epsilon: 0 }, 'a number above 0 for epsilon'],
  [
    { head: 'l2-softmax', l2Scope: 'batch', logitNormalizer: 'scaled-bn' },
    "no value beside l2Scope 'batch' for logitNormalizer",
  ],
  [{ logitNormalizer: true }, "'scaled-bn' or { type: 'scaled-bn', … } for logitNormalizer"],
  [{ logitNormalizer: 'sbn' }, "'scaled-bn' or { type: 'scaled-bn', … } for logitNormalizer"],
  [{ logitNormalizer: {} }, "'scaled-bn' for logitNormalizer.type"],
  [{ logitNormalizer: { type: 'scaled_bn' } }, "Did you mean 'scaled-bn'?"],
  [{ logitNormalizer: { type: 'scaled-bn', m: -1 } }, 'a number above 0 for logitNormalizer.m'],
  [{ logitNormalizer: { type: 'scaled-bn', eps: 1 } }, 'for logitNormalizer.eps'],
  [{ auxiliary: ['center'] }, "'center' or { type: 'center', … } for auxiliary"],
  [{ auxiliary: { type: 'center', weight: -1 } }, 'a number of at least 0 for auxiliary.weight'],
  [{ auxiliary: { type: 'center', rate: 2 } }, 'a number in [0, 1] for auxiliary.rate'],
  [{ auxiliary: { type: 'center', wieght: 1 } }, "Did you mean 'weight'?"],
  [{ featureDropout: 1 }, 'a number in [0, 1) for featureDropout'],
  [{ labelSmoothing: -0.1 }, 'a number in [0, 1) for labelSmoothing'],
  [{ headLr: -1 }, 'a number of at least 0 for headLr'],
  [{ classWeights: [1, 2] }, '10 numbers, one per class, for classWeights'],
  [{ classWeights: 'balanced' }, 'an array of numbers for classWeights'],
  [{ classWeights: Array(10).fill(0) }, 'a weight above 0 for classWeights'],
  [{ classWeights: [1, 1, 1, -1, 1, 1, 1, 1, 1, 1] }, 'for classWeights[3]'],
])('%j is refused', async (options, message) => {
  const error = await refusal(() => resolve(options));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toMatch(/^Expected .* but received .* of type /);
  expect(error.message).toContain(message);
});

test('one class is no classification', async () => {
  expect((await refusal(() => resolveHead(checkHead({}), 1))).message).toContain('numClasses');
});
