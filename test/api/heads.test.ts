import type { HeadOptions } from '../../lib/headOptions.js';
import { expectedFirstLoss, resolveHead } from '../../lib/heads.js';
import { scaleBound } from '../../lib/scale.js';
import { refusal } from '../support/refusal.js';

/** Options as a JavaScript caller may write them, for ten classes. */
const resolve = (options: Record<string, unknown>) => resolveHead(options as HeadOptions, 10);

test('softmax is the plain pipeline with a bias', () => {
  expect(resolve({})).toEqual({
    cosine: false,
    headLr: 1,
    marginWarmup: 0,
    warnings: [],
    effective: { head: 'softmax', bias: true, featureDropout: 0, labelSmoothing: 0, headLr: 1 },
    native: {
      numClasses: 10,
      normalizeFeatures: false,
      scale: 1,
      learnScale: false,
      l2Scope: 'sample',
      normalizeWeights: false,
      bias: true,
      m1: 1,
      m2: 0,
      m3: 0,
      wrap: 'continue',
      easyMargin: false,
      exactGradient: true,
      featureDropout: 0,
      labelSmoothing: 0,
    },
  });
});

test('arcface is s·x̂ on unit weights with an additive angle', () => {
  const head = resolve({ head: 'arcface', gradient: 'detached', wrap: 'linear', headLr: 10 });
  expect(head.native).toMatchObject({
    normalizeFeatures: true,
    normalizeWeights: true,
    bias: false,
    scale: 30,
    m1: 1,
    m2: 0.5,
    m3: 0,
    wrap: 'linear',
    exactGradient: false,
  });
  expect(head).toMatchObject({ cosine: true, headLr: 10, warnings: [] });
  expect(head.effective).toMatchObject({ m: 0.5, s: 30, wrap: 'linear', easyMargin: false, marginWarmup: 0 });
});

test.each([
  ['no margin', { m1: 1, m2: 0, m3: 0 }, 3.96],
  ['arcface 0.5', { m1: 1, m2: 0.5, m3: 0 }, 4.44],
  ['cosface 0.35', { m1: 1, m2: 0, m3: 0.35 }, 5.77],
])('the bound of s for 10 classes, %s', (_, margin, bound) => {
  expect(scaleBound(margin, 10)).toBeCloseTo(bound, 2);
});

test("s: 'auto' is the bound, or √2·ln(C−1) where that is larger", () => {
  expect(resolve({ head: 'arcface', s: 'auto' }).native.scale).toBeCloseTo(4.44, 2);
  const many = resolveHead({ head: 'arcface', s: 'auto', m: 0 }, 10_000);
  expect(many.native.scale).toBeCloseTo(Math.SQRT2 * Math.log(9999), 5);
  expect(many.effective.s).toBe(many.native.scale);
});

test('s below the bound is allowed, with a warning that names the bound', () => {
  const { native, warnings } = resolve({ head: 'arcface', s: 4 });
  expect(native.scale).toBe(4);
  expect(warnings).toEqual([expect.stringContaining('s = 4 is below 4.44')]);
  expect(resolve({ head: 'arcface', s: 4.5 }).warnings).toEqual([]);
});

test('a learned s starts at init, or at the default', () => {
  const head = resolve({ head: 'arcface', s: { learn: true } });
  expect(head.native).toMatchObject({ scale: 30, learnScale: true });
  expect(head.effective.s).toEqual({ learn: true, init: 30 });
  expect(resolve({ head: 'arcface', s: { learn: true, init: 12 } }).native.scale).toBe(12);
});

test.each<[Record<string, unknown>, number, number | undefined]>([
  [{}, 1024, Math.log(10)],
  [{ head: 'arcface' }, 1024, Math.log(9) + 30 * Math.sin(0.5)],
  [{ head: 'arcface', m: 0 }, 1024, Math.log(10)],
  [{ head: 'arcface', marginWarmup: 0.1 }, 1024, Math.log(10)],
  [{ head: 'arcface', easyMargin: true }, 1024, undefined],
  [{ head: 'arcface' }, 128, undefined],
])('the first loss to expect of %j with an embedding of %d', (options, size, expected) => {
  const loss = expectedFirstLoss(resolve(options), size);
  if (expected === undefined) expect(loss).toBeUndefined();
  else expect(loss).toBeCloseTo(expected, 5);
});

test('class weights reach the native side', () => {
  const classWeights = [1, 2, 0, 1, 1, 1, 1, 1, 1, 1];
  expect(resolve({ classWeights }).native.classWeights).toEqual(Float32Array.from(classWeights));
  expect(resolve({ classWeights: Float32Array.from(classWeights) }).effective).toMatchObject({
    classWeights,
  });
});

test('m in degrees is refused with the radians', async () => {
  const error = await refusal(() => resolve({ head: 'arcface', m: 28.6 }));
  expect(error.message).toContain('an angle in radians in [0, π/2] for m but received 28.6');
  expect(error.message).toContain('Were degrees meant? 28.6 degrees are 0.4992 radians');
});

test.each<[Record<string, unknown>, string]>([
  [{ head: 'arcface', m: Number.NaN }, 'for m but received NaN'],
  [{ head: 'arcface', m: Number.POSITIVE_INFINITY }, 'for m but received Infinity'],
  [{ head: 'arcface', m: -0.1 }, 'for m but received -0.1'],
  [{ head: 'arcface', m: '0.5' }, 'for m but received "0.5" of type string'],
  [{ head: 'arcface', s: 0 }, 'a number above 0 for s'],
  [{ head: 'arcface', s: 'automatic' }, "a number above 0, 'auto' or { learn: true, init } for s"],
  [{ head: 'arcface', s: { init: 3 } }, 'true for s.learn'],
  [{ head: 'arcface', s: { learn: true, start: 3 } }, 'for s.start'],
  [{ head: 'arcface', wrap: 'continous' }, "Did you mean 'continue'?"],
  [{ head: 'arcface', marginWarmup: 1.5 }, 'a whole number for marginWarmup'],
  [{ featureDropout: 1 }, 'a number in [0, 1) for featureDropout'],
  [{ labelSmoothing: -0.1 }, 'for labelSmoothing'],
  [{ classWeights: [1, 2] }, '10 numbers, one per class, for classWeights'],
  [{ classWeights: Array(10).fill(0) }, 'a weight above 0 for classWeights'],
  [{ classWeights: [1, 1, 1, -1, 1, 1, 1, 1, 1, 1] }, 'for classWeights[3]'],
])('%j is refused', async (options, message) => {
  const error = await refusal(() => resolve(options));
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(message);
});

test('one class is no classification', async () => {
  expect((await refusal(() => resolveHead({}, 1))).message).toContain('numClasses');
});
