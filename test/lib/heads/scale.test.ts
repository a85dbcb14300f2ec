/** The length of normalised features: its bound, 'auto', and what a user is told. */
import { targetFactor } from '../../../lib/heads/margin.js';
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { scaleBound } from '../../../lib/heads/scale.js';

/** Options as a JavaScript caller may write them, for ten classes. */
const resolve = (options: Record<string, unknown>, numClasses = 10) =>
  resolveHead(checkHead(options), numClasses);

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
    const { native, notes } = resolve(options);
    expect(native.scale).toBe(options.s);
    expect(notes).toEqual([
      {
        code: 'SCALE_TOO_SMALL',
        message: expect.stringContaining(`s = ${options.s} is below ${bound}: with 10 classes`),
      },
    ]);
    expect(resolve({ ...options, s: bound + 0.01 }).notes).toEqual([]);
  });

  /** ln(p(C−2)/(1−p)), p = 0.9 */
  test.each([
    [10, 4.28],
    [100, 6.78],
    [200, 7.49],
    [10_575, 11.46],
  ])('alpha with %d classes has the bound %d', (classes, bound) => {
    const options = { head: 'l2-softmax', alpha: bound - 0.01 };
    const below = resolve(options, classes).notes;
    expect(below).toEqual([
      {
        code: 'SCALE_TOO_SMALL',
        message: expect.stringMatching(
          `^alpha = [\\d.]+ is below ${bound.toFixed(2)}: with ${classes} classes`,
        ),
      },
    ]);
    expect(resolve({ ...options, alpha: bound + 0.01 }, classes).notes).toEqual([]);
    expect(resolve({ ...options, l2Scope: 'batch' }, classes).notes).toEqual([]);
  });

  /** With all other classes at cosθ = −1/(C−1), the best that ten or two of them can do. */
  test.each([
    [{ head: 'am-softmax', m: 1.12 }, 10, '-0.120·s and those of the other classes are -0.111·s'],
    [{ head: 'combined', m2: 1, m3: 0.7, s: { learn: true } }, 10, '-0.160·s'],
    [{ head: 'pedcc', m: 2, s: 'auto' }, 2, '-1.00·s and those of the other classes are -1.00·s'],
  ])('no number suffices for the margin of %j', (options, classes, logits) => {
    const { native, notes } = resolve(options, classes);
    expect(notes).toEqual([{ code: 'NO_SCALE_SUFFICES', message: expect.stringContaining(logits) }]);
    expect(native.scale).toBeGreaterThan(0);
    expect(native.scale).toBeLessThan(100);
    const target = targetFactor(native, 0);
    for (const s of [1, 30, 1e4]) {
      const others = (classes - 1) * Math.exp(s * (-1 / (classes - 1) - target));
      expect(1 / (1 + others)).toBeLessThanOrEqual(1 / classes);
    }
  });

  test('one suffices for a margin that is a little smaller, however large it is', () => {
    const { notes } = resolve({ head: 'am-softmax', m: 1.1 }, 10);
    expect(notes).toEqual([
      { code: 'SCALE_TOO_SMALL', message: expect.stringContaining('s = 30 is below 395.') },
    ]);
    expect(resolve({ head: 'am-softmax', m: 1.1, s: 396 }, 10).notes).toEqual([]);
  });

  test('of normalised logits has none', () => {
    for (const options of [
      { head: 'arcface', s: 1 },
      { head: 'l2-softmax', alpha: 1 },
    ]) {
      expect(resolve({ ...options, logitNormalizer: 'scaled-bn' }).notes).toEqual([]);
    }
  });

  test('a learned one, alpha = 0 and two classes give no warning', () => {
    expect(resolve({ head: 'l2-softmax', alpha: { learn: true, init: 1 } }).notes).toEqual([]);
    expect(resolve({ head: 'arcface', s: { learn: true, init: 1 } }).notes).toEqual([]);
    expect(resolve({ head: 'l2-softmax', alpha: 0 }).notes).toEqual([]);
    expect(resolve({ head: 'l2-softmax', alpha: 0.1 }, 2).notes).toEqual([]);
  });
});
