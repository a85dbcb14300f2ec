/** From a head's options to what the native side computes, its defaults, warnings and refusals. */
import { checkHead, HEAD_NAMES, HEAD_WORDS, resolveHead } from '../../../lib/heads/resolve.js';
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
const LAMBDA = { base: 1000, until: 1, min: 5 };
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
  expect(head).toMatchObject({ byAngle, notes: [] });
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

test.each([
  ['softmax', {}],
  ['l2-softmax', {}],
  ['normface', {}],
  ['center', {}],
  ['scaled-bn', {}],
  ['arcface', { m: 0 }],
  ['l-softmax', { m: 1 }],
])('marginWarmup of %s %j, which has no margin, is mentioned', (head, options) => {
  expect(resolve({ head, ...options, marginWarmup: 0.1 }).notes).toEqual([
    { code: 'NO_MARGIN', message: `marginWarmup has no effect: this ${head} head has no margin` },
  ]);
  expect(resolve({ head, ...options }).notes).toEqual([]);
});

test.each(['l-softmax', 'a-softmax', 'am-softmax', 'arcface', 'combined', 'pedcc'])(
  'marginWarmup of %s is not',
  (head) => {
    expect(resolve({ head, marginWarmup: 0.1 })).toMatchObject({ marginWarmup: 0.1, notes: [] });
  },
);

test('one class is no classification', async () => {
  expect((await refusal(() => resolveHead(checkHead({}), 1))).message).toContain('numClasses');
});
